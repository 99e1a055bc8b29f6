//! JSON bodies of requests.

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, header};
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::error::ApiError;
use crate::fields::{self, Field};
use crate::go_json;

/// The largest body that is read, in bytes.
const LIMIT: usize = 2 * 1024 * 1024;

/// Reads the JSON object in a request's body; none if there is no body.
pub(crate) async fn optional_object(
    request: Request,
) -> Result<Option<Map<String, Value>>, ApiError> {
    let (parts, body) = request.into_parts();
    let bytes = read(body).await?;
    if bytes.is_empty() {
        return Ok(None);
    }
    check_content_type(&parts.headers)?;
    let invalid =
        |why: &dyn std::fmt::Display| ApiError::bad_parameter(format!("invalid JSON: {why}"));
    match serde_json::from_slice(&bytes).map_err(|error| invalid(&error))? {
        Value::Object(object) => Ok(Some(object)),
        Value::Null => Ok(None),
        _ => Err(invalid(&"an object is expected")),
    }
}

/// The length of a body that nobody is going to read, in bytes.
pub(crate) async fn length(request: Request) -> Result<usize, ApiError> {
    read(request.into_body()).await.map(|bytes| bytes.len())
}

/// Reads the JSON object in a request's body.
pub(crate) async fn object(request: Request) -> Result<Map<String, Value>, ApiError> {
    optional_object(request)
        .await?
        .ok_or_else(|| ApiError::bad_parameter("invalid JSON: got EOF while reading request body"))
}

/// The members that work as a type; the others are refused by name when they say anything.
pub(crate) fn decode<T: DeserializeOwned>(
    object: Map<String, Value>,
    table: &[Field],
) -> Result<T, ApiError> {
    let members = fields::supported(object, table).map_err(ApiError::bad_parameter)?;
    go_json::decode(Value::Object(members))
        .map_err(|error| ApiError::bad_parameter(format!("invalid JSON: {error}")))
}

async fn read(body: Body) -> Result<Bytes, ApiError> {
    axum::body::to_bytes(body, LIMIT).await.map_err(|error| {
        let too_large = std::error::Error::source(&error)
            .is_some_and(|cause| cause.is::<http_body_util::LengthLimitError>());
        if too_large {
            ApiError::body_too_large(LIMIT)
        } else {
            ApiError::bad_parameter(format!("cannot read the request's body: {error}"))
        }
    })
}

/// As in dockerd, a body has to say that it is JSON. Without that a web page could send one to a
/// daemon that listens on TCP: browsers ask the server first only where this type is named.
fn check_content_type(headers: &HeaderMap) -> Result<(), ApiError> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else {
        return Err(ApiError::bad_parameter(
            "malformed Content-Type header (): mime: no media type",
        ));
    };
    let media_type = value.to_str().unwrap_or_default();
    let base = media_type.split(';').next().unwrap_or_default().trim();
    if base.eq_ignore_ascii_case("application/json") {
        return Ok(());
    }
    Err(ApiError::bad_parameter(format!(
        "unsupported Content-Type header ({media_type}): must be 'application/json'"
    )))
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn parse(text: &'static str, content_type: &str) -> Result<Map<String, Value>, ApiError> {
        let request = Request::builder();
        let request = match content_type {
            "" => request,
            named => request.header("content-type", named),
        };
        let request = request.body(Body::from(text));
        object(request.expect("a request")).await
    }

    #[tokio::test]
    async fn what_is_no_json_object_is_refused() {
        for text in ["", "{", "[]", "3", "null", r#"{"a":1}x"#] {
            let error = parse(text, "application/json").await.expect_err(text);
            assert!(
                error.message().starts_with("invalid JSON: "),
                "{}",
                error.message()
            );
        }
        let accepted = parse("{}", "Application/JSON; charset=utf-8").await;
        assert!(accepted.is_ok());
        let error = parse("{}", "").await.expect_err("no type");
        assert_eq!(
            error.message(),
            "malformed Content-Type header (): mime: no media type"
        );
        let error = parse("{}", "text/plain").await.expect_err("wrong type");
        assert_eq!(
            error.message(),
            "unsupported Content-Type header (text/plain): must be 'application/json'"
        );
    }
}
