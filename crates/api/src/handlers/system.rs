//! `_ping`, `version`, `info`, `system/df`.

use std::sync::Arc;

use axum::extract::{Extension, State};
use axum::http::{HeaderName, StatusCode, header};
use axum::response::{IntoResponse, Response};
use porthole_engine::Engine;
use porthole_engine::usage::Wanted;

use super::{Answer, json};
use crate::error::ApiError;
use crate::query::Params;
use crate::render;
use crate::version::ApiVersion;

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

/// What `system/df` measures.
const TYPES: [&str; 4] = ["build-cache", "container", "image", "volume"];

/// `GET /system/df`.
pub(crate) async fn usage(
    State(engine): State<Arc<Engine>>,
    Extension(version): Extension<ApiVersion>,
    params: Params,
) -> Answer {
    // The parameter came with 1.42; older versions know none of that name.
    let types = if version.at_least(42) {
        params.all("type")
    } else {
        &[]
    };
    if let Some(unknown) = types.iter().find(|name| !TYPES.contains(&name.as_str())) {
        return Err(ApiError::bad_parameter(format!(
            "unknown object type: {unknown}"
        )));
    }
    let wants = |name: &str| types.is_empty() || types.iter().any(|wanted| wanted == name);
    let wanted = Wanted {
        images: wants("image"),
        containers: wants("container"),
    };
    let usage = engine.usage(wanted).await?;
    Ok(json(StatusCode::OK, &render::usage::usage(&usage, version)))
}
