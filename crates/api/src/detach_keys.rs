//! The key sequence that lets a client leave a console without ending the program.

use std::fmt;

/// `ctrl-p,ctrl-q`, Docker's default.
const DEFAULT: [u8; 2] = [16, 17];

/// A sequence of keys as bytes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct DetachKeys(Vec<u8>);

/// A key that has no byte.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct UnknownKey(String);

impl fmt::Display for UnknownKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "unknown character: '{}'", self.0)
    }
}

impl std::error::Error for UnknownKey {}

impl Default for DetachKeys {
    fn default() -> Self {
        Self(DEFAULT.to_vec())
    }
}

impl DetachKeys {
    /// Reads `ctrl-p,ctrl-q`, `ctrl-@,a` or the like: keys are one character or `ctrl-` and one of
    /// `a`–`z`, `@`, `[`, `\`, `]`, `^`, `_`.
    pub(crate) fn parse(text: &str) -> Result<Self, UnknownKey> {
        text.split(',')
            .map(key)
            .collect::<Result<Vec<_>, _>>()
            .map(Self)
    }
}

fn key(name: &str) -> Result<u8, UnknownKey> {
    let unknown = || UnknownKey(name.to_owned());
    if let &[byte] = name.as_bytes() {
        return Ok(byte);
    }
    let control = name.strip_prefix("ctrl-").ok_or_else(unknown)?;
    match control.as_bytes() {
        [letter @ b'a'..=b'z'] => Ok(letter - b'a' + 1),
        b"@" => Ok(0),
        [other @ b'['..=b'_'] => Ok(other - b'[' + 27),
        _ => Err(unknown()),
    }
}

/// Watches input for the keys, holding back what may be their beginning.
#[derive(Debug)]
pub(crate) struct DetachScanner {
    keys: Vec<u8>,
    seen: usize,
}

impl DetachScanner {
    /// A scanner for these keys.
    pub(crate) fn new(keys: DetachKeys) -> Self {
        Self {
            keys: keys.0,
            seen: 0,
        }
    }

    /// What of `input` goes on to the program, and whether the keys are complete; what follows
    /// them is dropped.
    pub(crate) fn scan(&mut self, input: &[u8]) -> (Vec<u8>, bool) {
        let mut passed = Vec::with_capacity(input.len());
        for &byte in input {
            if byte != self.keys[self.seen] {
                passed.extend_from_slice(&self.keys[..self.seen]);
                self.seen = 0;
            }
            if byte == self.keys[self.seen] {
                self.seen += 1;
                if self.seen == self.keys.len() {
                    return (passed, true);
                }
            } else {
                passed.push(byte);
            }
        }
        (passed, false)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn keys_have_names() {
        assert_eq!(
            DetachKeys::parse("ctrl-p,ctrl-q"),
            Ok(DetachKeys::default())
        );
        assert_eq!(
            DetachKeys::parse("ctrl-@,ctrl-[,a"),
            Ok(DetachKeys(vec![0, 27, b'a']))
        );
        assert!(DetachKeys::parse("ctrl-").is_err());
        assert!(DetachKeys::parse("ctrl-?").is_err());
        assert!(DetachKeys::parse("").is_err());
    }

    #[test]
    fn complete_keys_detach_and_the_rest_is_dropped() {
        let mut scanner = DetachScanner::new(DetachKeys::default());
        assert_eq!(scanner.scan(b"ab\x10"), (b"ab".to_vec(), false));
        assert_eq!(scanner.scan(b"\x11cd"), (Vec::new(), true));
    }

    #[test]
    fn a_beginning_that_leads_nowhere_is_passed_on() {
        let mut scanner = DetachScanner::new(DetachKeys::default());
        assert_eq!(scanner.scan(b"\x10x"), (b"\x10x".to_vec(), false));
        assert_eq!(scanner.scan(b"\x10\x10\x11"), (b"\x10".to_vec(), true));
    }
}
