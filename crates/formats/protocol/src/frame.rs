//! Length-prefixed frames holding one postcard message each.

use std::io::{self, Read, Write};

use serde::{Serialize, de::DeserializeOwned};

/// The largest payload that either end accepts, in bytes.
pub const MAX_FRAME: usize = 1 << 20;

/// Bytes of the length prefix.
pub const PREFIX: usize = 4;

/// Why a frame could not be read or written.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum FrameError {
    /// The stream ended between two frames.
    #[error("the peer closed the connection")]
    Closed,
    /// The announced or encoded payload exceeds [`MAX_FRAME`].
    #[error("frame of {0} bytes exceeds the limit of {MAX_FRAME}")]
    TooLong(usize),
    /// The payload is no message of the expected type.
    #[error("malformed message")]
    Malformed(#[source] postcard::Error),
    /// The stream failed.
    #[error("connection failed")]
    Io(#[source] io::Error),
}

/// Encodes `message` as one frame, prefix included.
///
/// # Errors
/// [`FrameError::TooLong`] when the encoded message exceeds [`MAX_FRAME`].
pub fn encode<T: Serialize>(message: &T) -> Result<Vec<u8>, FrameError> {
    let mut frame = vec![0; PREFIX];
    frame = postcard::to_extend(message, frame).map_err(FrameError::Malformed)?;
    let payload = frame.len() - PREFIX;
    let length = u32::try_from(payload)
        .ok()
        .filter(|_| payload <= MAX_FRAME)
        .ok_or(FrameError::TooLong(payload))?;
    frame[..PREFIX].copy_from_slice(&length.to_le_bytes());
    Ok(frame)
}

/// Checks a received prefix and returns the payload's length in bytes.
///
/// # Errors
/// [`FrameError::TooLong`] when it exceeds [`MAX_FRAME`].
pub fn payload_length(prefix: [u8; PREFIX]) -> Result<usize, FrameError> {
    let length = usize::try_from(u32::from_le_bytes(prefix)).unwrap_or(usize::MAX);
    if length > MAX_FRAME {
        return Err(FrameError::TooLong(length));
    }
    Ok(length)
}

/// Decodes a payload (a frame without its prefix).
///
/// # Errors
/// [`FrameError::Malformed`] when it is no message of type `T`, or bytes are left over.
pub fn decode<T: DeserializeOwned>(payload: &[u8]) -> Result<T, FrameError> {
    match postcard::take_from_bytes(payload) {
        Ok((message, [])) => Ok(message),
        Ok(_) => Err(FrameError::Malformed(postcard::Error::SerdeDeCustom)),
        Err(error) => Err(FrameError::Malformed(error)),
    }
}

/// Reads one message, blocking.
///
/// # Errors
/// [`FrameError::Closed`] at the end of the stream between frames; otherwise what went wrong.
pub fn read<T: DeserializeOwned>(stream: &mut impl Read) -> Result<T, FrameError> {
    let mut prefix = [0; PREFIX];
    // A process that was stopped or frozen while it waited finds its call interrupted.
    let first = loop {
        match stream.read(&mut prefix[..1]) {
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            result => break result.map_err(FrameError::Io)?,
        }
    };
    if first == 0 {
        return Err(FrameError::Closed);
    }
    stream
        .read_exact(&mut prefix[1..])
        .map_err(FrameError::Io)?;
    let mut payload = vec![0; payload_length(prefix)?];
    stream.read_exact(&mut payload).map_err(FrameError::Io)?;
    decode(&payload)
}

/// Writes one message, blocking.
///
/// # Errors
/// What went wrong; the stream is unusable afterwards.
pub fn write<T: Serialize>(stream: &mut impl Write, message: &T) -> Result<(), FrameError> {
    let frame = encode(message)?;
    stream.write_all(&frame).map_err(FrameError::Io)?;
    stream.flush().map_err(FrameError::Io)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Hello;

    #[test]
    fn a_frame_reads_back() {
        let mut stream = Vec::new();
        write(&mut stream, &Hello::new(3)).unwrap();
        let read: Hello = read(&mut stream.as_slice()).unwrap();
        assert!(read.agrees_with(3) && !read.agrees_with(4));
    }

    #[test]
    fn an_interrupted_wait_goes_on() {
        struct Stopped<'a>(bool, &'a [u8]);
        impl Read for Stopped<'_> {
            fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
                if std::mem::replace(&mut self.0, false) {
                    return Err(io::ErrorKind::Interrupted.into());
                }
                self.1.read(buffer)
            }
        }
        let frame = encode(&Hello::new(3)).unwrap();
        let read: Hello = read(&mut Stopped(true, &frame)).unwrap();
        assert!(read.agrees_with(3));
    }

    #[test]
    fn the_end_between_frames_is_closed_and_within_one_is_an_error() {
        assert!(matches!(
            read::<Hello>(&mut [].as_slice()),
            Err(FrameError::Closed)
        ));
        assert!(matches!(
            read::<Hello>(&mut [5, 0, 0].as_slice()),
            Err(FrameError::Io(_))
        ));
    }

    #[test]
    fn an_announced_length_beyond_the_limit_allocates_nothing() {
        let prefix = [0xff; PREFIX];
        assert!(matches!(
            payload_length(prefix),
            Err(FrameError::TooLong(_))
        ));
    }

    #[test]
    fn left_over_bytes_are_malformed() {
        let mut frame = encode(&Hello::new(1)).unwrap();
        frame.push(0);
        assert!(decode::<Hello>(&frame[PREFIX..]).is_err());
    }
}
