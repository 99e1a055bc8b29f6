//! `--detach-keys`: the keys that leave a console, which the daemon looks for and this side notes.

use anyhow::{Result, bail};

/// Ctrl-P, ctrl-Q.
const DEFAULT: [u8; 2] = [16, 17];

/// A sequence of keys, and how far input has come in it.
#[derive(Debug, Clone)]
pub(crate) struct DetachKeys {
    keys: Vec<u8>,
    seen: usize,
}

impl DetachKeys {
    /// Reads `ctrl-p,ctrl-q` or the like; Docker's default for nothing.
    pub(crate) fn parse(text: Option<&str>) -> Result<Self> {
        let keys = match text {
            None => DEFAULT.to_vec(),
            Some(text) => text.split(',').map(key).collect::<Result<_>>()?,
        };
        Ok(Self { keys, seen: 0 })
    }

    /// Whether input that goes on with `bytes` holds the keys.
    pub(crate) fn seen_in(&mut self, bytes: &[u8]) -> bool {
        for &byte in bytes {
            if self.keys.get(self.seen) == Some(&byte) {
                self.seen += 1;
            } else {
                self.seen = usize::from(self.keys.first() == Some(&byte));
            }
            if self.seen == self.keys.len() {
                return true;
            }
        }
        false
    }
}

fn key(name: &str) -> Result<u8> {
    match (
        name.as_bytes(),
        name.strip_prefix("ctrl-").map(str::as_bytes),
    ) {
        (&[byte], _) => Ok(byte),
        (_, Some([letter @ b'a'..=b'z'])) => Ok(letter - b'a' + 1),
        (_, Some(b"@")) => Ok(0),
        (_, Some([other @ b'['..=b'_'])) => Ok(other - b'[' + 27),
        _ => bail!(
            "--detach-keys: there is no key {name:?}: expected keys such as a or ctrl-p, with commas between them"
        ),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn seen(keys: Option<&str>, reads: &[&[u8]]) -> bool {
        let mut keys = DetachKeys::parse(keys).expect("keys");
        reads.iter().any(|read| keys.seen_in(read))
    }

    #[test]
    fn the_keys_are_seen_in_one_read_or_two() {
        assert!(seen(None, &[b"a\x10\x11b"]));
        assert!(seen(None, &[b"\x10", b"\x11"]));
        assert!(seen(None, &[b"\x10\x10\x11"]));
        assert!(!seen(None, &[b"\x11\x10", b"a"]));
        assert!(seen(Some("ctrl-@,x"), &[b"\0x"]));
        assert!(DetachKeys::parse(Some("ctrl-p,nonsense")).is_err());
    }
}
