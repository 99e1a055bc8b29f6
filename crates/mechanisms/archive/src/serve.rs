//! One connection: one request, and its answer.

use std::io::{self, Read, Write};

use porthole_protocol::Hello;
use porthole_protocol::archive::{CHUNK, FailureKind, Piece, Place, Reply, Request, VERSION};
use porthole_protocol::frame::{self, FrameError};

use crate::drive::Drive;
use crate::error::{Error, Result};
use crate::pack::{pack, pack_drive};

/// Serves the one request of a connection. `drive` is called once a client has made it; a drive
/// that cannot be had is what the client is told.
///
/// # Errors
/// The connection failed: the client has left, or says nothing that can be understood.
pub fn serve<S: Read + Write>(
    stream: &mut S,
    drive: impl FnOnce(&Request) -> Result<Drive>,
) -> std::result::Result<(), FrameError> {
    frame::write(stream, &Hello::new(VERSION))?;
    let hello: Hello = frame::read(stream)?;
    if !hello.agrees_with(VERSION) {
        return Err(FrameError::Io(io::ErrorKind::Unsupported.into()));
    }
    let request: Request = frame::read(stream)?;
    let outcome = drive(&request).and_then(|drive| {
        reply(stream, &Reply::Ready)?;
        answer(stream, &drive, request)
    });
    let last = match outcome {
        Ok(()) => Reply::Done,
        Err(error) => Reply::Failed(error.into_failure()),
    };
    frame::write(stream, &last)
}

fn answer<S: Read + Write>(stream: &mut S, drive: &Drive, request: Request) -> Result<()> {
    match request {
        Request::Stat(place) => describe(stream, drive, &place).map(drop),
        Request::Read { place, name } => {
            let trail = describe(stream, drive, &place)?;
            let mut output = Sender {
                stream,
                buffer: Vec::with_capacity(CHUNK),
            };
            pack(&trail, &name, &mut output)?;
            output.flush().map_err(|error| connection(&error))
        }
        Request::ReadAll => {
            let trail = describe(stream, drive, &Place::default())?;
            let mut output = Sender {
                stream,
                buffer: Vec::with_capacity(CHUNK),
            };
            pack_drive(&trail, &mut output)?;
            output.flush().map_err(|error| connection(&error))
        }
        Request::Write { place, keeps_kinds } => {
            let mut input = Receiver {
                stream,
                piece: Vec::new(),
                read: 0,
                is_whole: false,
            };
            drive.unpack(&place, keeps_kinds, &mut input)?;
            // What follows the end of an archive is padding.
            io::copy(&mut input, &mut io::sink()).map_err(|error| connection(&error))?;
            Ok(())
        }
    }
}

fn describe<S: Write>(stream: &mut S, drive: &Drive, place: &Place) -> Result<crate::drive::Trail> {
    let trail = drive.find(place)?;
    let stat = drive.stat(&trail)?;
    reply(stream, &Reply::Stat(stat))?;
    Ok(trail)
}

fn reply(stream: &mut impl Write, reply: &Reply) -> Result<()> {
    frame::write(stream, reply).map_err(|error| connection(&io::Error::other(error)))
}

fn connection(error: &io::Error) -> Error {
    Error::new(
        FailureKind::Host,
        format!("the connection to the client failed: {error}"),
    )
}

/// An archive on its way to the client.
struct Sender<'a, S: Write> {
    stream: &'a mut S,
    buffer: Vec<u8>,
}

impl<S: Write> Write for Sender<'_, S> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = bytes.len().min(CHUNK - self.buffer.len());
        self.buffer.extend_from_slice(&bytes[..count]);
        if self.buffer.len() == CHUNK {
            self.flush()?;
        }
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        if !self.buffer.is_empty() {
            let full = std::mem::replace(&mut self.buffer, Vec::with_capacity(CHUNK));
            frame::write(self.stream, &Reply::Data(full)).map_err(io::Error::other)?;
        }
        Ok(())
    }
}

/// An archive on its way from the client.
struct Receiver<'a, S: Read> {
    stream: &'a mut S,
    piece: Vec<u8>,
    read: usize,
    is_whole: bool,
}

impl<S: Read> Read for Receiver<'_, S> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        while self.read == self.piece.len() && !self.is_whole {
            match frame::read(self.stream).map_err(io::Error::other)? {
                Piece::Data(bytes) => (self.piece, self.read) = (bytes, 0),
                Piece::End => self.is_whole = true,
            }
        }
        let rest = &self.piece[self.read..];
        let count = rest.len().min(buffer.len());
        buffer[..count].copy_from_slice(&rest[..count]);
        self.read += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests;
