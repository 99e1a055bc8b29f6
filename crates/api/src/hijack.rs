//! Hijacked connections: after `101 UPGRADED` a connection carries a program's streams.
//!
//! The client may close its sending half and still read; closing both ends the session. A session
//! ends with the program's output, when the client leaves, or with the detach keys on a console.

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderValue, StatusCode, header};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::{Stream, StreamExt, TryStreamExt};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use porthole_engine::attachment::{Attachment, Input, OutputStream};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};

use crate::detach_keys::{DetachKeys, DetachScanner};
use crate::multiplex;
use crate::peer::Peer;
use crate::version::ApiVersion;

/// One stream, unframed.
const RAW: &str = "application/vnd.docker.raw-stream";
/// Several streams in frames.
const MULTIPLEXED: &str = "application/vnd.docker.multiplexed-stream";

/// Bytes read from a client at once.
const READ_SIZE: usize = 32 * 1024;

/// The media type of a stream; versions before 1.42 know one name for both kinds.
pub(crate) fn media_type(tty: bool, version: ApiVersion) -> HeaderValue {
    HeaderValue::from_static(if tty || !version.at_least(42) {
        RAW
    } else {
        MULTIPLEXED
    })
}

/// A connection that becomes a session once the client has the answer.
#[derive(Debug)]
pub(crate) struct Upgrade {
    connection: OnUpgrade,
    peer: Option<Peer>,
}

/// The connection of a request that asks to be upgraded.
pub(crate) fn take_upgrade(request: &mut Request) -> Option<Upgrade> {
    request
        .headers()
        .contains_key(header::UPGRADE)
        .then(|| Upgrade {
            peer: request.extensions_mut().remove(),
            connection: hyper::upgrade::on(request),
        })
}

/// The answer after which the connection is the session's.
pub(crate) fn upgraded(media_type: HeaderValue) -> Response {
    let headers = [
        (header::CONNECTION, HeaderValue::from_static("Upgrade")),
        (header::UPGRADE, HeaderValue::from_static("tcp")),
        (header::CONTENT_TYPE, media_type),
    ];
    (StatusCode::SWITCHING_PROTOCOLS, headers).into_response()
}

/// The answer to a client that did not ask for an upgrade: output alone, as an ordinary body.
pub(crate) fn plain(attachment: Attachment) -> Response {
    let tty = attachment.tty;
    let body = Body::from_stream(wire(attachment.output, tty));
    (
        [(header::CONTENT_TYPE, HeaderValue::from_static(RAW))],
        body,
    )
        .into_response()
}

/// An upgraded connection.
#[derive(Debug)]
pub(crate) struct Connection {
    stream: TokioIo<Upgraded>,
    peer: Option<Peer>,
}

impl Upgrade {
    /// Who is at the other end.
    pub(crate) const fn peer(&self) -> Option<&Peer> {
        self.peer.as_ref()
    }

    /// The connection, once the client has the answer.
    pub(crate) async fn connection(self) -> hyper::Result<Connection> {
        let stream = TokioIo::new(self.connection.await?);
        Ok(Connection {
            stream,
            peer: self.peer,
        })
    }
}

impl Connection {
    /// Its two parts. Its place among those that are counted goes with the peer.
    pub(crate) fn into_parts(self) -> (TokioIo<Upgraded>, Option<Peer>) {
        (self.stream, self.peer)
    }

    /// Sends a last word and closes.
    pub(crate) async fn close_with(mut self, bytes: &[u8]) -> std::io::Result<()> {
        self.stream.write_all(bytes).await?;
        self.stream.shutdown().await
    }
}

/// How a client's input is treated.
#[derive(Debug)]
pub(crate) struct InputRules {
    /// Keys that end the session, on a console.
    pub(crate) detach_keys: DetachKeys,
    /// Whether the end of the client's input ends the program's (never on a console); otherwise
    /// the client that ends its input has left.
    pub(crate) close_with_client: bool,
}

/// How a session ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The program's output ended.
    Output,
    /// The client went away.
    Left,
    /// The client pressed the detach keys.
    Detached,
}

/// Carries a program's streams over a client's connection until one of them ends it.
pub(crate) async fn relay(
    connection: Connection,
    attachment: Attachment,
    rules: InputRules,
) -> End {
    let (stream, peer) = connection.into_parts();
    let (reader, writer) = tokio::io::split(stream);
    let Attachment { tty, output, input } = attachment;
    let gone = async {
        match peer {
            Some(peer) => peer.gone().await,
            None => std::future::pending().await,
        }
    };
    let input = receive_input(reader, input, rules, tty);
    exchange(input, wire(output, tty), writer, gone).await
}

/// Takes a client's input for as long as the program does; the end of the session, if it ends it.
pub(crate) async fn receive_input(
    reader: impl AsyncRead + Unpin,
    input: Option<Input>,
    rules: InputRules,
    tty: bool,
) -> Option<End> {
    match input {
        Some(input) => forward_input(reader, input, rules, tty).await,
        None => discard_input(reader).await,
    }
}

/// Sends `output` and runs `input` beside it, then ends the client's output.
pub(crate) async fn exchange(
    input: impl Future<Output = Option<End>>,
    output: impl Stream<Item = std::io::Result<Bytes>> + Unpin,
    mut writer: impl AsyncWrite + Unpin,
    gone: impl Future<Output = ()>,
) -> End {
    let end = until_end(input, send_output(output, &mut writer), gone).await;
    // The client may be gone already; then there is nobody to tell.
    let _ = writer.shutdown().await;
    end
}

/// Runs both directions until the output ends, or the input ends the session, or, once there is no
/// more input, the client is gone.
async fn until_end(
    input: impl Future<Output = Option<End>>,
    output: impl Future<Output = End>,
    gone: impl Future<Output = ()>,
) -> End {
    tokio::pin!(input, output, gone);
    let mut input_open = true;
    loop {
        tokio::select! {
            end = &mut output => return end,
            end = &mut input, if input_open => match end {
                Some(end) => return end,
                None => input_open = false,
            },
            () = &mut gone, if !input_open => return End::Left,
        }
    }
}

/// Output as it goes over the wire: raw from a console, framed otherwise.
fn wire(
    output: OutputStream,
    tty: bool,
) -> impl Stream<Item = std::io::Result<Bytes>> + Send + Unpin {
    output.map_ok(move |(stream, data)| {
        if tty {
            Bytes::from(data)
        } else {
            multiplex::frame(stream, &data)
        }
    })
}

async fn send_output<W>(
    mut output: impl Stream<Item = std::io::Result<Bytes>> + Unpin,
    writer: &mut W,
) -> End
where
    W: AsyncWrite + Unpin,
{
    while let Some(piece) = output.next().await {
        let piece = match piece {
            Ok(piece) => piece,
            Err(error) => {
                tracing::warn!(%error, "the output of an attached program broke off");
                return End::Output;
            }
        };
        if writer.write_all(&piece).await.is_err() || writer.flush().await.is_err() {
            return End::Left;
        }
    }
    End::Output
}

/// Reads on after the client's input is not wanted, to notice that it left. Docker clients close
/// their sending half at once when they have no input: that is no leaving.
async fn discard_input(mut reader: impl AsyncRead + Unpin) -> Option<End> {
    let mut buffer = [0; 512];
    loop {
        match reader.read(&mut buffer).await {
            Ok(0) => return None,
            Ok(_) => {}
            Err(_) => return Some(End::Left),
        }
    }
}

async fn forward_input(
    mut reader: impl AsyncRead + Unpin,
    mut input: Input,
    rules: InputRules,
    tty: bool,
) -> Option<End> {
    let mut scanner = tty.then(|| DetachScanner::new(rules.detach_keys));
    let mut buffer = vec![0; READ_SIZE];
    loop {
        let count = match reader.read(&mut buffer).await {
            Ok(0) if rules.close_with_client && !tty => {
                // A program that ended meanwhile has closed it itself.
                let _ = input.close().await;
                return None;
            }
            Ok(0) | Err(_) => return Some(End::Left),
            Ok(count) => count,
        };
        let (data, detach) = match &mut scanner {
            Some(scanner) => scanner.scan(&buffer[..count]),
            None => (buffer[..count].to_vec(), false),
        };
        if !data.is_empty() && input.write(data).await.is_err() {
            // The program reads no more; its output may still come.
            return discard_input(reader).await;
        }
        if detach {
            return Some(End::Detached);
        }
    }
}
