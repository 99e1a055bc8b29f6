//! An HTTP server that answers as a test has it: also wrongly, in part, or not at all.

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tokio::task::JoinHandle;

/// A request that came.
#[derive(Debug, Clone)]
pub(crate) struct Request {
    pub(crate) method: String,
    /// Path and query.
    pub(crate) path: String,
    pub(crate) headers: BTreeMap<String, String>,
    pub(crate) body: Vec<u8>,
}

impl Request {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(String::as_str)
    }

    /// Method and path.
    pub(crate) fn line(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

/// What a request is answered with.
#[derive(Debug, Clone, Default)]
pub(crate) struct Reply {
    status: u16,
    headers: Vec<(String, String)>,
    body: Vec<u8>,
    /// How much of the body is sent.
    sent: Option<usize>,
    /// What happens then: the connection breaks, or nothing at all.
    hangs: bool,
    is_dropped: bool,
    has_no_length: bool,
}

impl Reply {
    pub(crate) fn new(status: u16, body: impl Into<Vec<u8>>) -> Self {
        Self {
            status,
            body: body.into(),
            ..Self::default()
        }
    }

    pub(crate) fn with(mut self, name: &str, value: impl ToString) -> Self {
        self.headers.push((name.to_owned(), value.to_string()));
        self
    }

    /// The connection breaks after `length` bytes of the body.
    pub(crate) const fn broken_after(mut self, length: usize) -> Self {
        self.sent = Some(length);
        self
    }

    /// Nothing more comes after `length` bytes of the body.
    pub(crate) const fn silent_after(mut self, length: usize) -> Self {
        self.sent = Some(length);
        self.hangs = true;
        self
    }

    /// The body ends with the connection.
    pub(crate) const fn without_length(mut self) -> Self {
        self.has_no_length = true;
        self
    }

    /// The connection breaks before any of the answer is sent.
    pub(crate) fn dropped() -> Self {
        Self {
            is_dropped: true,
            ..Self::default()
        }
    }

    /// Nothing comes, not even the beginning of an answer.
    pub(crate) fn nothing() -> Self {
        Self {
            is_dropped: true,
            hangs: true,
            ..Self::default()
        }
    }

    /// Bytes of an error as registries write them.
    pub(crate) fn refusal(status: u16, code: &str, message: &str) -> Self {
        let body = format!(r#"{{"errors":[{{"code":"{code}","message":"{message}"}}]}}"#);
        Self::new(status, body)
    }
}

type Answer = dyn Fn(&Request) -> Reply + Send + Sync;

/// A server that runs until it is dropped.
pub(crate) struct Server {
    pub(crate) address: SocketAddr,
    requests: Arc<Mutex<Vec<Request>>>,
    gone: Arc<Semaphore>,
    task: JoinHandle<()>,
}

impl Server {
    /// Answers every request by `answer`.
    pub(crate) async fn start(answer: impl Fn(&Request) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let requests = Arc::new(Mutex::new(Vec::new()));
        let answer: Arc<Answer> = Arc::new(answer);
        let log = Arc::clone(&requests);
        let gone = Arc::new(Semaphore::new(0));
        let left = Arc::clone(&gone);
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                let (answer, log) = (Arc::clone(&answer), Arc::clone(&log));
                tokio::spawn(serve(stream, answer, log, Arc::clone(&left)));
            }
        });
        Self {
            address,
            requests,
            gone,
            task,
        }
    }

    /// Waits until a client has gone away from an answer that hangs.
    pub(crate) async fn client_gone(&self) {
        self.gone.acquire().await.unwrap().forget();
    }

    /// What came so far, without the pings by which a client finds out how to ask.
    pub(crate) fn requests(&self) -> Vec<Request> {
        let requests = self.requests.lock().unwrap();
        let is_other = |request: &&Request| request.path != "/v2/";
        requests.iter().filter(is_other).cloned().collect()
    }

    /// Methods and paths of [`Self::requests`].
    pub(crate) fn lines(&self) -> Vec<String> {
        self.requests().iter().map(Request::line).collect()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// Waits for the other side to go away, and tells who waits for that.
async fn until_gone(stream: &mut TcpStream, gone: &Semaphore) {
    while stream
        .read(&mut [0; 4096])
        .await
        .is_ok_and(|count| count > 0)
    {}
    gone.add_permits(1);
}

async fn serve(
    mut stream: TcpStream,
    answer: Arc<Answer>,
    log: Arc<Mutex<Vec<Request>>>,
    gone: Arc<Semaphore>,
) {
    let Some(request) = read(&mut stream).await else {
        return;
    };
    let reply = answer(&request);
    log.lock().unwrap().push(request.clone());
    if reply.is_dropped {
        if reply.hangs {
            until_gone(&mut stream, &gone).await;
        }
        let _ = stream.set_zero_linger();
        return;
    }
    let mut head = format!("HTTP/1.1 {} X\r\nConnection: close\r\n", reply.status);
    for (name, value) in &reply.headers {
        head += &format!("{name}: {value}\r\n");
    }
    if !reply.has_no_length {
        head += &format!("Content-Length: {}\r\n", reply.body.len());
    }
    head += "\r\n";
    let is_head = request.method == "HEAD";
    let length = reply.sent.unwrap_or(reply.body.len());
    let body = if is_head { &[] } else { &reply.body[..length] };
    let whole = [head.as_bytes(), body].concat();
    if stream.write_all(&whole).await.is_err() {
        return;
    }
    if reply.hangs {
        until_gone(&mut stream, &gone).await;
    } else if reply.sent.is_some() {
        // Time for what was sent to be read: a reset overtakes it.
        tokio::time::sleep(Duration::from_millis(50)).await;
        let _ = stream.set_zero_linger();
    } else {
        let _ = stream.shutdown().await;
        // A client that still sends its body must get to read the answer.
        let mut rest = Vec::new();
        let _ = tokio::time::timeout(Duration::from_secs(1), stream.read_to_end(&mut rest)).await;
    }
}

async fn read(stream: &mut TcpStream) -> Option<Request> {
    let mut bytes = Vec::new();
    let head = loop {
        // The beginning of TLS.
        if bytes.first() == Some(&0x16) {
            return None;
        }
        if let Some(end) = bytes.windows(4).position(|window| window == b"\r\n\r\n") {
            break String::from_utf8_lossy(&bytes.drain(..end + 4).collect::<Vec<_>>())
                .into_owned();
        }
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            return None;
        }
    };
    let mut lines = head.lines();
    let mut words = lines.next()?.split(' ');
    let (method, path) = (words.next()?.to_owned(), words.next()?.to_owned());
    let headers: BTreeMap<_, _> = lines
        .filter_map(|line| line.split_once(": "))
        .map(|(name, value)| (name.to_ascii_lowercase(), value.to_owned()))
        .collect();
    let length = headers
        .get("content-length")
        .map_or(0, |length| length.parse().unwrap());
    while bytes.len() < length {
        if stream.read_buf(&mut bytes).await.ok()? == 0 {
            break;
        }
    }
    Some(Request {
        method,
        path,
        headers,
        body: bytes,
    })
}
