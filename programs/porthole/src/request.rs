//! Requests of our own to the daemon, for what bollard's models would lose: it reads and writes the
//! fields of one version, and shows the head of an answer only with the body.

use std::fmt;

use anyhow::{Context, Result, bail};
use bollard::errors::Error;
use bollard::models::ErrorResponse;
use bytes::Bytes;
use futures::{Stream, TryStreamExt};
use http_body_util::combinators::UnsyncBoxBody;
use http_body_util::{BodyExt, Empty, Full, Limited, StreamBody};
use hyper::body::{Frame, Incoming};
use hyper::header::{CONTENT_TYPE, HOST};
use hyper::http::request::Builder;
use hyper::{Method, Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::UnixStream;

use crate::client;

/// Bytes of an answer at most: a list of some ten thousand containers.
const LIMIT: usize = 256 * 1024 * 1024;

/// The daemon's socket lets nobody in.
#[derive(Debug)]
pub(crate) struct Unreachable;

impl fmt::Display for Unreachable {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("cannot reach the daemon")
    }
}

/// The query of a path: names and values, encoded.
pub(crate) fn query(pairs: &[(&str, &str)]) -> String {
    let mut query = form_urlencoded::Serializer::new(String::new());
    query.extend_pairs(pairs);
    query.finish()
}

/// A name as one segment of a path.
pub(crate) fn segment(name: &str) -> String {
    let is_plain = |byte: u8| byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte);
    let encoded = name.bytes().map(|byte| {
        if is_plain(byte) {
            char::from(byte).to_string()
        } else {
            format!("%{byte:02X}")
        }
    });
    encoded.collect()
}

/// The body of a request.
pub(crate) type Body = UnsyncBoxBody<Bytes, std::io::Error>;

/// A request with what all of them have.
pub(crate) fn to(method: Method, path: &str) -> Builder {
    let version = client::VERSION;
    Request::builder()
        .method(method)
        .uri(format!("/v{version}{path}"))
        .header(HOST, "porthole")
}

/// No body.
pub(crate) fn nothing() -> Body {
    Empty::new().map_err(|never| match never {}).boxed_unsync()
}

/// Pieces as a body.
pub(crate) fn pieces(pieces: impl Stream<Item = std::io::Result<Bytes>> + Send + 'static) -> Body {
    StreamBody::new(pieces.map_ok(Frame::data)).boxed_unsync()
}

/// Sends a request and returns the answer, of which only the head is there; an error when the daemon
/// says that it failed.
pub(crate) async fn send(
    host: &str,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> Result<Response<Incoming>> {
    let request = to(method, path);
    let request = match body {
        Some(body) => {
            let body = Full::new(Bytes::from(serde_json::to_vec(body)?));
            request
                .header(CONTENT_TYPE, "application/json")
                .body(body.map_err(|never| match never {}).boxed_unsync())?
        }
        None => request.body(nothing())?,
    };
    exchange(host, request).await
}

/// The same for a request of any kind.
pub(crate) async fn exchange(host: &str, request: Request<Body>) -> Result<Response<Incoming>> {
    let socket = client::socket(host)?;
    let stream = match UnixStream::connect(socket).await {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
            return Err(Error::SocketNotFoundError(socket.to_owned()).into());
        }
        stream => stream.context(Unreachable)?,
    };
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    // It ends with the answer; what goes wrong in it is told by the answer's body.
    tokio::spawn(connection);
    let answer = sender.send_request(request).await?;
    if answer.status().is_success() {
        return Ok(answer);
    }
    let status_code = answer.status().as_u16();
    let body = collect(answer).await?;
    let message = match serde_json::from_slice(&body) {
        Ok(ErrorResponse { message }) => message,
        Err(_) => String::from_utf8_lossy(&body).trim().to_owned(),
    };
    Err(Error::DockerResponseServerError {
        status_code,
        message,
    }
    .into())
}

/// What the daemon answers as JSON.
pub(crate) async fn json(
    host: &str,
    method: Method,
    path: &str,
    body: Option<&Value>,
) -> Result<Value> {
    let answer = send(host, method, path, body).await?;
    Ok(serde_json::from_slice(&collect(answer).await?)?)
}

/// What the daemon answers to a `GET`.
pub(crate) async fn get(host: &str, path: &str) -> Result<Value> {
    json(host, Method::GET, path, None).await
}

/// The whole body of an answer.
pub(crate) async fn collect(answer: Response<Incoming>) -> Result<Bytes> {
    match Limited::new(answer.into_body(), LIMIT).collect().await {
        Ok(body) => Ok(body.to_bytes()),
        Err(error) => bail!("the daemon's answer broke off: {error}"),
    }
}

#[cfg(test)]
mod tests {
    use super::{query, segment};

    #[test]
    fn a_name_leads_to_no_other_endpoint() {
        assert_eq!(segment("web-1"), "web-1");
        assert_eq!(segment("a/../b?x"), "a%2F..%2Fb%3Fx");
    }

    #[test]
    fn queries_are_encoded() {
        assert_eq!(
            query(&[("name", "a b"), ("filters", "{\"x\":[\"&\"]}")]),
            "name=a+b&filters=%7B%22x%22%3A%5B%22%26%22%5D%7D"
        );
    }
}
