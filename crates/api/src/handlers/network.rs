//! Networks: those that are built in. Networks of one's own are not there yet.

use std::sync::Arc;

use axum::extract::{Path, State};
use axum::http::StatusCode;
use porthole_engine::{Engine, Error, ErrorKind};
use serde_json::Value;

use super::{Answer, no_content};
use crate::query::Params;
use crate::render::network_details;

/// `GET /networks`.
pub(crate) async fn list(State(engine): State<Arc<Engine>>, params: Params) -> Answer {
    let networks = engine.list_networks(&params.filters()?)?;
    let rows = networks
        .iter()
        .map(|network| network_details::details(network, &[]));
    Ok(super::json(StatusCode::OK, &rows.collect::<Value>()))
}

/// `GET /networks/{id}`.
pub(crate) async fn inspect(
    State(engine): State<Arc<Engine>>,
    Path(name): Path<String>,
    params: Params,
) -> Answer {
    let found = engine.inspect_network(&name)?;
    if params.get("scope").is_some_and(|scope| scope != "local") {
        let message = format!("network {name} not found");
        return Err(Error::new(ErrorKind::NotFound, message).into());
    }
    Ok(super::json(
        StatusCode::OK,
        &network_details::details(&found.network, &found.members),
    ))
}

/// `DELETE /networks/{id}`.
pub(crate) async fn remove(State(engine): State<Arc<Engine>>, Path(name): Path<String>) -> Answer {
    engine.remove_network(&name)?;
    Ok(no_content())
}
