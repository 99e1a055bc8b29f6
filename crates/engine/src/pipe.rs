//! Between streams of bytes and threads that block on them.

use std::io::{self, Read, Write};
use std::pin::Pin;

use bytes::{Buf, Bytes};
use futures::{Stream, StreamExt};
use tokio::sync::mpsc;
use tokio_stream::wrappers::ReceiverStream;

use crate::error::Result;

/// Bytes, piece by piece. What ends in an error is not whole.
pub type ByteStream = Pin<Box<dyn Stream<Item = io::Result<Bytes>> + Send>>;

/// Pieces that wait.
const PIECES: usize = 8;

/// Bytes of one piece.
const PIECE: usize = 64 * 1024;

/// What a thread reads of a stream. Ends with an error when whoever fills it is dropped before the
/// stream's end.
#[derive(Debug)]
pub(crate) struct Reader {
    pieces: mpsc::Receiver<io::Result<Bytes>>,
    current: Bytes,
    is_over: bool,
}

/// A reader of a stream, and what fills it: to be driven beside the thread that reads.
pub(crate) fn reader<E>(
    mut stream: impl Stream<Item = Result<Bytes, E>> + Send + Unpin,
) -> (impl Future<Output = ()> + Send, Reader)
where
    E: Into<Box<dyn std::error::Error + Send + Sync>> + Send,
{
    let (sender, pieces) = mpsc::channel(PIECES);
    let fill = async move {
        while let Some(piece) = stream.next().await {
            if piece.as_ref().is_ok_and(Bytes::is_empty) {
                continue;
            }
            // A reader that has failed reads no further.
            if sender.send(piece.map_err(io::Error::other)).await.is_err() {
                return;
            }
        }
        // An empty piece says that the stream is whole.
        let _ = sender.send(Ok(Bytes::new())).await;
    };
    let reader = Reader {
        pieces,
        current: Bytes::new(),
        is_over: false,
    };
    (fill, reader)
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() && !self.is_over {
            match self.pieces.blocking_recv() {
                Some(piece) => {
                    self.current = piece?;
                    self.is_over = self.current.is_empty();
                }
                None => return Err(io::ErrorKind::ConnectionAborted.into()),
            }
        }
        let count = self.current.len().min(buffer.len());
        self.current.copy_to_slice(&mut buffer[..count]);
        Ok(count)
    }
}

/// What a thread writes for a stream.
#[derive(Debug)]
pub(crate) struct Writer {
    pieces: mpsc::Sender<io::Result<Bytes>>,
    buffer: Vec<u8>,
}

/// The bytes that a thread writes; a client that drops them ends it.
pub(crate) fn written(
    write: impl FnOnce(&mut Writer) -> Result<()> + Send + 'static,
) -> ByteStream {
    let (pieces, receiver) = mpsc::channel(PIECES);
    tokio::task::spawn_blocking(move || {
        let buffer = Vec::with_capacity(PIECE);
        let mut writer = Writer { pieces, buffer };
        let done = write(&mut writer).map_err(io::Error::other);
        if let Err(error) = done.and_then(|()| writer.flush()) {
            // Who has left needs no reason.
            let _ = writer.pieces.blocking_send(Err(error));
        }
    });
    Box::pin(ReceiverStream::new(receiver))
}

impl Write for Writer {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = bytes.len().min(PIECE - self.buffer.len());
        self.buffer.extend_from_slice(&bytes[..count]);
        if self.buffer.len() == PIECE {
            self.flush()?;
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.buffer.is_empty() {
            return Ok(());
        }
        let full = std::mem::replace(&mut self.buffer, Vec::with_capacity(PIECE));
        let sent = self.pieces.blocking_send(Ok(full.into()));
        sent.map_err(|_| io::ErrorKind::BrokenPipe.into())
    }
}

#[cfg(test)]
mod tests {
    use futures::TryStreamExt;
    use futures::stream;

    use super::*;
    use crate::error::Error;

    fn pieces(pieces: &[&'static str]) -> Vec<io::Result<Bytes>> {
        pieces.iter().map(|piece| Ok(Bytes::from(*piece))).collect()
    }

    #[tokio::test]
    async fn a_stream_is_read_to_its_end() {
        let (fill, mut reader) = reader(stream::iter(pieces(&["ab", "", "c"])));
        let read = tokio::task::spawn_blocking(move || {
            let mut text = String::new();
            reader.read_to_string(&mut text).map(|_| text)
        });
        fill.await;
        assert_eq!(read.await.unwrap().unwrap(), "abc");
    }

    #[tokio::test]
    async fn a_stream_that_breaks_off_is_no_whole_one() {
        let (fill, mut cut) = reader(stream::iter(pieces(&["ab"])).chain(stream::pending()));
        let read = tokio::task::spawn_blocking(move || cut.read_to_end(&mut Vec::new()));
        let _ = tokio::time::timeout(std::time::Duration::from_millis(20), fill).await;
        let error = read.await.unwrap().unwrap_err();
        assert_eq!(error.kind(), io::ErrorKind::ConnectionAborted);
    }

    #[tokio::test]
    async fn what_is_written_is_streamed_with_its_failure() {
        let whole = written(|writer| {
            writer
                .write_all(&[7; PIECE + 1])
                .map_err(|error| Error::system(error.to_string()))
        });
        let bytes: Vec<Bytes> = whole.try_collect().await.unwrap();
        assert_eq!(bytes.iter().map(Bytes::len).sum::<usize>(), PIECE + 1);
        let mut failed = written(|_| Err(Error::invalid("no")));
        assert!(failed.next().await.unwrap().is_err());
    }
}
