//! What registries are asked beside images.

use std::sync::Arc;

use axum::extract::{Path, Request, State};
use axum::http::{HeaderMap, StatusCode};
use porthole_engine::Engine;
use porthole_engine::image::registry::SearchImages;
use serde_json::json;

use super::Answer;
use crate::query::Params;
use crate::{body, registry_auth, render};

/// `GET /images/search`.
pub(crate) async fn search(
    State(engine): State<Arc<Engine>>,
    params: Params,
    headers: HeaderMap,
) -> Answer {
    let search = SearchImages {
        term: params.get("term").unwrap_or_default().to_owned(),
        limit: params.number("limit")?,
        filters: params.filters()?,
    };
    let credentials = registry_auth::credentials_to_read(&headers);
    let found = engine.search_images(search, credentials).await?;
    Ok(super::json(
        StatusCode::OK,
        &render::registry::results(&found),
    ))
}

/// `GET /distribution/{name}/json`.
pub(crate) async fn distribution(
    State(engine): State<Arc<Engine>>,
    Path(name): Path<String>,
    headers: HeaderMap,
) -> Answer {
    let credentials = registry_auth::credentials_to_read(&headers);
    let found = engine.distribution(&name, credentials).await?;
    Ok(super::json(
        StatusCode::OK,
        &render::registry::distribution(&found),
    ))
}

/// `POST /auth`.
pub(crate) async fn login(State(engine): State<Arc<Engine>>, request: Request) -> Answer {
    let (server, credentials) = registry_auth::of_body(body::object(request).await?)?;
    let login = engine.login(&server, &credentials).await?;
    let answer = json!({ "Status": login.status, "IdentityToken": login.identity_token });
    Ok(super::json(StatusCode::OK, &answer))
}
