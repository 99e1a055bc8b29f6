//! JSON bodies of requests.

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, header};
use bytes::Bytes;
use serde::de::DeserializeOwned;
use serde_json::{Map, Value};

use crate::error::ApiError;

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
        Value::Object(mut object) => {
            object.retain(|_, value| keep(value));
            Ok(Some(object))
        }
        Value::Null => Ok(None),
        _ => Err(invalid(&"an object is expected")),
    }
}

/// Reads the JSON object in a request's body.
pub(crate) async fn object(request: Request) -> Result<Map<String, Value>, ApiError> {
    optional_object(request)
        .await?
        .ok_or_else(|| ApiError::bad_parameter("invalid JSON: got EOF while reading request body"))
}

/// Turns an object into a type, with an error that names the member.
pub(crate) fn decode<T: DeserializeOwned>(object: Map<String, Value>) -> Result<T, ApiError> {
    serde_json::from_value(Value::Object(object))
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

fn check_content_type(headers: &HeaderMap) -> Result<(), ApiError> {
    let Some(value) = headers.get(header::CONTENT_TYPE) else {
        // dockerd asks for the header; curl users forget it and mean JSON.
        return Ok(());
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

/// Takes null members out, recursively: in Go, which the API comes from, null means "not there".
fn keep(value: &mut Value) -> bool {
    match value {
        Value::Null => return false,
        Value::Object(members) => members.retain(|_, member| keep(member)),
        Value::Array(items) => {
            for item in items {
                keep(item);
            }
        }
        _ => {}
    }
    true
}

#[cfg(test)]
mod tests {
    use super::*;

    async fn parse(text: &'static str, content_type: &str) -> Result<Map<String, Value>, ApiError> {
        let request = Request::builder()
            .header("content-type", content_type)
            .body(Body::from(text));
        object(request.expect("a request")).await
    }

    #[tokio::test]
    async fn null_members_are_not_there() {
        let object = parse(
            r#"{"a":null,"b":{"c":null,"d":1},"e":[]}"#,
            "application/json",
        )
        .await
        .expect("an object");
        assert_eq!(
            Value::Object(object),
            serde_json::json!({"b": {"d": 1}, "e": []})
        );
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
        let error = parse("{}", "text/plain").await.expect_err("wrong type");
        assert_eq!(
            error.message(),
            "unsupported Content-Type header (text/plain): must be 'application/json'"
        );
    }
}
