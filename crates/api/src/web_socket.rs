//! Attached streams over a web socket (RFC 6455): every piece of output is a message, unframed as
//! dockerd sends it, and so is every piece of input.

use std::io;
use std::time::Duration;

use axum::body::Body;
use axum::extract::Request;
use axum::http::{HeaderMap, header};
use axum::response::Response;
use bytes::Bytes;
use futures::{Sink, SinkExt, Stream, StreamExt, TryStreamExt};
use porthole_engine::attachment::Attachment;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::Error;
use tokio_tungstenite::tungstenite::handshake::server::create_response_with_body;
use tokio_tungstenite::tungstenite::protocol::frame::Frame;
use tokio_tungstenite::tungstenite::protocol::frame::coding::{Data, OpCode};
use tokio_tungstenite::tungstenite::protocol::{Message, Role, WebSocketConfig};
use tokio_util::io::{CopyToBytes, SinkWriter, StreamReader};

use crate::error::ApiError;
use crate::hijack::{self, Connection, End, InputRules};
use crate::version::ApiVersion;

/// Bytes of a client's message at most.
const MAX_MESSAGE: usize = 1 << 20;

/// How long a client may take to answer the close of its socket.
const CLOSING: Duration = Duration::from_secs(2);

/// What a message with output is marked as.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Framing(Data);

impl Framing {
    /// Binary; text before 1.28, whatever the bytes are, as in dockerd.
    pub(crate) fn of(version: ApiVersion) -> Self {
        Self(if version.at_least(28) {
            Data::Binary
        } else {
            Data::Text
        })
    }

    /// The bytes pass unchanged: a character may be cut between two pieces of output.
    fn message(self, data: Bytes) -> Message {
        Message::Frame(Frame::message(data, OpCode::Data(self.0), true))
    }
}

/// The answer after which the connection is a web socket.
///
/// # Errors
/// The request does not ask for one as RFC 6455 has it.
pub(crate) fn answer(request: &Request) -> Result<Response, ApiError> {
    let mut head = axum::http::Request::new(());
    *head.method_mut() = request.method().clone();
    *head.version_mut() = request.version();
    *head.headers_mut() = request.headers().clone();
    create_response_with_body(&head, Body::empty)
        .map_err(|error| ApiError::bad_parameter(format!("not websocket protocol: {error}")))
}

/// Refuses what a page of another site asks for: a browser lets every page open web sockets to
/// every host, and says only where the page is from. Programs need not say anything.
///
/// # Errors
/// The origin's host and port are not those that the request is for.
pub(crate) fn check_origin(headers: &HeaderMap) -> Result<(), ApiError> {
    let Some(origin) = headers.get(header::ORIGIN) else {
        return Ok(());
    };
    let origin = origin.to_str().unwrap_or_default();
    let host = headers
        .get(header::HOST)
        .and_then(|host| host.to_str().ok());
    let of_origin = origin.split_once("://").map(|(_, authority)| authority);
    match (of_origin, host) {
        (Some(of_origin), Some(host)) if of_origin.eq_ignore_ascii_case(host) => Ok(()),
        _ => Err(ApiError::forbidden(format!(
            "web sockets for pages of {origin:?} are refused: they must come from the host that they are opened to"
        ))),
    }
}

/// Carries a program's streams until one of them ends the session.
pub(crate) async fn relay(
    connection: Connection,
    attachment: Attachment,
    rules: InputRules,
    framing: Framing,
) -> End {
    // To the end of the session, for the peer holds the connection's place.
    let (stream, _peer) = connection.into_parts();
    let limits = WebSocketConfig::default()
        .max_message_size(Some(MAX_MESSAGE))
        .max_frame_size(Some(MAX_MESSAGE));
    let socket = WebSocketStream::from_raw_socket(stream, Role::Server, Some(limits)).await;
    let (sink, mut messages) = socket.split();
    let Attachment { tty, output, input } = attachment;
    let output = output.map_ok(|(_, data)| Bytes::from(data));
    let end = {
        let reader = StreamReader::new(received(&mut messages));
        let input = hijack::receive_input(reader, input, rules, tty);
        // Whoever has closed a web socket can get nothing more.
        let gone = std::future::ready(());
        hijack::exchange(input, output, writer(sink, framing), gone).await
    };
    // A connection that is closed with unread data is reset, and what was sent last with it.
    let closed = async { while let Some(Ok(_)) = messages.next().await {} };
    let _ = tokio::time::timeout(CLOSING, closed).await;
    end
}

/// The data of a client's messages, of either kind.
fn received(
    messages: &mut (impl Stream<Item = Result<Message, Error>> + Unpin),
) -> impl Stream<Item = io::Result<Bytes>> + Unpin {
    messages
        .take_while(|message| std::future::ready(!matches!(message, Ok(Message::Close(_)))))
        .map(|message| match message {
            Ok(message @ (Message::Binary(_) | Message::Text(_))) => Ok(message.into_data()),
            // Answered by the library.
            Ok(_) => Ok(Bytes::new()),
            Err(error) => Err(io::Error::other(error)),
        })
        // A reader takes an empty piece for the end.
        .try_filter(|data| std::future::ready(!data.is_empty()))
}

fn writer(
    sink: impl Sink<Message, Error = Error> + Unpin,
    framing: Framing,
) -> impl tokio::io::AsyncWrite + Unpin {
    let sink = sink
        .with(move |data: Bytes| std::future::ready(Ok::<_, Error>(framing.message(data))))
        .sink_map_err(io::Error::other);
    SinkWriter::new(CopyToBytes::new(sink))
}
