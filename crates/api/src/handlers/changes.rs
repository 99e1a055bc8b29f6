//! What containers changed, and images made of them.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use futures::TryStreamExt;
use porthole_engine::container::commit::CommitContainer;
use porthole_engine::{Engine, ErrorKind};
use serde_json::json;

use super::Answer;
use crate::error::ApiError;
use crate::query::Params;
use crate::{body, create, render};

/// `GET /containers/{id}/changes`.
pub(crate) async fn changes(State(engine): State<Arc<Engine>>, Path(id): Path<String>) -> Answer {
    let changes = engine.container_changes(&id).await?;
    Ok(super::json(
        StatusCode::OK,
        &render::changes::changes(&changes),
    ))
}

/// `GET /porthole/registry`: what a container or an image changed in the registry.
pub(crate) async fn registry(State(engine): State<Arc<Engine>>, params: Params) -> Answer {
    let Some(name) = params.get("name") else {
        return Err(ApiError::bad_parameter(
            "name does not say which container or image is meant",
        ));
    };
    let changes = engine.registry_changes(name, params.get("over")).await?;
    // Of a large registry that takes as long as others may not wait.
    let answer = tokio::task::spawn_blocking(move || {
        super::json(StatusCode::OK, &render::changes::registry(&changes))
    });
    answer
        .await
        .map_err(|error| porthole_engine::Error::new(ErrorKind::System, error.to_string()).into())
}

/// `GET /containers/{id}/export`.
pub(crate) async fn export(State(engine): State<Arc<Engine>>, Path(id): Path<String>) -> Answer {
    let archive = engine.export_container(&id).await?;
    let archive = archive.inspect_err(|error| tracing::warn!(%error, "an export broke off"));
    let content = [(header::CONTENT_TYPE, "application/octet-stream")];
    Ok((content, Body::from_stream(archive)).into_response())
}

/// `POST /commit`.
pub(crate) async fn commit(
    State(engine): State<Arc<Engine>>,
    params: Params,
    request: Request,
) -> Answer {
    let Some(container) = params.get("container") else {
        return Err(ApiError::bad_parameter(
            "container does not say what the image is to be made of",
        ));
    };
    let config = match body::optional_object(request).await? {
        Some(object) if !object.is_empty() => Some(create::config(object)?),
        _ => None,
    };
    let text = |name| params.get(name).unwrap_or_default().to_owned();
    let commit = CommitContainer {
        repository: params.get("repo").map(str::to_owned),
        tag: params.get("tag").map(str::to_owned),
        author: text("author"),
        comment: text("comment"),
        changes: params.all("changes").to_vec(),
        // On by default since 1.13.
        pause: params.get("pause").is_none() || params.flag("pause"),
        config,
    };
    let id = engine.commit_container(container, commit).await?;
    Ok(super::json(StatusCode::CREATED, &json!({ "Id": id })))
}
