//! Files of containers, as tar archives.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderName, HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use futures::{StreamExt, TryStreamExt};
use porthole_engine::Engine;
use porthole_engine::container::archive::PathStat;

use super::Answer;
use crate::error::ApiError;
use crate::query::Params;
use crate::render;

/// Where clients look for what a path leads to.
const PATH_STAT: HeaderName = HeaderName::from_static("x-docker-container-path-stat");

/// How long the rest of an archive is read that is refused.
const REST_WITHIN: Duration = Duration::from_secs(10);

/// `HEAD /containers/{id}/archive`.
pub(crate) async fn stat(
    State(engine): State<Arc<Engine>>,
    Path(id): Path<String>,
    params: Params,
) -> Answer {
    let stat = engine.stat_path(&id, path(&params)?).await?;
    described(&stat, StatusCode::OK.into_response())
}

/// `GET /containers/{id}/archive`.
pub(crate) async fn read(
    State(engine): State<Arc<Engine>>,
    Path(id): Path<String>,
    params: Params,
) -> Answer {
    let (stat, archive) = engine.read_archive(&id, path(&params)?).await?;
    // A stream that breaks off ends the connection: the client sees that the archive is not whole.
    let archive = archive.inspect_err(|error| tracing::warn!(%error, "an archive broke off"));
    let content = [(header::CONTENT_TYPE, "application/x-tar")];
    described(&stat, (content, Body::from_stream(archive)).into_response())
}

/// `PUT /containers/{id}/archive`: a body of any length, which is never held whole.
pub(crate) async fn write(
    State(engine): State<Arc<Engine>>,
    Path(id): Path<String>,
    params: Params,
    request: Request,
) -> Answer {
    let path = path(&params)?;
    let archive = request.into_body().into_data_stream();
    let mut archive = archive.map_err(io::Error::other);
    let keeps_kinds = params.flag("noOverwriteDirNonDir");
    let written = engine.write_archive(&id, path, keeps_kinds, &mut archive);
    if let Err(error) = written.await {
        // docker reads the answer only when it has sent everything, and an archive is large.
        let rest = archive.for_each(|_| std::future::ready(()));
        let _ = tokio::time::timeout(REST_WITHIN, rest).await;
        return Err(error.into());
    }
    Ok(StatusCode::OK.into_response())
}

fn path(params: &Params) -> Result<&str, ApiError> {
    params
        .get("path")
        .ok_or_else(|| ApiError::bad_parameter("bad parameter: pathcannot be empty"))
}

fn described(stat: &PathStat, mut response: Response) -> Answer {
    let value = HeaderValue::try_from(render::path_stat::header(stat));
    let value = value.map_err(|error| ApiError::bad_parameter(error.to_string()))?;
    response.headers_mut().insert(PATH_STAT, value);
    Ok(response)
}
