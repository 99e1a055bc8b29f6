//! Blocks of 512 bytes that stand before each entry.

use crate::error::LayerErrorKind;

/// Bytes of a block.
pub(crate) const BLOCK: usize = 512;
/// The largest size that the field holds in octal.
const MAX_OCTAL_SIZE: u64 = 0o777_7777_7777;

/// Types of entries.
pub(crate) mod kind {
    pub(crate) const FILE: u8 = b'0';
    pub(crate) const OLD_FILE: u8 = 0;
    pub(crate) const HARD_LINK: u8 = b'1';
    pub(crate) const SYMLINK: u8 = b'2';
    pub(crate) const DIRECTORY: u8 = b'5';
    pub(crate) const RECORDS: u8 = b'x';
    pub(crate) const GLOBAL_RECORDS: u8 = b'g';
    pub(crate) const GNU_LONG_NAME: u8 = b'L';
    pub(crate) const GNU_LONG_LINK: u8 = b'K';
}

/// What a header says.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Header {
    pub(crate) name: Vec<u8>,
    pub(crate) kind: u8,
    pub(crate) mode: u32,
    pub(crate) size: u64,
    /// Seconds since 1970-01-01 UTC.
    pub(crate) modified: i64,
    pub(crate) link: Vec<u8>,
}

/// Whether a name or link target fits its field as it is; otherwise a record carries it.
pub(crate) fn fits(text: &str) -> bool {
    text.len() <= 100 && text.is_ascii()
}

/// Whether a size fits its field; otherwise a record carries it.
pub(crate) const fn size_fits(size: u64) -> bool {
    size <= MAX_OCTAL_SIZE
}

impl Header {
    /// The block. Names are cut where they do not fit, characters outside ASCII left out, and
    /// times outside the field's range become 0: records carry them.
    pub(crate) fn encode(&self) -> [u8; BLOCK] {
        let mut block = [0; BLOCK];
        put_text(&mut block[..100], &self.name);
        put_octal(&mut block[100..108], u64::from(self.mode));
        put_octal(&mut block[108..116], 0);
        put_octal(&mut block[116..124], 0);
        put_octal(
            &mut block[124..136],
            if size_fits(self.size) { self.size } else { 0 },
        );
        let modified = u64::try_from(self.modified)
            .ok()
            .filter(|&time| time <= MAX_OCTAL_SIZE);
        put_octal(&mut block[136..148], modified.unwrap_or(0));
        block[156] = self.kind;
        put_text(&mut block[157..257], &self.link);
        block[257..265].copy_from_slice(b"ustar\x0000");
        put_octal(&mut block[329..337], 0);
        put_octal(&mut block[337..345], 0);
        let sum = checksum(&block);
        put_octal(&mut block[148..155], u64::from(sum));
        block[155] = b' ';
        block
    }

    /// Reads a block; `None` is one of zeros, which ends the archive.
    pub(crate) fn decode(block: &[u8; BLOCK]) -> Result<Option<Self>, LayerErrorKind> {
        if block.iter().all(|&byte| byte == 0) {
            return Ok(None);
        }
        let sum = number(&block[148..156]).ok_or(LayerErrorKind::Header)?;
        if sum != u64::from(checksum(block)) {
            return Err(LayerErrorKind::Header);
        }
        let mut name = text(&block[..100]);
        let prefix = text(&block[345..500]);
        if block[257..263] == *b"ustar\0" && !prefix.is_empty() {
            name = [&prefix[..], b"/", &name[..]].concat();
        }
        Ok(Some(Self {
            name,
            kind: block[156],
            mode: number(&block[100..108])
                .and_then(|mode| u32::try_from(mode).ok())
                .unwrap_or(0),
            size: number(&block[124..136]).ok_or(LayerErrorKind::Header)?,
            modified: number(&block[136..148])
                .and_then(|time| i64::try_from(time).ok())
                .unwrap_or(0),
            link: text(&block[157..257]),
        }))
    }
}

fn put_text(field: &mut [u8], text: &[u8]) {
    let ascii = text.iter().filter(|byte| byte.is_ascii());
    for (byte, &new) in field.iter_mut().zip(ascii) {
        *byte = new;
    }
}

/// Zero-padded octal with a NUL at the end.
fn put_octal(field: &mut [u8], number: u64) {
    let width = field.len() - 1;
    field[..width].copy_from_slice(format!("{number:0width$o}").as_bytes());
    field[width] = 0;
}

/// The field up to its first NUL.
fn text(field: &[u8]) -> Vec<u8> {
    field
        .iter()
        .copied()
        .take_while(|&byte| byte != 0)
        .collect()
}

/// An octal number, or a binary one marked by the first bit, as GNU tar writes large ones.
fn number(field: &[u8]) -> Option<u64> {
    if field[0] & 0x80 != 0 {
        let (first, rest) = field.split_first()?;
        let start = u64::from(first & 0x7f);
        return rest.iter().try_fold(start, |number, &byte| {
            number
                .checked_mul(256)
                .map(|number| number | u64::from(byte))
        });
    }
    let digits = field
        .split(|&byte| byte == 0)
        .next()
        .unwrap_or_default()
        .trim_ascii();
    if digits.is_empty() {
        return Some(0);
    }
    digits.iter().try_fold(0u64, |number, &digit| match digit {
        b'0'..=b'7' => number
            .checked_mul(8)
            .map(|number| number + u64::from(digit - b'0')),
        _ => None,
    })
}

/// The sum of all bytes, those of the sum's own field counted as blanks.
fn checksum(block: &[u8; BLOCK]) -> u32 {
    let sum = |bytes: &[u8]| bytes.iter().map(|&byte| u32::from(byte)).sum::<u32>();
    sum(&block[..148]) + 8 * u32::from(b' ') + sum(&block[156..])
}

#[cfg(test)]
mod tests {
    use super::{Header, kind, number};

    #[test]
    fn a_header_comes_back() {
        let header = Header {
            name: b"Files/a".to_vec(),
            kind: kind::FILE,
            mode: 0o100_644,
            size: 0o777_7777_7777,
            modified: 1_600_000_000,
            link: b"Files/b".to_vec(),
        };
        assert_eq!(
            Header::decode(&header.encode()).expect("well-formed"),
            Some(header.clone())
        );
        let mut damaged = header.encode();
        damaged[3] ^= 1;
        assert!(Header::decode(&damaged).is_err());
    }

    #[test]
    fn numbers_are_octal_or_binary() {
        assert_eq!(number(b"0000644\0"), Some(0o644));
        assert_eq!(number(b"   644 \0"), Some(0o644));
        assert_eq!(number(b"\x80\0\0\0\0\0\0\x02\0\0\0\0"), Some(0x2_0000_0000));
        assert_eq!(
            number(b"\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff"),
            None
        );
        assert_eq!(number(b"12x\0"), None);
    }
}
