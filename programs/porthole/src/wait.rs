//! Waiting for a container's end.
//!
//! bollard's own wait shows nothing before the end. A container that removes itself may be gone
//! before such a wait has reached the daemon, and its exit code with it. So this one tells when it
//! has begun: the daemon sends the head of its answer as soon as what happens counts.

use anyhow::{Result, bail};
use bollard::models::ContainerWaitResponse;
use http_body_util::BodyExt;
use hyper::body::Incoming;
use hyper::{Method, Response};

use crate::request;

/// What is waited for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Until {
    /// That it does not run, which may be so already.
    NotRunning,
    /// The next end.
    NextExit,
    /// The removal, which follows the end.
    Removed,
}

/// How a container ended.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Exit {
    /// The exit code, 32 bits.
    pub(crate) code: i64,
    /// Why, if not by its program.
    pub(crate) error: Option<String>,
}

/// A wait that the daemon knows of.
#[derive(Debug)]
pub(crate) struct Waiting {
    answer: Response<Incoming>,
}

/// Begins to wait for the container with this ID; returns once the daemon knows of it.
pub(crate) async fn begin(host: &str, id: &str, until: Until) -> Result<Waiting> {
    let condition = match until {
        Until::NextExit => "next-exit",
        Until::NotRunning => "not-running",
        Until::Removed => "removed",
    };
    let path = format!("/containers/{id}/wait?condition={condition}");
    let answer = request::send(host, Method::POST, &path, None).await?;
    Ok(Waiting { answer })
}

impl Waiting {
    /// Waits.
    pub(crate) async fn end(self) -> Result<Exit> {
        let Ok(body) = self.answer.into_body().collect().await else {
            bail!("the daemon went away before the program ended");
        };
        let ContainerWaitResponse { status_code, error } =
            serde_json::from_slice(&body.to_bytes())?;
        Ok(Exit {
            code: status_code,
            error: error.and_then(|error| error.message),
        })
    }
}

#[cfg(test)]
mod tests {
    use tokio::io::{AsyncReadExt, AsyncWriteExt};
    use tokio::net::{UnixListener, UnixStream};
    use tokio::sync::oneshot;

    use super::*;

    const HEAD: &str = "HTTP/1.1 200 OK\r\ntransfer-encoding: chunked\r\n\r\n";

    /// Reads the head of a request.
    async fn request(stream: &mut UnixStream) -> String {
        let mut text = Vec::new();
        while !text.ends_with(b"\r\n\r\n") {
            text.push(stream.read_u8().await.expect("a request"));
        }
        String::from_utf8(text).expect("text")
    }

    #[tokio::test]
    async fn a_wait_has_begun_before_the_end_and_then_tells_it() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("socket");
        let listener = UnixListener::bind(&path).expect("a socket");
        let (ended, end) = oneshot::channel::<()>();
        let server = tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a client");
            let asked = request(&mut stream).await;
            stream.write_all(HEAD.as_bytes()).await.expect("a write");
            end.await.expect("the end");
            let body = r#"{"StatusCode":3221225786,"Error":{"Message":"why"}}"#;
            let chunk = format!("{:x}\r\n{body}\r\n0\r\n\r\n", body.len());
            stream.write_all(chunk.as_bytes()).await.expect("a write");
            asked
        });
        let host = format!("unix://{}", path.display());
        let waiting = begin(&host, "c1", Until::Removed).await.expect("a wait");
        // Nothing has ended yet, and still the wait is known to have begun.
        ended.send(()).expect("a server");
        let exit = waiting.end().await.expect("an end");
        assert_eq!(exit.code, 0xC000_013A);
        assert_eq!(exit.error.as_deref(), Some("why"));
        let asked = server.await.expect("a server");
        assert!(
            asked.starts_with("POST /v1.50/containers/c1/wait?condition=removed HTTP/1.1\r\n"),
            "{asked}"
        );
    }

    #[tokio::test]
    async fn a_refused_wait_tells_what_the_daemon_said() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("socket");
        let listener = UnixListener::bind(&path).expect("a socket");
        tokio::spawn(async move {
            let (mut stream, _) = listener.accept().await.expect("a client");
            request(&mut stream).await;
            let answer =
                "HTTP/1.1 404 Not Found\r\ncontent-length: 17\r\n\r\n{\"message\":\"no\"}\n";
            stream.write_all(answer.as_bytes()).await.expect("a write");
        });
        let host = path.display().to_string();
        let error = begin(&host, "c1", Until::NextExit)
            .await
            .expect_err("no wait");
        assert_eq!(crate::failure::sentence(&error), "no");
    }
}
