//! A server on a socket of its own, and a client that sends exactly what a test says.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use http_body_util::{BodyExt, Full};
use hyper::header::HeaderMap;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use porthole_api::{Api, Listener};
use porthole_compute_service::fake::{Script, service};
use porthole_engine::fake::{self, FakeInstallation, MemoryNetwork};
use porthole_engine::{Engine, Parts};
use porthole_store::Store;
use serde_json::{Value, json};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::UnixStream;

/// How long anything in these tests may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// The image that is there.
pub(crate) const IMAGE: &str = "porthole/nanoserver";

/// An answer, read to its end.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) headers: HeaderMap,
    pub(crate) body: Bytes,
}

impl Answer {
    /// The body as JSON.
    pub(crate) fn json(&self) -> Value {
        serde_json::from_slice(&self.body)
            .unwrap_or_else(|error| panic!("{error}: {:?}", self.body))
    }

    /// The sentence of an error.
    pub(crate) fn message(&self) -> String {
        self.json()["message"]
            .as_str()
            .unwrap_or_default()
            .to_owned()
    }

    /// A header's value.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers
            .get(name)
            .and_then(|value| value.to_str().ok())
            .unwrap_or_default()
    }
}

/// A server and everything around it.
pub(crate) struct World {
    pub(crate) script: Script,
    pub(crate) socket: PathBuf,
    api: Api,
    _directory: tempfile::TempDir,
}

impl World {
    /// A server with one image.
    pub(crate) async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (store, _) = Store::open(directory.path().join("data")).unwrap();
        fake::import(&store, &[IMAGE], b"base layer").unwrap();
        let (compute, script) = service().await;
        let network = Arc::new(MemoryNetwork::default());
        let engine = Engine::open(Parts {
            compute,
            network,
            registries: fake::registries(),
            facts: fake::facts(&store),
            installation: Arc::new(FakeInstallation::default()),
            store,
        })
        .await
        .unwrap();
        let socket = directory.path().join("docker.sock");
        let listener = Listener::unix(porthole_api::bind(&socket).unwrap());
        let world = Self {
            script,
            socket,
            api: Api::new(engine),
            _directory: directory,
        };
        world.listen(listener);
        world
    }

    /// Lets clients come in by another way too.
    pub(crate) fn listen(&self, listener: Listener) {
        tokio::spawn(self.api.clone().serve(listener, std::future::pending()));
    }

    /// Sends a request and gives the answer without its body.
    pub(crate) async fn open(
        &self,
        request: Request<Full<Bytes>>,
    ) -> Response<hyper::body::Incoming> {
        let stream = UnixStream::connect(&self.socket).await.unwrap();
        let (mut sender, connection) = hyper::client::conn::http1::handshake(TokioIo::new(stream))
            .await
            .unwrap();
        tokio::spawn(connection.with_upgrades());
        within(sender.send_request(request)).await.unwrap()
    }

    /// Sends a request and reads the answer to its end.
    pub(crate) async fn ask(&self, method: &str, path: &str, body: Option<Value>) -> Answer {
        self.read(request(method, path, body)).await
    }

    async fn read(&self, request: Request<Full<Bytes>>) -> Answer {
        let response = self.open(request).await;
        let (parts, body) = response.into_parts();
        let body = within(body.collect()).await.unwrap().to_bytes();
        Answer {
            status: parts.status.as_u16(),
            headers: parts.headers,
            body,
        }
    }

    /// Sends bytes and reads the answer to its end.
    pub(crate) async fn send(&self, method: &str, path: &str, body: Bytes) -> Answer {
        let mut request = request(method, path, None);
        *request.body_mut() = Full::new(body);
        self.read(request).await
    }

    /// `GET`.
    pub(crate) async fn get(&self, path: &str) -> Answer {
        self.ask("GET", path, None).await
    }

    /// `POST` without a body.
    pub(crate) async fn post(&self, path: &str) -> Answer {
        self.ask("POST", path, None).await
    }

    /// Creates a container of a command; gives its ID.
    pub(crate) async fn create(&self, name: &str, body: Value) -> String {
        let mut whole = json!({ "Image": IMAGE });
        if let (Value::Object(whole), Value::Object(body)) = (&mut whole, body) {
            whole.extend(body);
        }
        let answer = self
            .ask(
                "POST",
                &format!("/containers/create?name={name}"),
                Some(whole),
            )
            .await;
        assert_eq!(answer.status, 201, "{:?}", answer.body);
        answer.json()["Id"].as_str().unwrap().to_owned()
    }

    /// Creates and starts.
    pub(crate) async fn start(&self, name: &str, body: Value) -> String {
        let id = self.create(name, body).await;
        let answer = self.post(&format!("/containers/{name}/start")).await;
        assert_eq!(answer.status, 204, "{:?}", answer.body);
        id
    }

    /// Sends a request that upgrades its connection; gives the media type and the raw stream.
    pub(crate) async fn upgrade(&self, path: &str, body: Option<Value>) -> (String, Hijacked) {
        let mut request = request("POST", path, body);
        request
            .headers_mut()
            .insert("connection", "Upgrade".parse().unwrap());
        request
            .headers_mut()
            .insert("upgrade", "tcp".parse().unwrap());
        let response = self.open(request).await;
        assert_eq!(response.status(), StatusCode::SWITCHING_PROTOCOLS);
        assert_eq!(response.headers()["upgrade"], "tcp");
        let media_type = response.headers()["content-type"]
            .to_str()
            .unwrap()
            .to_owned();
        let stream = within(hyper::upgrade::on(response)).await.unwrap();
        (media_type, Hijacked(TokioIo::new(stream)))
    }
}

/// A connection that carries streams.
pub(crate) struct Hijacked(TokioIo<hyper::upgrade::Upgraded>);

impl Hijacked {
    /// Sends bytes.
    pub(crate) async fn send(&mut self, bytes: &[u8]) {
        self.0.write_all(bytes).await.unwrap();
        self.0.flush().await.unwrap();
    }

    /// Ends the sending half.
    pub(crate) async fn end_input(&mut self) {
        self.0.shutdown().await.unwrap();
    }

    /// Reads exactly so many bytes.
    pub(crate) async fn read(&mut self, count: usize) -> Vec<u8> {
        let mut bytes = vec![0; count];
        within(self.0.read_exact(&mut bytes)).await.unwrap();
        bytes
    }

    /// Reads until the server closes.
    pub(crate) async fn read_to_end(&mut self) -> Vec<u8> {
        let mut bytes = Vec::new();
        within(self.0.read_to_end(&mut bytes)).await.unwrap();
        bytes
    }
}

/// The data of one stream in frames.
pub(crate) fn stream_of(frames: &[u8], wanted: u8) -> String {
    let mut rest = frames;
    let mut data = Vec::new();
    while let Some((head, tail)) = rest.split_at_checked(8) {
        let length = u32::from_be_bytes(head[4..8].try_into().unwrap()) as usize;
        if head[0] == wanted {
            data.extend_from_slice(&tail[..length]);
        }
        rest = &tail[length..];
    }
    String::from_utf8(data).unwrap()
}

/// Fails the test instead of hanging.
pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future)
        .await
        .expect("it took too long")
}

fn request(method: &str, path: &str, body: Option<Value>) -> Request<Full<Bytes>> {
    let builder = Request::builder()
        .method(method)
        .uri(path)
        .header("host", "porthole");
    match body {
        Some(body) => builder
            .header("content-type", "application/json")
            .body(Full::from(body.to_string())),
        None => builder.body(Full::default()),
    }
    .unwrap()
}
