//! Images from elsewhere and to elsewhere: pull and push, import, load and save.

use std::io;
use std::sync::Arc;

use axum::body::Body;
use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, header};
use axum::response::IntoResponse;
use bytes::Bytes;
use futures::stream::BoxStream;
use futures::{StreamExt, TryStreamExt};
use porthole_engine::Engine;
use porthole_engine::image::import::ImportImage;
use porthole_engine::image::pull::PullImage;
use porthole_engine::pipe::ByteStream;

use super::{Answer, progress};
use crate::download;
use crate::error::ApiError;
use crate::query::Params;
use crate::registry_auth;

/// `POST /images/create`: a pull, or an import.
pub(crate) async fn create(
    State(engine): State<Arc<Engine>>,
    params: Params,
    request: Request,
) -> Answer {
    let Some(name) = params.get("fromImage") else {
        return import(&engine, &params, request).await;
    };
    let pull = PullImage {
        name: name.to_owned(),
        tag: params.get("tag").map(str::to_owned),
        platform: params.get("platform").map(str::to_owned),
        credentials: registry_auth::credentials_to_read(request.headers()),
    };
    progress::answer(engine.pull_image(pull)).await
}

async fn import(engine: &Engine, params: &Params, request: Request) -> Answer {
    let Some(source) = params.get("fromSrc") else {
        return Err(ApiError::bad_parameter(
            "neither fromImage nor fromSrc says what the image is to be made of",
        ));
    };
    crate::platform::check(params)?;
    let text = |name| params.get(name).unwrap_or_default().to_owned();
    let import = ImportImage {
        repository: params.get("repo").map(str::to_owned),
        tag: params.get("tag").map(str::to_owned),
        comment: text("message"),
        changes: params.all("changes").to_vec(),
        origin: source.to_owned(),
    };
    let archive = match source {
        "-" => body(request),
        url => download::open(engine, url).await?,
    };
    progress::answer(engine.import_image(import, archive)).await
}

/// The body of a request, of any length.
fn body(request: Request) -> BoxStream<'static, io::Result<Bytes>> {
    let body = request.into_body().into_data_stream();
    body.map_err(io::Error::other).boxed()
}

/// `POST /images/{name}/push`.
pub(crate) async fn push(
    State(engine): State<Arc<Engine>>,
    Path(name): Path<String>,
    params: Params,
    headers: HeaderMap,
) -> Answer {
    crate::platform::check_json(&params, &name)?;
    let credentials = registry_auth::credentials(&headers)?;
    let pushed = engine.push_image(&name, params.get("tag"), credentials);
    progress::answer(pushed).await
}

/// `POST /images/load`.
pub(crate) async fn load(
    State(engine): State<Arc<Engine>>,
    params: Params,
    request: Request,
) -> Answer {
    crate::platform::check_json(&params, "to load")?;
    let loaded = engine.load_images(body(request), params.flag("quiet"));
    progress::answer(loaded).await
}

/// `GET /images/{name}/get`.
pub(crate) async fn save_one(
    State(engine): State<Arc<Engine>>,
    Path(name): Path<String>,
    params: Params,
) -> Answer {
    crate::platform::check_json(&params, &name)?;
    Ok(archive(engine.save_images(&[name]).await?))
}

/// `GET /images/get`.
pub(crate) async fn save(State(engine): State<Arc<Engine>>, params: Params) -> Answer {
    crate::platform::check_json(&params, "to save")?;
    Ok(archive(engine.save_images(params.all("names")).await?))
}

fn archive(archive: ByteStream) -> axum::response::Response {
    // A stream that breaks off ends the connection: the client sees that the archive is not whole.
    let archive = archive.inspect_err(|error| tracing::warn!(%error, "an archive broke off"));
    let content = [(header::CONTENT_TYPE, "application/x-tar")];
    (content, Body::from_stream(archive)).into_response()
}
