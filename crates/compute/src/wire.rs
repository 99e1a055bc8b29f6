//! A client's connection to a supervisor: greeting, requests, and the two streams that a
//! connection can become.

use std::io;
use std::marker::PhantomData;

use bytes::{Buf, BytesMut};
use futures::{SinkExt, Stream, StreamExt, stream};
use porthole_protocol::Hello;
use porthole_protocol::frame::{self, FrameError};
use porthole_protocol::supervisor::{
    self, Event, Failure, OpenStdio, Request, Response, StdioFrame, StreamKind,
};
use serde::{Serialize, de::DeserializeOwned};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_util::codec::{Decoder, Encoder, FramedRead, FramedWrite};

use crate::system::Stdio;

/// Bytes of one piece of input; more is sent in several frames.
const INPUT_CHUNK: usize = 64 * 1024;

/// A byte stream in both directions.
pub trait Duplex: AsyncRead + AsyncWrite + Send + Unpin {}

impl<T: AsyncRead + AsyncWrite + Send + Unpin> Duplex for T {}

/// Why a request to a supervisor brought no positive answer.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// It answered that it did not carry it out.
    #[error("refused by the supervisor")]
    Refused(#[source] Failure),
    /// It answered something else than the request calls for.
    #[error("the supervisor answered out of turn")]
    OutOfTurn,
    /// It speaks another protocol.
    #[error("the supervisor speaks protocol version {0}, this service {expected}", expected = supervisor::VERSION)]
    Version(u16),
    /// The connection failed or ended.
    #[error("connection to the supervisor failed")]
    Connection(#[source] FrameError),
    /// It did not answer in time.
    #[error("the supervisor did not answer within {0} s")]
    Timeout(u64),
}

impl From<io::Error> for WireError {
    fn from(error: io::Error) -> Self {
        Self::Connection(FrameError::Io(error))
    }
}

impl WireError {
    /// Whether it may mean that the supervisor has gone the way of its silo.
    pub(crate) fn is_an_end(&self) -> bool {
        match self {
            Self::Connection(FrameError::Io(error)) => matches!(
                error.kind(),
                io::ErrorKind::NotFound
                    | io::ErrorKind::ConnectionRefused
                    | io::ErrorKind::ConnectionReset
                    | io::ErrorKind::BrokenPipe
                    | io::ErrorKind::UnexpectedEof
            ),
            Self::Connection(error) => matches!(error, FrameError::Closed),
            Self::Refused(_) | Self::OutOfTurn | Self::Version(_) | Self::Timeout(_) => false,
        }
    }
}

/// An open connection on which requests are answered in order.
pub(crate) struct Connection {
    stream: Box<dyn Duplex>,
}

impl Connection {
    /// Greets the supervisor at the other end of `stream`.
    pub(crate) async fn open(stream: Box<dyn Duplex>) -> Result<Self, WireError> {
        let mut connection = Self { stream };
        connection.send(&Hello::new(supervisor::VERSION)).await?;
        let hello: Hello = connection.receive().await?;
        if hello.agrees_with(supervisor::VERSION) {
            Ok(connection)
        } else {
            Err(WireError::Version(hello.version))
        }
    }

    /// Sends a request and waits for its answer, a refusal aside.
    pub(crate) async fn request(&mut self, request: &Request) -> Result<Response, WireError> {
        self.send(request).await?;
        match self.receive().await? {
            Response::Failed(failure) => Err(WireError::Refused(failure)),
            response => Ok(response),
        }
    }

    /// Turns the connection into the stream of the silo's events.
    pub(crate) async fn watch(
        mut self,
    ) -> Result<impl Stream<Item = io::Result<Event>> + Send + Unpin, WireError> {
        match self.request(&Request::Watch).await? {
            Response::Done => {}
            _ => return Err(WireError::OutOfTurn),
        }
        Ok(FramedRead::new(self.stream, FrameCodec::<Event>::default()))
    }

    /// Turns the connection into the streams of a process.
    pub(crate) async fn stdio(mut self, open: OpenStdio) -> Result<Stdio, WireError> {
        match self.request(&Request::OpenStdio(open)).await? {
            Response::Done => {}
            _ => return Err(WireError::OutOfTurn),
        }
        // Split by a lock rather than by ownership: dropping the input's half must not shut
        // the connection down, or a client that only stops typing would seem to have left.
        let (read, write) = tokio::io::split(self.stream);
        let output = FramedRead::new(read, FrameCodec::<StdioFrame>::default()).filter_map(
            |frame| async move {
                match frame {
                    Ok(StdioFrame::Data(kind, bytes)) => Some(Ok((kind, bytes))),
                    Ok(StdioFrame::End(_)) => None,
                    Err(error) => Some(Err(error)),
                }
            },
        );
        let input =
            FramedWrite::new(write, FrameCodec::<StdioFrame>::default()).with_flat_map(chunks);
        Ok(Stdio {
            output: Box::pin(output),
            input: Box::pin(input),
        })
    }

    async fn send<T: Serialize>(&mut self, message: &T) -> Result<(), WireError> {
        send(&mut self.stream, message).await
    }

    async fn receive<T: DeserializeOwned>(&mut self) -> Result<T, WireError> {
        receive(&mut self.stream).await
    }
}

/// Sends a message.
pub(crate) async fn send<T: Serialize>(
    stream: &mut (impl AsyncWrite + Unpin),
    message: &T,
) -> Result<(), WireError> {
    let frame = frame::encode(message).map_err(WireError::Connection)?;
    Ok(stream.write_all(&frame).await?)
}

/// Waits for a message.
pub(crate) async fn receive<T: DeserializeOwned>(
    stream: &mut (impl AsyncRead + Unpin),
) -> Result<T, WireError> {
    let mut prefix = [0; frame::PREFIX];
    if let Err(error) = stream.read_exact(&mut prefix).await {
        return Err(WireError::Connection(match error.kind() {
            io::ErrorKind::UnexpectedEof => FrameError::Closed,
            _ => FrameError::Io(error),
        }));
    }
    let length = frame::payload_length(prefix).map_err(WireError::Connection)?;
    let mut payload = vec![0; length];
    stream.read_exact(&mut payload).await?;
    frame::decode(&payload).map_err(WireError::Connection)
}

/// Cuts input into frames that stay far below the protocol's limit.
fn chunks(frame: StdioFrame) -> impl Stream<Item = io::Result<StdioFrame>> + Send {
    let pieces: Vec<_> = match frame {
        StdioFrame::Data(kind, bytes) => bytes
            .chunks(INPUT_CHUNK)
            .map(|piece| Ok(StdioFrame::Data(kind, piece.to_vec())))
            .collect(),
        StdioFrame::End(StreamKind::Stdin) => vec![Ok(frame)],
        StdioFrame::End(_) => Vec::new(),
    };
    stream::iter(pieces)
}

fn into_io(error: FrameError) -> io::Error {
    match error {
        FrameError::Io(error) => error,
        FrameError::Closed => io::ErrorKind::UnexpectedEof.into(),
        other => io::Error::new(io::ErrorKind::InvalidData, other),
    }
}

/// The protocol's frames as a codec.
pub(crate) struct FrameCodec<T>(PhantomData<fn() -> T>);

impl<T> Default for FrameCodec<T> {
    fn default() -> Self {
        Self(PhantomData)
    }
}

impl<T: DeserializeOwned> Decoder for FrameCodec<T> {
    type Item = T;
    type Error = io::Error;

    fn decode(&mut self, buffer: &mut BytesMut) -> io::Result<Option<T>> {
        let Some(prefix) = buffer.first_chunk::<{ frame::PREFIX }>() else {
            return Ok(None);
        };
        let length = frame::payload_length(*prefix).map_err(into_io)?;
        let whole = frame::PREFIX + length;
        if buffer.len() < whole {
            buffer.reserve(whole - buffer.len());
            return Ok(None);
        }
        let message = frame::decode(&buffer[frame::PREFIX..whole]).map_err(into_io)?;
        buffer.advance(whole);
        Ok(Some(message))
    }

    fn decode_eof(&mut self, buffer: &mut BytesMut) -> io::Result<Option<T>> {
        match self.decode(buffer)? {
            None if !buffer.is_empty() => Err(io::ErrorKind::UnexpectedEof.into()),
            message => Ok(message),
        }
    }
}

impl<T: Serialize> Encoder<T> for FrameCodec<T> {
    type Error = io::Error;

    fn encode(&mut self, message: T, buffer: &mut BytesMut) -> io::Result<()> {
        buffer.extend_from_slice(&frame::encode(&message).map_err(into_io)?);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_that_comes_in_pieces_is_decoded_once_whole() {
        let frame = frame::encode(&StdioFrame::End(StreamKind::Stdout)).unwrap();
        let mut codec = FrameCodec::<StdioFrame>::default();
        let mut buffer = BytesMut::new();
        for byte in &frame[..frame.len() - 1] {
            buffer.extend_from_slice(&[*byte]);
            assert!(codec.decode(&mut buffer).unwrap().is_none());
        }
        buffer.extend_from_slice(&frame[frame.len() - 1..]);
        assert_eq!(
            codec.decode(&mut buffer).unwrap(),
            Some(StdioFrame::End(StreamKind::Stdout))
        );
        assert!(buffer.is_empty());
    }

    #[test]
    fn an_end_within_a_frame_is_an_error() {
        let mut codec = FrameCodec::<StdioFrame>::default();
        assert!(
            codec
                .decode_eof(&mut BytesMut::from(&[9, 0, 0, 0, 1][..]))
                .is_err()
        );
        assert!(codec.decode_eof(&mut BytesMut::new()).unwrap().is_none());
    }

    #[tokio::test]
    async fn a_peer_of_another_version_is_refused() {
        let (ours, mut theirs) = tokio::io::duplex(64);
        let hello = frame::encode(&Hello::new(supervisor::VERSION + 1)).unwrap();
        theirs.write_all(&hello).await.unwrap();
        let refused = Connection::open(Box::new(ours)).await;
        assert!(matches!(refused, Err(WireError::Version(_))));
    }
}
