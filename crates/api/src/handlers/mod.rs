//! Handlers, one file a resource: read the request, ask the engine, render the answer.

pub(crate) mod archive;
pub(crate) mod attach;
pub(crate) mod changes;
pub(crate) mod container;
pub(crate) mod exec;
pub(crate) mod image;
pub(crate) mod network;
mod progress;
pub(crate) mod prune;
pub(crate) mod registry;
pub(crate) mod stream;
pub(crate) mod system;
pub(crate) mod transfer;
pub(crate) mod volume;

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use serde::Serialize;

use crate::error::ApiError;

/// What a handler gives.
pub(crate) type Answer = Result<Response, ApiError>;

/// A JSON answer.
fn json(status: StatusCode, value: &impl Serialize) -> Response {
    let mut body = Vec::new();
    if let Err(error) = serde_json::to_writer(&mut body, value) {
        return ApiError::unwritable(&error).into_response();
    }
    // dockerd ends each with a line break, and so terminals show it well.
    body.push(b'\n');
    (status, [(header::CONTENT_TYPE, "application/json")], body).into_response()
}

/// An answer without a body.
fn no_content() -> Response {
    StatusCode::NO_CONTENT.into_response()
}
