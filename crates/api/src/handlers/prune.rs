//! Pruning: removing what nothing uses. There are no networks of one's own, volumes and build caches
//! yet, so nothing of them is removed.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;
use porthole_engine::Engine;
use serde_json::json;

use super::Answer;
use crate::query::Params;
use crate::render;

/// `POST /containers/prune`.
pub(crate) async fn containers(State(engine): State<Arc<Engine>>, params: Params) -> Answer {
    let pruned = engine.prune_containers(params.filters()?).await?;
    let answer = json!({
        "ContainersDeleted": pruned.removed,
        "SpaceReclaimed": pruned.reclaimed,
    });
    Ok(super::json(StatusCode::OK, &answer))
}

/// `POST /images/prune`.
pub(crate) async fn images(State(engine): State<Arc<Engine>>, params: Params) -> Answer {
    let pruned = engine.prune_images(params.filters()?).await?;
    let answer = json!({
        "ImagesDeleted": render::image::removed(&pruned.removed),
        "SpaceReclaimed": pruned.reclaimed,
    });
    Ok(super::json(StatusCode::OK, &answer))
}

/// `POST /networks/prune`.
pub(crate) async fn networks(params: Params) -> Answer {
    params.filters()?.check(&["label", "label!", "until"])?;
    Ok(super::json(
        StatusCode::OK,
        &json!({ "NetworksDeleted": [] }),
    ))
}

/// `POST /volumes/prune`.
pub(crate) async fn volumes(params: Params) -> Answer {
    params.filters()?.check(&["all", "label", "label!"])?;
    let none = json!({ "VolumesDeleted": [], "SpaceReclaimed": 0 });
    Ok(super::json(StatusCode::OK, &none))
}

/// `POST /build/prune`.
pub(crate) async fn build_cache(params: Params) -> Answer {
    let filters = [
        "description",
        "id",
        "inuse",
        "parent",
        "private",
        "shared",
        "type",
        "until",
    ];
    params.filters()?.check(&filters)?;
    let none = json!({ "CachesDeleted": [], "SpaceReclaimed": 0 });
    Ok(super::json(StatusCode::OK, &none))
}
