//! The framing of several streams in one: `[stream, 0, 0, 0, length as u32 big-endian]`, data.

use bytes::{BufMut, Bytes, BytesMut};
use porthole_protocol::supervisor::StreamKind;

/// One frame with `data` of `stream`.
#[must_use]
pub(crate) fn frame(stream: StreamKind, data: &[u8]) -> Bytes {
    let number = match stream {
        StreamKind::Stdin => 0,
        StreamKind::Stdout => 1,
        StreamKind::Stderr => 2,
    };
    let mut frame = BytesMut::with_capacity(8 + data.len());
    frame.put_slice(&[number, 0, 0, 0]);
    // Data comes in pieces of a pipe's size, far below 4 GiB.
    frame.put_u32(u32::try_from(data.len()).unwrap_or(u32::MAX));
    frame.put_slice(data);
    frame.freeze()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_frame_names_its_stream_and_length() {
        assert_eq!(
            &frame(StreamKind::Stderr, b"abc")[..],
            b"\x02\0\0\0\0\0\0\x03abc"
        );
        assert_eq!(&frame(StreamKind::Stdout, b"")[..], b"\x01\0\0\0\0\0\0\0");
    }
}
