//! Frames over sockets that never block.

use std::io;
use std::os::fd::AsFd;

use porthole_protocol::frame::{self, FrameError, PREFIX};
use rustix::io::Errno;
use rustix::net::{RecvFlags, SendFlags, recv, send};
use serde::{Serialize, de::DeserializeOwned};

/// Bytes that are read at once.
const CHUNK: usize = 16 * 1024;

/// What has been received and not yet decoded: never more than one frame and one chunk.
#[derive(Debug, Default)]
pub(crate) struct Inbox {
    bytes: Vec<u8>,
    start: usize,
}

impl Inbox {
    /// Reads once. `false` when there is nothing to read now.
    ///
    /// # Errors
    /// [`FrameError::Closed`] at the end of the stream, and what else went wrong.
    pub(crate) fn fill(&mut self, socket: impl AsFd) -> Result<bool, FrameError> {
        self.bytes.drain(..self.start);
        self.start = 0;
        let before = self.bytes.len();
        self.bytes.resize(before + CHUNK, 0);
        let received = recv(socket, &mut self.bytes[before..], RecvFlags::DONTWAIT);
        let count = received.map_or(0, |(count, _)| count);
        self.bytes.truncate(before + count);
        match received {
            Ok((0, _)) => Err(FrameError::Closed),
            Ok(_) => Ok(true),
            Err(Errno::AGAIN | Errno::INTR) => Ok(false),
            Err(error) => Err(FrameError::Io(error.into())),
        }
    }

    /// Whether nothing has been received that is not decoded.
    pub(crate) fn is_empty(&self) -> bool {
        self.bytes.len() == self.start
    }

    /// The next message, if all of it is here.
    ///
    /// # Errors
    /// When the peer announces or sends what is no message; the stream is unusable then.
    pub(crate) fn next<T: DeserializeOwned>(&mut self) -> Result<Option<T>, FrameError> {
        let rest = &self.bytes[self.start..];
        let Some((prefix, rest)) = rest.split_first_chunk::<PREFIX>() else {
            return Ok(None);
        };
        let length = frame::payload_length(*prefix)?;
        let Some(payload) = rest.get(..length) else {
            return Ok(None);
        };
        let message = frame::decode(payload)?;
        self.start += PREFIX + length;
        Ok(Some(message))
    }
}

/// What is still to be sent.
#[derive(Debug, Default)]
pub(crate) struct Outbox {
    bytes: Vec<u8>,
    start: usize,
}

impl Outbox {
    /// Adds a message.
    ///
    /// # Errors
    /// When it is too long for a frame.
    pub(crate) fn push<T: Serialize>(&mut self, message: &T) -> Result<(), FrameError> {
        self.bytes.extend(frame::encode(message)?);
        Ok(())
    }

    /// Adds bytes.
    pub(crate) fn push_bytes(&mut self, bytes: &[u8]) {
        self.bytes.extend_from_slice(bytes);
    }

    /// How many bytes wait.
    pub(crate) fn len(&self) -> usize {
        self.bytes.len() - self.start
    }

    /// Whether nothing waits.
    pub(crate) fn is_empty(&self) -> bool {
        self.len() == 0
    }

    /// Drops what waits.
    pub(crate) fn clear(&mut self) {
        *self = Self::default();
    }

    /// Sends what the socket takes now.
    ///
    /// # Errors
    /// When the peer is gone.
    pub(crate) fn flush_socket(&mut self, socket: impl AsFd) -> io::Result<()> {
        self.flush(|bytes| send(&socket, bytes, SendFlags::DONTWAIT | SendFlags::NOSIGNAL))
    }

    /// Writes what the pipe takes now.
    ///
    /// # Errors
    /// When there is no reader.
    pub(crate) fn flush_pipe(&mut self, pipe: impl AsFd) -> io::Result<()> {
        self.flush(|bytes| rustix::io::write(&pipe, bytes))
    }

    fn flush(&mut self, write: impl Fn(&[u8]) -> rustix::io::Result<usize>) -> io::Result<()> {
        while self.start < self.bytes.len() {
            match write(&self.bytes[self.start..]) {
                Ok(count) => self.start += count,
                Err(Errno::AGAIN) => break,
                Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
        }
        if self.start == self.bytes.len() {
            // An idle container keeps no buffer.
            self.clear();
        } else if self.start > CHUNK {
            self.bytes.drain(..self.start);
            self.start = 0;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use porthole_protocol::Hello;
    use std::io::Write;
    use std::os::unix::net::UnixStream;

    #[test]
    fn a_message_in_pieces_is_decoded_when_it_is_whole() {
        let (mut ours, theirs) = UnixStream::pair().unwrap();
        let bytes = frame::encode(&Hello::new(7)).unwrap();
        let mut inbox = Inbox::default();
        for byte in &bytes {
            assert!(inbox.next::<Hello>().unwrap().is_none());
            ours.write_all(&[*byte]).unwrap();
            assert!(inbox.fill(&theirs).unwrap());
        }
        assert_eq!(inbox.next::<Hello>().unwrap(), Some(Hello::new(7)));
        assert!(!inbox.fill(&theirs).unwrap());
        drop(ours);
        assert!(matches!(inbox.fill(&theirs), Err(FrameError::Closed)));
    }

    #[test]
    fn what_a_full_socket_does_not_take_waits() {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let mut outbox = Outbox::default();
        outbox.push_bytes(&vec![1; 4 << 20]);
        outbox.flush_socket(&ours).unwrap();
        assert!(!outbox.is_empty() && outbox.len() < 4 << 20);
        drop(theirs);
        assert!(outbox.flush_socket(&ours).is_err());
    }
}
