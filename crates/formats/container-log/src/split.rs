//! Cuts a stream into the pieces that make one record each.

/// The longest piece, in bytes.
pub const MAX_PIECE: usize = 16 * 1024;

/// Cuts a stream behind each line feed, and where a line is longer than [`MAX_PIECE`]; there a
/// character is never cut in two, as far as the stream is UTF-8. Put together, the pieces are the
/// stream.
#[derive(Debug, Default)]
pub struct LineSplitter {
    /// The beginning of a line whose end has not been seen; shorter than a piece.
    pending: Vec<u8>,
}

impl LineSplitter {
    /// A splitter for a new stream.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Takes bytes of the stream and gives out the pieces that are complete.
    pub fn push(&mut self, mut bytes: &[u8], mut piece: impl FnMut(&[u8])) {
        while !bytes.is_empty() {
            let room = MAX_PIECE - self.pending.len();
            let line = bytes.iter().take(room).position(|&byte| byte == b'\n');
            let taken = line.map_or_else(|| bytes.len().min(room), |end| end + 1);
            let (now, later) = bytes.split_at(taken);
            bytes = later;
            if line.is_some() && self.pending.is_empty() {
                piece(now);
                continue;
            }
            self.pending.extend(now);
            if line.is_some() {
                piece(&self.pending);
                self.pending.clear();
            } else if self.pending.len() == MAX_PIECE {
                let cut = whole_characters(&self.pending);
                piece(&self.pending[..cut]);
                self.pending.drain(..cut);
            }
        }
    }

    /// Whether a line has begun whose end has not been seen.
    #[must_use]
    pub const fn has_pending(&self) -> bool {
        !self.pending.is_empty()
    }

    /// Ends the stream: what is left is the last piece.
    pub fn finish(self, piece: impl FnOnce(&[u8])) {
        if !self.pending.is_empty() {
            piece(&self.pending);
        }
    }
}

/// How many bytes there are up to a character that is only begun, all if none is.
fn whole_characters(bytes: &[u8]) -> usize {
    let last = bytes.len() - bytes.len().min(3);
    let begun = (last..bytes.len())
        .rev()
        .find(|&at| !is_continuation(bytes[at]));
    match begun.map(|at| (at, bytes[at])) {
        Some((at, 0xc2..=0xf4))
            if std::str::from_utf8(&bytes[at..])
                .is_err_and(|error| error.error_len().is_none()) =>
        {
            at
        }
        _ => bytes.len(),
    }
}

const fn is_continuation(byte: u8) -> bool {
    byte & 0xc0 == 0x80
}

#[cfg(test)]
mod tests {
    use super::{LineSplitter, MAX_PIECE};
    use proptest::prelude::*;

    fn pieces(chunks: &[&[u8]]) -> Vec<Vec<u8>> {
        let mut pieces = Vec::new();
        let mut splitter = LineSplitter::new();
        for chunk in chunks {
            splitter.push(chunk, |piece| pieces.push(piece.to_vec()));
        }
        splitter.finish(|piece| pieces.push(piece.to_vec()));
        pieces
    }

    #[test]
    fn lines_are_cut_wherever_they_arrive() {
        assert_eq!(
            pieces(&[b"a\nb", b"c\n\nd"]),
            [&b"a\n"[..], b"bc\n", b"\n", b"d"]
        );
        assert_eq!(pieces(&[b"", b"\n"]), [b"\n"]);
        assert!(pieces(&[]).is_empty());
    }

    #[test]
    fn long_lines_are_cut_between_characters() {
        let line = "é".repeat(MAX_PIECE);
        let odd = format!("x{line}\n");
        let lengths: Vec<usize> = pieces(&[odd.as_bytes()]).iter().map(Vec::len).collect();
        assert_eq!(lengths, [MAX_PIECE - 1, MAX_PIECE, 3]);
        let bytes = vec![0x80; MAX_PIECE + 1];
        assert_eq!(
            pieces(&[&bytes]).iter().map(Vec::len).collect::<Vec<_>>(),
            [MAX_PIECE, 1]
        );
    }

    #[test]
    fn a_line_that_fills_a_piece_exactly_is_one_piece() {
        let mut line = vec![b'x'; MAX_PIECE - 1];
        line.push(b'\n');
        assert_eq!(pieces(&[&line]).len(), 1);
    }

    proptest! {
        #[test]
        fn pieces_put_together_are_the_stream(
            runs in prop::collection::vec((prop::sample::select(b"\n\nxx\xc3\xa9\xff".to_vec()), 1usize..9000), 0..12),
            cut in 1usize..20_000,
        ) {
            let stream: Vec<u8> = runs.iter().flat_map(|(byte, count)| {
                std::iter::repeat_n(*byte, if *byte == b'\n' { 1 } else { *count })
            }).collect();
            let chunks: Vec<&[u8]> = stream.chunks(cut).collect();
            let pieces = pieces(&chunks);
            prop_assert_eq!(pieces.concat(), chunks.concat());
            for piece in &pieces {
                prop_assert!(!piece.is_empty() && piece.len() <= MAX_PIECE);
                prop_assert!(!piece[..piece.len() - 1].contains(&b'\n'));
            }
        }
    }
}
