//! Between archives, which are read and written by threads that block, and the connection.

use std::io::{self, Read, Write};

use bytes::{Buf, Bytes};
use tokio::sync::mpsc;

/// Pieces that wait.
const PIECES: usize = 8;

/// Bytes of one piece.
const PIECE: usize = 64 * 1024;

/// What a thread reads that blocks.
pub(in crate::commands) struct Reader {
    pieces: mpsc::Receiver<io::Result<Bytes>>,
    current: Bytes,
}

/// What is written for it.
pub(in crate::commands) fn reader() -> (mpsc::Sender<io::Result<Bytes>>, Reader) {
    let (sender, pieces) = mpsc::channel(PIECES);
    let current = Bytes::new();
    (sender, Reader { pieces, current })
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.current.is_empty() {
            match self.pieces.blocking_recv() {
                Some(piece) => self.current = piece?,
                None => return Ok(0),
            }
        }
        let count = self.current.len().min(buffer.len());
        self.current.copy_to_slice(&mut buffer[..count]);
        Ok(count)
    }
}

/// What a thread writes that blocks.
pub(in crate::commands) struct Writer {
    pieces: mpsc::Sender<io::Result<Bytes>>,
    buffer: Vec<u8>,
}

/// What is read of it.
pub(in crate::commands) fn writer() -> (Writer, mpsc::Receiver<io::Result<Bytes>>) {
    let (pieces, receiver) = mpsc::channel(PIECES);
    let buffer = Vec::with_capacity(PIECE);
    (Writer { pieces, buffer }, receiver)
}

impl Writer {
    /// Says that the archive is not whole.
    pub(in crate::commands) fn fail(self, why: &anyhow::Error) {
        let error = io::Error::other(format!("{why:#}"));
        // The reader that has left needs no reason.
        let _ = self.pieces.blocking_send(Err(error));
    }
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
