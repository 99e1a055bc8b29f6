//! What the server listens on: Unix sockets, TCP with mutual TLS, and TCP alone.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream, UnixListener, UnixStream};
use tokio::sync::{Semaphore, watch};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;

use crate::handshakes::{Handshake, Handshakes};
use crate::peer::{Departure, Peer};

/// Connections over TCP at once, of clients that have shown who they are.
const MAX_CONNECTIONS: usize = 4096;

/// How long a handshake may take.
const HANDSHAKE: Duration = Duration::from_secs(10);

/// How long a client may be silent at first: clients of TLS speak at once.
const FIRST_WORD: Duration = Duration::from_secs(2);

/// After so long without a word the kernel asks whether the client's host is still there, and as
/// long again and again until it gives up; what Go's servers do.
const KEEP_ALIVE: Duration = Duration::from_secs(15);

/// The first byte of a TLS connection: a handshake record.
const TLS_HANDSHAKE: u8 = 0x16;

/// What Go's servers say to a client that speaks plain HTTP, and clients show.
const PLAIN_HTTP: &[u8] =
    b"HTTP/1.0 400 Bad Request\r\n\r\nClient sent an HTTP request to an HTTPS server.\n";

/// Where clients come from.
#[derive(Debug)]
pub struct Listener {
    kind: Kind,
}

#[derive(Debug)]
enum Kind {
    Unix(UnixListener),
    Tcp {
        listener: TcpListener,
        tls: Option<watch::Receiver<Arc<ServerConfig>>>,
        connections: Arc<Semaphore>,
        handshakes: Arc<Handshakes>,
    },
}

impl Listener {
    /// Clients of a Unix socket.
    #[must_use]
    pub fn unix(listener: UnixListener) -> Self {
        Self {
            kind: Kind::Unix(listener),
        }
    }

    /// Clients over TLS, which each connection speaks as `configuration` says at its begin. Who may
    /// come in is for the configuration's verifier to say.
    #[must_use]
    pub fn tls(listener: TcpListener, configuration: watch::Receiver<Arc<ServerConfig>>) -> Self {
        Self::over_tcp(listener, Some(configuration))
    }

    /// Anybody who reaches a TCP port, unencrypted.
    #[must_use]
    pub fn insecure_tcp(listener: TcpListener) -> Self {
        Self::over_tcp(listener, None)
    }

    fn over_tcp(listener: TcpListener, tls: Option<watch::Receiver<Arc<ServerConfig>>>) -> Self {
        Self {
            kind: Kind::Tcp {
                listener,
                tls,
                connections: Arc::new(Semaphore::new(MAX_CONNECTIONS)),
                handshakes: Arc::default(),
            },
        }
    }

    /// The next client, which has said nothing yet.
    pub(crate) async fn accept(&self) -> io::Result<Arrival> {
        match &self.kind {
            Kind::Unix(listener) => Ok(Arrival::Unix(listener.accept().await?.0)),
            Kind::Tcp {
                listener,
                tls,
                connections,
                handshakes,
            } => {
                let (stream, address) = listener.accept().await?;
                let tls = tls.as_ref().map(|tls| Door {
                    configuration: Arc::clone(&tls.borrow()),
                    handshake: handshakes.begin(address.ip()),
                });
                Ok(Arrival::Tcp {
                    stream,
                    tls,
                    connections: Arc::clone(connections),
                })
            }
        }
    }
}

/// A client at the door.
#[derive(Debug)]
pub(crate) enum Arrival {
    Unix(UnixStream),
    Tcp {
        stream: TcpStream,
        tls: Option<Door>,
        connections: Arc<Semaphore>,
    },
}

/// What a client over TLS has to pass.
#[derive(Debug)]
pub(crate) struct Door {
    configuration: Arc<ServerConfig>,
    handshake: Handshake,
}

/// A client that may send requests.
pub(crate) struct Client {
    pub(crate) stream: Box<dyn Stream>,
    pub(crate) peer: Peer,
}

/// A connection's two directions.
pub(crate) trait Stream: AsyncRead + AsyncWrite + Unpin + Send {}

impl<T: AsyncRead + AsyncWrite + Unpin + Send> Stream for T {}

impl Arrival {
    /// Lets the client in, after the handshake where there is one.
    ///
    /// # Errors
    /// The handshake failed, took too long or had to give way, or there are too many connections.
    pub(crate) async fn admit(self) -> io::Result<Client> {
        match self {
            Self::Unix(stream) => Ok(Client {
                peer: Peer::new(&stream, Departure::BothHalves)?,
                stream: Box::new(stream),
            }),
            Self::Tcp {
                stream,
                tls,
                connections,
            } => {
                prepare(&stream)?;
                let departure = match tls {
                    Some(_) => Departure::FirstHalf,
                    None => Departure::BothHalves,
                };
                let peer = Peer::new(&stream, departure)?;
                let stream: Box<dyn Stream> = match tls {
                    Some(door) => Box::new(door.pass(stream).await?),
                    None => Box::new(stream),
                };
                let place = connections.try_acquire_owned();
                let place = place.map_err(|_| io::Error::other("too many connections"))?;
                Ok(Client {
                    stream,
                    peer: peer.holding(place),
                })
            }
        }
    }
}

/// Small answers go at once, and a host that has vanished is noticed.
fn prepare(stream: &TcpStream) -> io::Result<()> {
    use rustix::net::sockopt;
    stream.set_nodelay(true)?;
    let socket = stream.as_fd();
    sockopt::set_socket_keepalive(socket, true)?;
    sockopt::set_tcp_keepidle(socket, KEEP_ALIVE)?;
    sockopt::set_tcp_keepintvl(socket, KEEP_ALIVE)?;
    Ok(())
}

type TlsStream = tokio_rustls::server::TlsStream<TcpStream>;

impl Door {
    async fn pass(self, stream: TcpStream) -> io::Result<TlsStream> {
        let Self {
            configuration,
            mut handshake,
        } = self;
        tokio::select! {
            shaken = timely(HANDSHAKE, shake_hands(stream, configuration)) => shaken,
            () = handshake.given_way() => Err(io::Error::other("too many handshakes at once")),
        }
    }
}

async fn shake_hands(mut stream: TcpStream, tls: Arc<ServerConfig>) -> io::Result<TlsStream> {
    let mut first = [0];
    timely(FIRST_WORD, stream.peek(&mut first)).await?;
    // Requests begin with their method; everything else is left to TLS to refuse.
    if first[0] != TLS_HANDSHAKE && first[0].is_ascii_uppercase() {
        refuse_plain_http(&mut stream).await?;
        return Err(io::Error::other("an HTTP request to an HTTPS server"));
    }
    TlsAcceptor::from(tls).accept(stream).await
}

async fn timely<T>(time: Duration, work: impl Future<Output = io::Result<T>>) -> io::Result<T> {
    let done = tokio::time::timeout(time, work).await;
    done.unwrap_or_else(|_| Err(io::ErrorKind::TimedOut.into()))
}

/// Answers, and reads what the client still sends: a connection that is closed with unread data
/// is reset, and the answer with it.
async fn refuse_plain_http(stream: &mut TcpStream) -> io::Result<()> {
    const MAX_REQUEST: u64 = 64 * 1024;
    stream.write_all(PLAIN_HTTP).await?;
    stream.shutdown().await?;
    let mut rest = stream.take(MAX_REQUEST);
    tokio::io::copy(&mut rest, &mut tokio::io::sink()).await?;
    Ok(())
}
