//! Docker's frames: eight bytes that say which stream and how many bytes, then the bytes.

use crate::record::Stream;

/// Bytes of a frame's head.
pub const HEAD: usize = 8;

/// The number of a stream in a frame.
const fn number(stream: Stream) -> u8 {
    match stream {
        Stream::Stdout => 1,
        Stream::Stderr => 2,
    }
}

/// The head of a frame of `length` bytes.
#[must_use]
pub const fn head(stream: Stream, length: u32) -> [u8; HEAD] {
    let [a, b, c, d] = length.to_be_bytes();
    [number(stream), 0, 0, 0, a, b, c, d]
}

/// A frame with its content; more than 4 GiB become several.
#[must_use]
pub fn frame(stream: Stream, content: &[u8]) -> Vec<u8> {
    let mut framed = Vec::with_capacity(HEAD + content.len());
    for piece in content.chunks(u32::MAX as usize) {
        framed.extend(head(stream, u32::try_from(piece.len()).unwrap_or(u32::MAX)));
        framed.extend(piece);
    }
    framed
}

/// Takes frames apart as their bytes arrive, without holding any content.
#[derive(Debug, Default)]
pub struct FrameDecoder {
    /// The head of the current frame, as far as it has arrived.
    head: Vec<u8>,
    /// Bytes of its content that have not.
    left: u32,
}

/// A head that is none.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("frame of unknown stream {0}")]
pub struct FrameError(pub u8);

impl FrameDecoder {
    /// A decoder for a new connection.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes bytes and gives out the content that is in them, stream by stream.
    ///
    /// # Errors
    /// A frame of another stream than output and errors.
    pub fn push(
        &mut self,
        mut bytes: &[u8],
        mut content: impl FnMut(Stream, &[u8]),
    ) -> Result<(), FrameError> {
        while !bytes.is_empty() {
            if self.left == 0 {
                let missing = HEAD - self.head.len();
                let (now, later) = bytes.split_at(missing.min(bytes.len()));
                self.head.extend(now);
                bytes = later;
                let Ok([number, _, _, _, length @ ..]) =
                    <[u8; HEAD]>::try_from(self.head.as_slice())
                else {
                    break;
                };
                stream(number)?;
                self.left = u32::from_be_bytes(length);
                if self.left == 0 {
                    self.head.clear();
                }
                continue;
            }
            let (now, later) = bytes.split_at(bytes.len().min(self.left as usize));
            content(stream(self.head[0])?, now);
            self.left -= u32::try_from(now.len()).unwrap_or(self.left);
            bytes = later;
            if self.left == 0 {
                self.head.clear();
            }
        }
        Ok(())
    }

    /// Whether the connection may end here.
    #[must_use]
    pub const fn is_between_frames(&self) -> bool {
        self.head.is_empty()
    }
}

const fn stream(number: u8) -> Result<Stream, FrameError> {
    match number {
        1 => Ok(Stream::Stdout),
        2 => Ok(Stream::Stderr),
        other => Err(FrameError(other)),
    }
}

#[cfg(test)]
mod tests {
    use super::{FrameDecoder, FrameError, frame, head};
    use crate::record::Stream;
    use proptest::prelude::*;

    #[test]
    fn frames_are_those_of_docker() {
        assert_eq!(frame(Stream::Stderr, b"hi"), b"\x02\0\0\0\0\0\0\x02hi");
        assert_eq!(head(Stream::Stdout, 0x0102_0304), [1, 0, 0, 0, 1, 2, 3, 4]);
        assert!(frame(Stream::Stdout, b"").is_empty());
    }

    #[test]
    fn other_streams_are_refused() {
        let mut decoder = FrameDecoder::new();
        assert_eq!(
            decoder.push(&[3, 0, 0, 0, 0, 0, 0, 1, 0], |_, _| {}),
            Err(FrameError(3))
        );
    }

    #[test]
    fn empty_frames_say_nothing() {
        let mut decoder = FrameDecoder::new();
        decoder
            .push(&head(Stream::Stdout, 0), |_, _| panic!("no content"))
            .expect("a frame");
        assert!(decoder.is_between_frames());
    }

    proptest! {
        #[test]
        fn frames_cut_anywhere_give_back_the_streams(
            pieces in prop::collection::vec((any::<bool>(), prop::collection::vec(any::<u8>(), 0..40)), 0..10),
            cut in 1usize..20,
        ) {
            let stream = |is_error| if is_error { Stream::Stderr } else { Stream::Stdout };
            let framed: Vec<u8> =
                pieces.iter().flat_map(|(is_error, piece)| frame(stream(*is_error), piece)).collect();
            let (mut stdout, mut stderr) = (Vec::<u8>::new(), Vec::<u8>::new());
            let mut decoder = FrameDecoder::new();
            for bytes in framed.chunks(cut) {
                let sink = |stream, content: &[u8]| match stream {
                    Stream::Stdout => stdout.extend(content),
                    Stream::Stderr => stderr.extend(content),
                };
                decoder.push(bytes, sink).expect("our own");
            }
            prop_assert!(decoder.is_between_frames());
            let expected = |wanted| -> Vec<u8> {
                pieces.iter().filter(|(is_error, _)| *is_error == wanted).flat_map(|(_, piece)| piece.clone()).collect()
            };
            prop_assert_eq!(stdout, expected(false));
            prop_assert_eq!(stderr, expected(true));
        }

        #[test]
        fn any_bytes_are_taken_or_refused(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            let _ = FrameDecoder::new().push(&bytes, |_, _| {});
        }
    }
}
