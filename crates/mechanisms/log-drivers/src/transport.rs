//! Connections to destinations: datagrams, and streams with or without TLS.

use std::io;
use std::os::fd::{AsFd, BorrowedFd};
use std::path::Path;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll};
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::RecvFlags;
use rustls::ClientConfig;
use rustls::pki_types::ServerName;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt, ReadBuf};
use tokio::net::{TcpStream, UdpSocket, UnixDatagram, UnixStream, lookup_host};
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::address::{Address, Endpoint};
use crate::error::{Error, Result};

/// How long a connection, a record and its acknowledgement may take each.
const PATIENCE: Duration = Duration::from_secs(10);

/// A connection.
pub(crate) struct Transport {
    destination: String,
    channel: Channel,
}

enum Channel {
    Udp(UdpSocket),
    UnixDatagram(UnixDatagram),
    Stream(Box<dyn Stream>),
}

/// A stream whose socket can be asked without waiting for the runtime to have heard of it.
trait Stream: AsyncRead + AsyncWrite + Unpin + Send + Sync {
    fn socket(&self) -> BorrowedFd<'_>;

    fn poll_socket_readable(&self, context: &mut Context<'_>) -> Poll<io::Result<()>>;
}

impl Stream for TcpStream {
    fn socket(&self) -> BorrowedFd<'_> {
        self.as_fd()
    }

    fn poll_socket_readable(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_read_ready(context)
    }
}

impl Stream for UnixStream {
    fn socket(&self) -> BorrowedFd<'_> {
        self.as_fd()
    }

    fn poll_socket_readable(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.poll_read_ready(context)
    }
}

impl Stream for TlsStream<TcpStream> {
    fn socket(&self) -> BorrowedFd<'_> {
        self.get_ref().0.as_fd()
    }

    fn poll_socket_readable(&self, context: &mut Context<'_>) -> Poll<io::Result<()>> {
        self.get_ref().0.poll_read_ready(context)
    }
}

impl std::fmt::Debug for Transport {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Transport")
            .field("destination", &self.destination)
            .finish_non_exhaustive()
    }
}

impl Transport {
    /// Connects; `tls` is there for addresses that need it.
    pub(crate) async fn connect(address: &Address, tls: Option<Arc<ClientConfig>>) -> Result<Self> {
        let destination = address.to_string();
        match timely(open(address, tls)).await {
            Ok(channel) => Ok(Self {
                destination,
                channel,
            }),
            Err(source) => Err(Error::Connect {
                destination,
                source,
            }),
        }
    }

    /// Where it goes.
    pub(crate) fn destination(&self) -> &str {
        &self.destination
    }

    /// Sends one record: a datagram, or bytes of the stream.
    pub(crate) async fn send(&mut self, bytes: &[u8]) -> Result<()> {
        let sent = match &mut self.channel {
            Channel::Udp(socket) => timely(async { socket.send(bytes).await.map(drop) }).await,
            Channel::UnixDatagram(socket) => {
                timely(async { socket.send(bytes).await.map(drop) }).await
            }
            Channel::Stream(stream) => timely(write(stream, bytes)).await,
        };
        sent.map_err(|source| self.failed(source, bytes.len()))
    }

    /// The next bytes of what comes back on a stream; an error at its end.
    pub(crate) async fn receive(&mut self, buffer: &mut [u8]) -> Result<usize> {
        let Channel::Stream(stream) = &mut self.channel else {
            return Err(self.failed(io::ErrorKind::Unsupported.into(), 0));
        };
        let received = timely(stream.read(buffer)).await;
        let received = received.and_then(|count| match count {
            0 => Err(io::ErrorKind::UnexpectedEof.into()),
            count => Ok(count),
        });
        received.map_err(|source| self.failed(source, 0))
    }

    fn failed(&self, source: io::Error, length: usize) -> Error {
        let destination = self.destination.clone();
        // No datagram is that long.
        if source.raw_os_error() == Some(Errno::MSGSIZE.raw_os_error()) {
            return Error::TooLong {
                destination,
                length,
            };
        }
        Error::Send {
            destination,
            source,
        }
    }
}

/// Gives up what takes too long.
async fn timely<T>(work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let done = tokio::time::timeout(PATIENCE, work).await;
    done.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// Writes to a stream that is still open at the other side: what is written to a closed one is lost
/// without an error, once.
async fn write(stream: &mut Box<dyn Stream>, bytes: &[u8]) -> io::Result<()> {
    let mut unasked = [0; 256];
    // The kernel is asked: the runtime may not have heard yet that the other side is gone.
    while has_input(stream.socket())? {
        std::future::poll_fn(|context| stream.poll_socket_readable(context)).await?;
        let read = std::future::poll_fn(|context| {
            let mut buffer = ReadBuf::new(&mut unasked);
            let polled = Pin::new(&mut *stream).poll_read(context, &mut buffer);
            Poll::Ready(match polled {
                Poll::Pending => None,
                Poll::Ready(read) => Some(read.map(|()| buffer.filled().len())),
            })
        });
        if read.await.transpose()? == Some(0) {
            return Err(io::ErrorKind::ConnectionReset.into());
        }
    }
    stream.write_all(bytes).await?;
    stream.flush().await
}

/// Whether a read would not wait: there are bytes, the end, or an error, which is returned.
fn has_input(socket: BorrowedFd<'_>) -> io::Result<bool> {
    let flags = RecvFlags::PEEK | RecvFlags::DONTWAIT;
    match rustix::net::recv(socket, &mut [0; 1], flags) {
        Ok(_) => Ok(true),
        Err(Errno::WOULDBLOCK) => Ok(false),
        Err(error) => Err(error.into()),
    }
}

async fn open(address: &Address, tls: Option<Arc<ClientConfig>>) -> io::Result<Channel> {
    Ok(match address {
        Address::Udp(endpoint) => Channel::Udp(udp(endpoint).await?),
        Address::Tcp(endpoint) => {
            Channel::Stream(Box::new(TcpStream::connect(endpoint.target()).await?))
        }
        Address::Tls(endpoint) => {
            let tls = tls.ok_or(io::ErrorKind::InvalidInput)?;
            let stream = TcpStream::connect(endpoint.target()).await?;
            let name =
                ServerName::try_from(endpoint.target().0.to_owned()).map_err(io::Error::other)?;
            Channel::Stream(Box::new(
                TlsConnector::from(tls).connect(name, stream).await?,
            ))
        }
        Address::Unix(path) => Channel::Stream(Box::new(UnixStream::connect(path).await?)),
        Address::UnixDatagram(path) => Channel::UnixDatagram(datagrams(path)?),
        Address::Local(paths) => local(paths).await?,
    })
}

async fn udp(endpoint: &Endpoint) -> io::Result<UdpSocket> {
    let target = lookup_host(endpoint.target()).await?.next();
    let target = target.ok_or(io::ErrorKind::NotFound)?;
    let any = if target.is_ipv4() {
        "0.0.0.0:0"
    } else {
        "[::]:0"
    };
    let socket = UdpSocket::bind(any).await?;
    socket.connect(target).await?;
    Ok(socket)
}

fn datagrams(path: &Path) -> io::Result<UnixDatagram> {
    let socket = UnixDatagram::unbound()?;
    socket.connect(path)?;
    Ok(socket)
}

async fn local(paths: &[std::path::PathBuf]) -> io::Result<Channel> {
    for path in paths {
        if let Ok(socket) = datagrams(path) {
            return Ok(Channel::UnixDatagram(socket));
        }
        if let Ok(stream) = UnixStream::connect(path).await {
            return Ok(Channel::Stream(Box::new(stream)));
        }
    }
    // srslog's words, which dockerd shows.
    Err(io::Error::new(
        io::ErrorKind::NotFound,
        "Unix syslog delivery error",
    ))
}
