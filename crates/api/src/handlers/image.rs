//! Images.

use std::sync::Arc;

use axum::extract::{Extension, Path, State};
use axum::http::StatusCode;
use axum::response::IntoResponse;
use porthole_engine::Engine;
use porthole_engine::image::RemoveImage;
use serde_json::Value;

use super::Answer;
use crate::query::Params;
use crate::version::ApiVersion;
use crate::{platform, render};

/// `GET /images/json`.
pub(crate) async fn list(
    State(engine): State<Arc<Engine>>,
    Extension(version): Extension<ApiVersion>,
    params: Params,
) -> Answer {
    let mut filters = params.filters()?;
    // What 1.41 took out: a pattern for names.
    if let Some(pattern) = params.get("filter").filter(|_| !version.at_least(41)) {
        let patterns = filters.0.entry("reference".to_owned()).or_default();
        patterns.push(pattern.to_owned());
    }
    let images = engine
        .list_images(filters, params.flag("shared-size"))
        .await?;
    let rows = images
        .iter()
        .map(|image| render::image::summary(image, version))
        .collect();
    Ok(super::json(StatusCode::OK, &Value::Array(rows)))
}

/// `GET /images/{name}/json`.
pub(crate) async fn inspect(
    State(engine): State<Arc<Engine>>,
    Extension(version): Extension<ApiVersion>,
    Path(name): Path<String>,
    params: Params,
) -> Answer {
    let image = engine.inspect_image(&name).await?;
    platform::check_json(&params, &name)?;
    Ok(super::json(
        StatusCode::OK,
        &render::image::details(&image, version),
    ))
}

/// `GET /images/{name}/history`.
pub(crate) async fn history(
    State(engine): State<Arc<Engine>>,
    Path(name): Path<String>,
    params: Params,
) -> Answer {
    let history = engine.image_history(&name).await?;
    platform::check_json(&params, &name)?;
    Ok(super::json(
        StatusCode::OK,
        &render::image::history(&history),
    ))
}

/// `POST /images/{name}/tag`.
pub(crate) async fn tag(
    State(engine): State<Arc<Engine>>,
    Path(name): Path<String>,
    params: Params,
) -> Answer {
    let repository = params.get("repo").unwrap_or_default();
    engine
        .tag_image(&name, repository, params.get("tag"))
        .await?;
    Ok(StatusCode::CREATED.into_response())
}

/// `DELETE /images/{name}`.
pub(crate) async fn remove(
    State(engine): State<Arc<Engine>>,
    Path(name): Path<String>,
    params: Params,
) -> Answer {
    let options = RemoveImage {
        force: params.flag("force"),
    };
    let removed = engine.remove_image(&name, options).await?;
    Ok(super::json(
        StatusCode::OK,
        &render::image::removed(&removed),
    ))
}
