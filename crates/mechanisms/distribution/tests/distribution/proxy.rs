//! A proxy that leads every host to one address.

use std::net::SocketAddr;
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::JoinHandle;

/// A proxy that runs until it is dropped.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    hosts: Arc<Mutex<Vec<String>>>,
    task: JoinHandle<()>,
}

impl Proxy {
    pub(crate) async fn start(target: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let hosts = Arc::new(Mutex::new(Vec::new()));
        let (log, target) = (Arc::clone(&hosts), target.to_owned());
        let task = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(connect(stream, target.clone(), Arc::clone(&log)));
            }
        });
        Self {
            address,
            hosts,
            task,
        }
    }

    /// The hosts that were asked for.
    pub(crate) fn hosts(&self) -> Vec<String> {
        self.hosts.lock().unwrap().clone()
    }
}

impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn connect(
    mut stream: TcpStream,
    target: String,
    log: Arc<Mutex<Vec<String>>>,
) -> Option<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.ok()?);
    }
    let head = String::from_utf8(head).ok()?;
    let host = head.strip_prefix("CONNECT ")?.split(' ').next()?;
    log.lock().unwrap().push(host.to_owned());
    let mut onward = TcpStream::connect(target).await.ok()?;
    stream.write_all(b"HTTP/1.1 200 OK\r\n\r\n").await.ok()?;
    copy_bidirectional(&mut stream, &mut onward).await.ok()?;
    Some(())
}
