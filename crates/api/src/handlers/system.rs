//! `_ping`, `version`, `info`.

use std::sync::Arc;

use axum::extract::State;
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use porthole_engine::Engine;

use super::{Answer, json};
use crate::render;

/// `GET|HEAD /_ping`.
pub(crate) async fn ping() -> Response {
    let headers = [
        (header::CONTENT_TYPE, "text/plain; charset=utf-8"),
        (header::CACHE_CONTROL, "no-cache, no-store, must-revalidate"),
        (header::PRAGMA, "no-cache"),
        // 1 is the classic builder, the one that dockerd on Windows prefers too.
        (HeaderName::from_static("builder-version"), "1"),
        (HeaderName::from_static("swarm"), "inactive"),
    ];
    (headers, "OK").into_response()
}

/// `GET /version`.
pub(crate) async fn version(State(engine): State<Arc<Engine>>) -> Answer {
    let info = engine.info().await?;
    Ok(json(StatusCode::OK, &render::system::version(&info)))
}

/// `GET /info`.
pub(crate) async fn info(State(engine): State<Arc<Engine>>) -> Answer {
    let info = engine.info().await?;
    Ok(json(StatusCode::OK, &render::system::info(&info)))
}
