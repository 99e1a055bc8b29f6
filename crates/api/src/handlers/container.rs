//! Containers: everything but streams.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Extension, Path, Request, State};
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use bytes::Bytes;
use porthole_engine::Engine;
use porthole_engine::container::list::ListContainers;
use porthole_engine::container::remove::RemoveContainer;
use porthole_engine::container::stop::StopContainer;
use porthole_engine::container::wait::{WaitCondition, WaitOutcome, Waiting};
use serde_json::json;

use super::{Answer, no_content};
use crate::error::ApiError;
use crate::query::Params;
use crate::render::summary::Row;
use crate::version::ApiVersion;
use crate::{body, create, platform, render};

/// `POST /containers/create`.
pub(crate) async fn create(
    State(engine): State<Arc<Engine>>,
    params: Params,
    request: Request,
) -> Answer {
    platform::check(&params)?;
    let object = body::object(request).await?;
    let request = create::parse(object, params.get("name").map(str::to_owned))?;
    let created = engine.create_container(request).await?;
    Ok(super::json(
        StatusCode::CREATED,
        &json!({ "Id": created.id, "Warnings": created.warnings }),
    ))
}

/// `GET /containers/json`.
pub(crate) async fn list(State(engine): State<Arc<Engine>>, params: Params) -> Answer {
    let limit: Option<i64> = params.number("limit")?;
    let options = ListContainers {
        all: params.flag("all"),
        limit: limit
            .and_then(|limit| usize::try_from(limit).ok())
            .filter(|limit| *limit > 0),
        size: params.flag("size"),
        filters: params.filters()?,
    };
    let containers = engine.list_containers(options).await?;
    let rows: Vec<_> = containers.iter().map(Row::of).collect();
    Ok(super::json(StatusCode::OK, &rows))
}

/// `GET /containers/{id}/json`.
pub(crate) async fn inspect(
    State(engine): State<Arc<Engine>>,
    Path(id): Path<String>,
    params: Params,
) -> Answer {
    let container = engine.inspect_container(&id)?;
    let mut answer = render::container::details(&container);
    if params.flag("size") {
        let size = engine.container_size(&container.id).await?;
        answer["SizeRw"] = json!(size.own);
        answer["SizeRootFs"] = json!(size.total);
    }
    Ok(super::json(StatusCode::OK, &answer))
}

/// `GET /containers/{id}/top`.
pub(crate) async fn top(State(engine): State<Arc<Engine>>, Path(id): Path<String>) -> Answer {
    let table = engine.top_container(&id).await?;
    Ok(super::json(
        StatusCode::OK,
        &json!({ "Titles": table.titles, "Processes": table.rows }),
    ))
}

/// `POST /containers/{id}/start`.
pub(crate) async fn start(
    State(engine): State<Arc<Engine>>,
    Path(id): Path<String>,
    request: Request,
) -> Answer {
    // As dockerd counts: room for `null` and `{}`, whatever they are said to be.
    if body::length(request).await? > 7 {
        return Err(ApiError::bad_parameter(
            "starting container with non-empty request body was deprecated since API v1.22 and removed in v1.24",
        ));
    }
    engine.start_container(&id).await?;
    Ok(no_content())
}

/// `POST /containers/{id}/stop`.
pub(crate) async fn stop(
    State(engine): State<Arc<Engine>>,
    Extension(version): Extension<ApiVersion>,
    Path(id): Path<String>,
    params: Params,
) -> Answer {
    engine
        .stop_container(&id, stop_options(&params, version)?)
        .await?;
    Ok(no_content())
}

/// `POST /containers/{id}/restart`.
pub(crate) async fn restart(
    State(engine): State<Arc<Engine>>,
    Extension(version): Extension<ApiVersion>,
    Path(id): Path<String>,
    params: Params,
) -> Answer {
    engine
        .restart_container(&id, stop_options(&params, version)?)
        .await?;
    Ok(no_content())
}

fn stop_options(params: &Params, version: ApiVersion) -> Result<StopContainer, ApiError> {
    // The parameter came with 1.42; older versions know none of that name.
    let signal = params
        .get("signal")
        .filter(|_| version.at_least(42))
        .map(str::to_owned);
    Ok(StopContainer {
        signal,
        timeout: params.number("t")?,
    })
}

/// `POST /containers/{id}/kill`.
pub(crate) async fn kill(
    State(engine): State<Arc<Engine>>,
    Path(id): Path<String>,
    params: Params,
) -> Answer {
    engine.kill_container(&id, params.get("signal")).await?;
    Ok(no_content())
}

/// `POST /containers/{id}/pause`.
pub(crate) async fn pause(State(engine): State<Arc<Engine>>, Path(id): Path<String>) -> Answer {
    engine.pause_container(&id).await?;
    Ok(no_content())
}

/// `POST /containers/{id}/unpause`.
pub(crate) async fn unpause(State(engine): State<Arc<Engine>>, Path(id): Path<String>) -> Answer {
    engine.unpause_container(&id).await?;
    Ok(no_content())
}

/// `POST /containers/{id}/update`.
pub(crate) async fn update(
    State(engine): State<Arc<Engine>>,
    Path(id): Path<String>,
    request: Request,
) -> Answer {
    let update = create::update::parse(body::object(request).await?)?;
    let warnings = engine.update_container(&id, update).await?;
    Ok(super::json(
        StatusCode::OK,
        &json!({ "Warnings": warnings }),
    ))
}

/// `POST /containers/{id}/rename`.
pub(crate) async fn rename(
    State(engine): State<Arc<Engine>>,
    Path(id): Path<String>,
    params: Params,
) -> Answer {
    engine
        .rename_container(&id, params.get("name").unwrap_or_default())
        .await?;
    Ok(no_content())
}

/// `POST /containers/{id}/wait`: the head of the answer goes out at once, so that a client knows
/// that what happens from now on counts.
pub(crate) async fn wait(
    State(engine): State<Arc<Engine>>,
    Extension(version): Extension<ApiVersion>,
    Path(id): Path<String>,
    params: Params,
) -> Answer {
    // Conditions came with 1.30.
    let condition = match params.get("condition").filter(|_| version.at_least(30)) {
        None | Some("not-running") => WaitCondition::NotRunning,
        Some("next-exit") => WaitCondition::NextExit,
        Some("removed") => WaitCondition::Removed,
        Some(other) => {
            return Err(ApiError::bad_parameter(format!(
                "invalid condition: {other:?}"
            )));
        }
    };
    let waiting = engine.wait_container(&id, condition).await?;
    let body = Body::from_stream(futures::stream::once(outcome(waiting)));
    Ok(([(header::CONTENT_TYPE, "application/json")], body).into_response())
}

async fn outcome(waiting: Waiting) -> Result<Bytes, porthole_engine::Error> {
    let WaitOutcome { exit_code, error } = waiting.outcome().await?;
    let answer = match error {
        Some(message) => json!({ "StatusCode": exit_code, "Error": { "Message": message } }),
        None => json!({ "StatusCode": exit_code }),
    };
    Ok(format!("{answer}\n").into())
}

/// `POST /containers/{id}/resize`.
pub(crate) async fn resize(
    State(engine): State<Arc<Engine>>,
    Path(id): Path<String>,
    params: Params,
) -> Answer {
    let (height, width) = console_size(&params)?;
    engine.resize_container(&id, height, width).await?;
    Ok(StatusCode::OK.into_response())
}

/// Height and width of a resize request.
pub(super) fn console_size(params: &Params) -> Result<(u16, u16), ApiError> {
    let part = |name: &str, what: &str| {
        let text = params.get(name).unwrap_or_default();
        text.parse().map_err(|_| {
            ApiError::bad_parameter(format!(
                "invalid resize {what} {text:?}: not a number from 0 to 65535"
            ))
        })
    };
    Ok((part("h", "height")?, part("w", "width")?))
}

/// `DELETE /containers/{id}`.
pub(crate) async fn remove(
    State(engine): State<Arc<Engine>>,
    Path(id): Path<String>,
    params: Params,
) -> Answer {
    let options = RemoveContainer {
        force: params.flag("force"),
    };
    engine.remove_container(&id, options).await?;
    Ok(no_content())
}
