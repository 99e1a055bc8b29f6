//! What a client is told when a request fails. The only table from the engine's kinds to HTTP's
//! statuses is here.

use axum::http::{StatusCode, header};
use axum::response::{IntoResponse, Response};
use porthole_engine::{Error as EngineError, ErrorKind};

use crate::version::VersionError;

/// A failed request: a status and one sentence.
#[derive(Debug)]
pub(crate) struct ApiError {
    status: StatusCode,
    message: String,
}

/// The status for each of the engine's kinds.
fn status_of(kind: ErrorKind) -> StatusCode {
    match kind {
        ErrorKind::NotModified => StatusCode::NOT_MODIFIED,
        ErrorKind::InvalidParameter => StatusCode::BAD_REQUEST,
        ErrorKind::Unauthorized => StatusCode::UNAUTHORIZED,
        ErrorKind::Forbidden => StatusCode::FORBIDDEN,
        ErrorKind::NotFound => StatusCode::NOT_FOUND,
        ErrorKind::Conflict => StatusCode::CONFLICT,
        ErrorKind::NotImplemented => StatusCode::NOT_IMPLEMENTED,
        ErrorKind::Unavailable => StatusCode::SERVICE_UNAVAILABLE,
        // `System`, and kinds that are added later.
        _ => StatusCode::INTERNAL_SERVER_ERROR,
    }
}

impl ApiError {
    /// A parameter or a body that cannot be meant so.
    pub(crate) fn bad_parameter(message: impl Into<String>) -> Self {
        Self {
            status: StatusCode::BAD_REQUEST,
            message: message.into(),
        }
    }

    /// Something that this client may not have.
    pub(crate) fn forbidden(message: impl Into<String>) -> Self {
        Self {
            status: StatusCode::FORBIDDEN,
            message: message.into(),
        }
    }

    /// No such endpoint.
    pub(crate) fn no_such_page() -> Self {
        Self {
            status: StatusCode::NOT_FOUND,
            message: "page not found".to_owned(),
        }
    }

    /// An endpoint of the Engine API that is not there yet.
    pub(crate) fn not_there(message: String) -> Self {
        Self {
            status: StatusCode::NOT_IMPLEMENTED,
            message,
        }
    }

    /// The body is too large.
    pub(crate) fn body_too_large(limit: usize) -> Self {
        Self {
            status: StatusCode::PAYLOAD_TOO_LARGE,
            message: format!("the request's body is larger than {limit} bytes"),
        }
    }

    /// An answer that cannot be written as JSON: a fault of this program.
    pub(crate) fn unwritable(error: &serde_json::Error) -> Self {
        tracing::error!(%error, "an answer cannot be written as JSON");
        Self {
            status: StatusCode::INTERNAL_SERVER_ERROR,
            message: format!("the answer cannot be written: {error}"),
        }
    }

    /// The sentence.
    pub(crate) fn message(&self) -> &str {
        &self.message
    }
}

/// An error with its causes, outermost first, in one line; causes that the line tells already are
/// left out.
fn chain(error: &dyn std::error::Error) -> String {
    let mut text = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let told = error.to_string();
        if !text.contains(&told) {
            text.push_str(": ");
            text.push_str(&told);
        }
        cause = error.source();
    }
    text
}

impl From<EngineError> for ApiError {
    fn from(error: EngineError) -> Self {
        let status = status_of(error.kind());
        let causes = chain(&error);
        let is_failure = matches!(
            status,
            StatusCode::INTERNAL_SERVER_ERROR | StatusCode::SERVICE_UNAVAILABLE
        );
        if !is_failure {
            tracing::debug!(error = causes, "request refused");
            return Self {
                status,
                message: error.to_string(),
            };
        }
        tracing::warn!(error = causes, "request failed");
        Self {
            status,
            message: causes,
        }
    }
}

impl From<VersionError> for ApiError {
    fn from(error: VersionError) -> Self {
        Self::bad_parameter(error.to_string())
    }
}

impl std::fmt::Display for ApiError {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(&self.message)
    }
}

impl IntoResponse for ApiError {
    fn into_response(self) -> Response {
        if self.status == StatusCode::NOT_MODIFIED {
            return self.status.into_response();
        }
        let body = serde_json::json!({ "message": self.message }).to_string();
        (
            self.status,
            [(header::CONTENT_TYPE, "application/json")],
            body,
        )
            .into_response()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_has_dockers_status() {
        let table = [
            (ErrorKind::NotFound, 404),
            (ErrorKind::Conflict, 409),
            (ErrorKind::NotModified, 304),
            (ErrorKind::InvalidParameter, 400),
            (ErrorKind::Unauthorized, 401),
            (ErrorKind::Forbidden, 403),
            (ErrorKind::NotImplemented, 501),
            (ErrorKind::Unavailable, 503),
            (ErrorKind::System, 500),
        ];
        for (kind, status) in table {
            assert_eq!(status_of(kind).as_u16(), status, "{kind:?}");
        }
    }

    #[test]
    fn causes_are_told_in_one_line() {
        let cause = std::io::Error::other("disk full");
        let error =
            EngineError::new(ErrorKind::System, "cannot write the record").with_source(cause);
        assert_eq!(
            ApiError::from(error).message(),
            "cannot write the record: disk full"
        );
    }
}
