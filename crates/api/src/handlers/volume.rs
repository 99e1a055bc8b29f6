//! Volumes: there are none yet, which is what questions about them are told.

use axum::extract::Path;
use axum::http::StatusCode;
use porthole_engine::{Error, ErrorKind};
use serde_json::json;

use super::Answer;
use crate::query::Params;

/// The filters of `GET /volumes`.
const FILTERS: &[&str] = &["dangling", "driver", "label", "name"];

/// `GET /volumes`.
pub(crate) async fn list(params: Params) -> Answer {
    params.filters()?.check(FILTERS)?;
    let none = json!({ "Volumes": [], "Warnings": null });
    Ok(super::json(StatusCode::OK, &none))
}

/// `GET /volumes/{name}`.
pub(crate) async fn inspect(Path(name): Path<String>) -> Answer {
    let message = format!("get {name}: no such volume");
    Err(Error::new(ErrorKind::NotFound, message).into())
}
