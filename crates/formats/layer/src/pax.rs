//! PAX records: `length key=value` lines whose length counts themselves.

use std::collections::BTreeMap;

/// Records by key. Values may hold any bytes.
pub(crate) type Records = BTreeMap<String, Vec<u8>>;

pub(crate) const PATH: &str = "path";
pub(crate) const LINK_PATH: &str = "linkpath";
pub(crate) const SIZE: &str = "size";
pub(crate) const MODIFIED: &str = "mtime";
pub(crate) const CREATED: &str = "LIBARCHIVE.creationtime";
pub(crate) const ATTRIBUTES: &str = "MSWINDOWS.fileattr";
pub(crate) const SECURITY: &str = "MSWINDOWS.rawsd";
pub(crate) const SDDL: &str = "MSWINDOWS.sd";
pub(crate) const MOUNT_POINT: &str = "MSWINDOWS.mountpoint";
pub(crate) const EXTENDED_PREFIX: &str = "MSWINDOWS.xattr.";

/// The records as one entry's content, in order of their keys.
pub(crate) fn encode(records: &Records) -> Vec<u8> {
    let mut content = Vec::new();
    for (key, value) in records {
        // Blank, equals sign, line feed.
        let payload = key.len() + value.len() + 3;
        let mut length = payload + digits(payload);
        length = payload + digits(length);
        content.extend(format!("{length} {key}=").bytes());
        content.extend(value);
        content.push(b'\n');
    }
    content
}

/// Bytes of keys and values.
pub(crate) fn size(records: &Records) -> usize {
    let sizes = records.iter().map(|(key, value)| key.len() + value.len());
    sizes.sum()
}

fn digits(number: usize) -> usize {
    number.to_string().len()
}

/// Adds an entry's records to `records`; an empty value takes one away. `None` if they are
/// malformed.
pub(crate) fn decode(mut content: &[u8], records: &mut Records) -> Option<()> {
    while !content.is_empty() {
        let blank = content.iter().take(20).position(|&byte| byte == b' ')?;
        let length: usize = std::str::from_utf8(&content[..blank]).ok()?.parse().ok()?;
        let record = content.get(blank + 1..length)?.strip_suffix(b"\n")?;
        let equals = record.iter().position(|&byte| byte == b'=')?;
        let key = std::str::from_utf8(&record[..equals]).ok()?;
        if key.is_empty() {
            return None;
        }
        match &record[equals + 1..] {
            [] => records.remove(key),
            value => records.insert(key.to_owned(), value.to_vec()),
        };
        content = &content[length..];
    }
    Some(())
}

#[cfg(test)]
mod tests {
    use super::{Records, decode, encode};

    #[test]
    fn lengths_count_themselves() {
        let records = |value: &str| Records::from([("a".to_owned(), value.as_bytes().to_vec())]);
        assert_eq!(encode(&records("b")), b"6 a=b\n");
        assert_eq!(encode(&records("12345")), b"11 a=12345\n");
        for length in 0..200 {
            let one = records(&"x".repeat(length + 1));
            let mut back = Records::new();
            assert_eq!(decode(&encode(&one), &mut back), Some(()));
            assert_eq!(back, one);
        }
    }

    #[test]
    fn values_may_hold_line_feeds_and_malformed_records_are_refused() {
        let mut records = Records::new();
        assert_eq!(decode(b"8 a=b\nc\n", &mut records), Some(()));
        assert_eq!(records["a"], b"b\nc");
        for bad in [
            &b"6 a=b"[..],
            b"0 a=b\n",
            b"5 a=b\n",
            b"99 a=b\n",
            b"6 =ab\n",
            b"x a=b\n",
            b"6 abc\n",
        ] {
            assert_eq!(
                decode(bad, &mut Records::new()),
                None,
                "{}",
                String::from_utf8_lossy(bad)
            );
        }
    }
}
