//! Answers of registries: read within bounds, and what refusals mean.

use std::time::Duration;

use bytes::Bytes;
use reqwest::header::HeaderMap;
use reqwest::{Method, Response, StatusCode, Url};
use serde::Deserialize;

use crate::challenge::Challenge;
use crate::error::{Error, ErrorKind, Result};
use crate::failure;

/// The most that is read of a refusal.
const MAX_REFUSAL: usize = 64 << 10;

/// The most characters of a registry's own words that are shown.
const MAX_SHOWN: usize = 1000;

/// How many times the patience a whole small document may take.
const DOCUMENT_PATIENCE: u32 = 5;

/// An answer, and what was asked.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) method: Method,
    pub(crate) url: Url,
    pub(crate) response: Response,
    pub(crate) patience: Duration,
}

#[derive(Deserialize)]
struct Refusals {
    #[serde(default)]
    errors: Vec<Refusal>,
    #[serde(default)]
    details: Option<String>,
    #[serde(default)]
    error_description: Option<String>,
}

#[derive(Deserialize)]
struct Refusal {
    #[serde(default)]
    code: String,
    #[serde(default)]
    message: String,
}

impl Answer {
    pub(crate) fn status(&self) -> StatusCode {
        self.response.status()
    }

    pub(crate) fn headers(&self) -> &HeaderMap {
        self.response.headers()
    }

    /// A header as text.
    pub(crate) fn header(&self, name: impl reqwest::header::AsHeaderName) -> Option<&str> {
        self.headers().get(name)?.to_str().ok()
    }

    /// The next piece of the body; nothing at its end.
    pub(crate) async fn chunk(&mut self) -> Result<Option<Bytes>> {
        let chunk = tokio::time::timeout(self.patience, self.response.chunk()).await;
        match chunk {
            Err(_) => Err(failure::of_silence(&self.method, &self.url)),
            Ok(Err(error)) => Err(failure::of_network(&self.method, &self.url, error)),
            Ok(Ok(chunk)) => Ok(chunk),
        }
    }

    /// The whole body.
    pub(crate) async fn document(mut self, limit: usize) -> Result<Vec<u8>> {
        let whole = tokio::time::timeout(self.patience * DOCUMENT_PATIENCE, self.read(limit)).await;
        let Ok(whole) = whole else {
            return Err(failure::of_silence(&self.method, &self.url));
        };
        let (bytes, is_whole) = whole?;
        if !is_whole {
            let sentence = format!(
                "{} {:?}: the answer is larger than {limit} bytes",
                failure::verb(&self.method),
                failure::shown(&self.url)
            );
            return Err(Error::new(ErrorKind::Malformed, sentence));
        }
        Ok(bytes)
    }

    /// The body up to `limit` bytes, and whether that is all.
    async fn read(&mut self, limit: usize) -> Result<(Vec<u8>, bool)> {
        let mut bytes = Vec::new();
        while let Some(chunk) = self.chunk().await? {
            if bytes.len() + chunk.len() > limit {
                return Ok((bytes, false));
            }
            bytes.extend_from_slice(&chunk);
        }
        Ok((bytes, true))
    }

    /// The answer itself if it is one of `expected`, else what it means.
    pub(crate) async fn expect(self, expected: &[StatusCode]) -> Result<Self> {
        if expected.contains(&self.status()) {
            Ok(self)
        } else {
            Err(self.refusal().await)
        }
    }

    /// What an answer means that is not the one hoped for.
    pub(crate) async fn refusal(mut self) -> Error {
        let status = self.status();
        if status == StatusCode::UNAUTHORIZED && lacks_scope(self.headers()) {
            let sentence = "denied: requested access to the resource is denied";
            return Error::new(ErrorKind::Denied, sentence).with_code("DENIED");
        }
        let bytes = match self.read(MAX_REFUSAL).await {
            Ok((bytes, _)) => bytes,
            Err(_) => Vec::new(),
        };
        refused(status, &bytes)
    }
}

fn lacks_scope(headers: &HeaderMap) -> bool {
    let challenge = Challenge::of(headers);
    matches!(challenge, Some(Challenge::Bearer { error: Some(error), .. }) if error == "insufficient_scope")
}

fn refused(status: StatusCode, body: &[u8]) -> Error {
    let kind = match status {
        StatusCode::UNAUTHORIZED => ErrorKind::Unauthorized,
        StatusCode::FORBIDDEN => ErrorKind::Denied,
        StatusCode::NOT_FOUND => ErrorKind::NotFound,
        status if status.is_server_error() => ErrorKind::Server,
        _ => ErrorKind::Refused,
    };
    let refusals = serde_json::from_slice::<Refusals>(body).ok();
    let Some(refusals) = refusals else {
        return Error::new(kind, unexplained(status));
    };
    let Some(first) = refusals.errors.first() else {
        let words = refusals.details.or(refusals.error_description);
        let sentence = match (words, kind) {
            (Some(words), ErrorKind::Unauthorized) => format!("unauthorized: {}", plain(&words)),
            (Some(words), _) => plain(&words),
            (None, _) => unexplained(status),
        };
        return Error::new(kind, sentence);
    };
    let code = plain(&first.code);
    let named = code.to_ascii_lowercase().replace('_', " ");
    let words = match plain(&first.message) {
        empty if empty.is_empty() => named.clone(),
        words => words,
    };
    let kind = match code.as_str() {
        "DENIED" => ErrorKind::Denied,
        "UNAUTHORIZED" => ErrorKind::Unauthorized,
        "MANIFEST_UNKNOWN" | "NAME_UNKNOWN" | "BLOB_UNKNOWN" if kind != ErrorKind::Server => {
            ErrorKind::NotFound
        }
        _ => kind,
    };
    Error::new(kind, format!("{named}: {words}")).with_code(code)
}

/// The sentence for an answer that does not explain itself.
fn unexplained(status: StatusCode) -> String {
    match status {
        StatusCode::UNAUTHORIZED => "unauthorized: authentication required".to_owned(),
        StatusCode::FORBIDDEN => "denied: requested access to the resource is denied".to_owned(),
        StatusCode::TOO_MANY_REQUESTS => "toomanyrequests: too many requests".to_owned(),
        status => format!("received unexpected HTTP status: {status}"),
    }
}

/// A registry's own words without what would move a terminal's cursor, and not endless.
fn plain(text: &str) -> String {
    text.chars()
        .filter(|character| !character.is_control())
        .take(MAX_SHOWN)
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn refusals_are_told_in_dockers_words() {
        let table = [
            (
                404,
                r#"{"errors":[{"code":"MANIFEST_UNKNOWN","message":"manifest unknown","detail":{"Tag":"x"}}]}"#,
                ErrorKind::NotFound,
                "manifest unknown: manifest unknown",
            ),
            (
                401,
                r#"{"errors":[{"code":"UNAUTHORIZED","message":"authentication required","detail":null}]}"#,
                ErrorKind::Unauthorized,
                "unauthorized: authentication required",
            ),
            (
                403,
                r#"{"errors":[{"code":"DENIED"}]}"#,
                ErrorKind::Denied,
                "denied: denied",
            ),
            (
                429,
                r#"{"errors":[{"code":"TOOMANYREQUESTS","message":"You have reached your pull rate limit."}]}"#,
                ErrorKind::Refused,
                "toomanyrequests: You have reached your pull rate limit.",
            ),
            (
                401,
                r#"{"details":"incorrect username or password"}"#,
                ErrorKind::Unauthorized,
                "unauthorized: incorrect username or password",
            ),
            (
                503,
                "<html>",
                ErrorKind::Server,
                "received unexpected HTTP status: 503 Service Unavailable",
            ),
            (
                400,
                "{\"errors\":[{\"code\":\"X\",\"message\":\"a\\u001b[2Jb\"}]}",
                ErrorKind::Refused,
                "x: a[2Jb",
            ),
        ];
        for (status, body, kind, sentence) in table {
            let error = refused(StatusCode::from_u16(status).unwrap(), body.as_bytes());
            assert_eq!((error.kind(), error.to_string().as_str()), (kind, sentence));
            assert_eq!(error.is_transient(), kind == ErrorKind::Server);
        }
    }
}
