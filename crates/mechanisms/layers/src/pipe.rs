//! A bounded pipe between two threads of one piece of work.

use std::io::{self, Read, Write};
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};

/// Bytes that go over at once.
pub(crate) const CHUNK: usize = 256 << 10;
/// Chunks that may wait.
const WAITING: usize = 8;

/// The end that is written to. Dropped without [`Sender::finish`], its reader sees a failure: what
/// breaks off must never pass for the end.
#[derive(Debug)]
pub(crate) struct Sender {
    chunks: SyncSender<Option<Vec<u8>>>,
    chunk: Vec<u8>,
}

/// The end that is read from.
#[derive(Debug)]
pub(crate) struct Reader {
    chunks: Receiver<Option<Vec<u8>>>,
    chunk: Vec<u8>,
    read: usize,
    is_over: bool,
}

/// A pipe.
pub(crate) fn pipe() -> (Sender, Reader) {
    let (sender, receiver) = sync_channel(WAITING);
    let sender = Sender {
        chunks: sender,
        chunk: Vec::with_capacity(CHUNK),
    };
    let reader = Reader {
        chunks: receiver,
        chunk: Vec::new(),
        read: 0,
        is_over: false,
    };
    (sender, reader)
}

impl Sender {
    /// Says that this was all.
    pub(crate) fn finish(mut self) -> io::Result<()> {
        self.flush()?;
        self.chunks.send(None).map_err(|_| gone())
    }
}

fn gone() -> io::Error {
    io::Error::new(io::ErrorKind::BrokenPipe, "nobody reads on")
}

impl Write for Sender {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = bytes.len().min(CHUNK - self.chunk.len());
        self.chunk.extend_from_slice(&bytes[..count]);
        if self.chunk.len() == CHUNK {
            self.flush()?;
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        if self.chunk.is_empty() {
            return Ok(());
        }
        let chunk = std::mem::replace(&mut self.chunk, Vec::with_capacity(CHUNK));
        self.chunks.send(Some(chunk)).map_err(|_| gone())
    }
}

impl Read for Reader {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.read == self.chunk.len() && !self.is_over {
            match self.chunks.recv() {
                Ok(Some(chunk)) => (self.chunk, self.read) = (chunk, 0),
                Ok(None) => self.is_over = true,
                Err(_) => {
                    let message = "what it comes from broke off";
                    return Err(io::Error::new(io::ErrorKind::BrokenPipe, message));
                }
            }
        }
        let count = buffer.len().min(self.chunk.len() - self.read);
        buffer[..count].copy_from_slice(&self.chunk[self.read..self.read + count]);
        self.read += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn everything_arrives_and_breaking_off_is_no_end() {
        let sent: Vec<u8> = (0..=250_u8).cycle().take(CHUNK * 20 + 7).collect();
        let (mut sender, mut reader) = pipe();
        let copy = sent.clone();
        let writing = std::thread::spawn(move || {
            sender.write_all(&copy).unwrap();
            sender.finish().unwrap();
        });
        let mut received = Vec::new();
        reader.read_to_end(&mut received).unwrap();
        writing.join().unwrap();
        assert!(received == sent);

        let (mut sender, mut reader) = pipe();
        sender.write_all(b"half").unwrap();
        drop(sender);
        assert!(reader.read_to_end(&mut received).is_err());
        let (mut sender, reader) = pipe();
        drop(reader);
        assert!(sender.write_all(&sent).is_err());
    }
}
