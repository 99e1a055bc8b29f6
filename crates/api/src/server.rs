//! The HTTP server: connections, versions, and the headers of every answer.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::Router;
use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderName, HeaderValue, Method, Uri};
use axum::response::{IntoResponse, Response};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use porthole_engine::Engine;
use tokio::net::UnixListener;
use tokio::sync::watch;
use tokio::task::JoinSet;
use tower::ServiceExt;

use crate::error::ApiError;
use crate::listener::{Arrival, Client, Listener};
use crate::path::fold_name;
use crate::remainder::SharedBody;
use crate::routes::router;
use crate::version::{ApiVersion, split_version};

/// How long requests under way may take to finish once the server is told to end.
const GRACE: Duration = Duration::from_secs(2);

/// How long to wait after a failed accept (out of descriptors, for example).
const ACCEPT_PAUSE: Duration = Duration::from_millis(100);

/// The Docker Engine API over an engine.
#[derive(Debug, Clone)]
pub struct Api {
    router: Router,
}

impl Api {
    /// The API of `engine`.
    #[must_use]
    pub fn new(engine: Arc<Engine>) -> Self {
        Self {
            router: router(engine),
        }
    }

    /// Answers requests of `listener`'s clients until `stop` completes; then no connection is
    /// taken any more and requests under way get a moment to finish.
    pub async fn serve(self, listener: Listener, stop: impl Future<Output = ()> + Send) {
        let (ending, end) = watch::channel(false);
        let mut connections = JoinSet::new();
        tokio::pin!(stop);
        loop {
            tokio::select! {
                () = &mut stop => break,
                accepted = listener.accept() => match accepted {
                    Ok(arrival) => {
                        connections.spawn(self.clone().arrival(arrival, end.clone()));
                    }
                    Err(error) => {
                        tracing::warn!(%error, "cannot accept a connection");
                        tokio::time::sleep(ACCEPT_PAUSE).await;
                    }
                },
                Some(_) = connections.join_next() => {}
            }
        }
        drop(listener);
        // Receivers that are gone belong to connections that have ended.
        let _ = ending.send(true);
        let drained = async { while connections.join_next().await.is_some() {} };
        if tokio::time::timeout(GRACE, drained).await.is_err() {
            tracing::debug!("closing connections that are still in use");
        }
    }

    async fn arrival(self, arrival: Arrival, mut end: watch::Receiver<bool>) {
        let admitted = tokio::select! {
            admitted = arrival.admit() => admitted,
            _ = end.changed() => return,
        };
        match admitted {
            Ok(client) => self.connection(client, end).await,
            Err(error) => tracing::info!(%error, "a client was not let in"),
        }
    }

    async fn connection(self, client: Client, mut end: watch::Receiver<bool>) {
        let Client { stream, peer } = client;
        let service = service_fn(move |mut request: Request<Incoming>| {
            request.extensions_mut().insert(peer.clone());
            let api = self.clone();
            async move { Ok::<_, Infallible>(api.answer(request).await) }
        });
        let connection = hyper::server::conn::http1::Builder::new()
            .serve_connection(TokioIo::new(stream), service)
            .with_upgrades();
        tokio::pin!(connection);
        let result = tokio::select! {
            result = &mut connection => result,
            _ = end.changed() => {
                connection.as_mut().graceful_shutdown();
                connection.await
            }
        };
        if let Err(error) = result {
            tracing::debug!(%error, "a connection broke off");
        }
    }

    /// Answers one request.
    async fn answer(self, request: Request<Incoming>) -> Response {
        let method = request.method().clone();
        let path = request.uri().path().to_owned();
        let (parts, body) = request.into_parts();
        let body = SharedBody::new(body);
        let request = Request::from_parts(parts, Body::new(body.clone()));
        let mut response = match rewrite(request) {
            Ok(request) => match self.router.oneshot(request).await {
                Ok(response) => response,
                Err(never) => match never {},
            },
            Err(error) => error.into_response(),
        };
        if response.status().is_client_error() || response.status().is_server_error() {
            body.discard().await;
        }
        tracing::debug!(%method, path, status = response.status().as_u16(), "answered");
        add_headers(&mut response);
        response
    }
}

/// Takes the version out of the path, keeps it for the handlers, and folds names with slashes.
fn rewrite(mut request: Request) -> Result<Request, ApiError> {
    let path = request.uri().path();
    let (version, rest) = split_version(path)?;
    let folded = fold_name(rest, request.method() == Method::DELETE);
    let target = folded.as_deref().unwrap_or(rest);
    if target != path {
        let target = match request.uri().query() {
            Some(query) => format!("{target}?{query}"),
            None => target.to_owned(),
        };
        let uri: Uri = target.parse().map_err(|_| ApiError::no_such_page())?;
        *request.uri_mut() = uri;
    }
    request.extensions_mut().insert(version);
    Ok(request)
}

fn add_headers(response: &mut Response) {
    let headers = response.headers_mut();
    let newest = HeaderValue::from_str(&ApiVersion::NEWEST.to_string());
    if let Ok(newest) = newest {
        headers.insert(HeaderName::from_static("api-version"), newest);
    }
    for (name, value) in [
        ("docker-experimental", "false"),
        ("ostype", "windows"),
        // Clients learn the system from it, `docker stats` for one, and only in this form.
        (
            "server",
            concat!("Docker/", env!("CARGO_PKG_VERSION"), "-porthole (windows)"),
        ),
    ] {
        headers.insert(
            HeaderName::from_static(name),
            HeaderValue::from_static(value),
        );
    }
}

/// Binds the API's socket, taking the place of one that nobody listens on.
///
/// # Errors
/// `AddrInUse` when somebody listens there; otherwise what the file system said.
pub fn bind(path: &std::path::Path) -> io::Result<UnixListener> {
    match UnixListener::bind(path) {
        Err(error) if error.kind() == io::ErrorKind::AddrInUse => {
            if std::os::unix::net::UnixStream::connect(path).is_ok() {
                return Err(error);
            }
            std::fs::remove_file(path)?;
            UnixListener::bind(path)
        }
        other => other,
    }
}
