//! Answers that are streams of progress.

use axum::body::Body;
use axum::http::header;
use axum::response::IntoResponse;
use bytes::Bytes;
use futures::{StreamExt, stream};
use porthole_engine::image::progress::ProgressStream;

use super::Answer;
use crate::error::ApiError;
use crate::render;

/// The stream, a JSON object a line. A failure that comes before anything else has a status; a later
/// one is a line, for the head of the answer has gone out by then.
pub(crate) async fn answer(mut progress: ProgressStream) -> Answer {
    let first = match progress.next().await {
        Some(Err(error)) => return Err(error.into()),
        first => first,
    };
    let lines = stream::iter(first).chain(progress).map(|step| {
        let line = match step {
            Ok(step) => render::progress::message(&step),
            Err(error) => render::progress::failure(&ApiError::from(error)),
        };
        Ok::<_, std::convert::Infallible>(Bytes::from(format!("{line}\r\n")))
    });
    let json = [(header::CONTENT_TYPE, "application/json")];
    Ok((json, Body::from_stream(lines)).into_response())
}
