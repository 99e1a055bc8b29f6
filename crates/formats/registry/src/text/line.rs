//! Lines of the file: values and their continuation.

use super::TextErrorKind;
use super::escape::unescape;
use crate::name::Name;
use crate::value::{Value, ValueKind};

/// The lines of a file, counted.
pub(super) struct Lines<'a> {
    rest: &'a [u8],
    /// The number of the line that was given last.
    pub(super) number: usize,
}

impl<'a> Lines<'a> {
    pub(super) const fn new(text: &'a [u8]) -> Self {
        Self {
            rest: text,
            number: 0,
        }
    }

    /// The next line without its end and leading blanks.
    pub(super) fn next(&mut self) -> Option<&'a [u8]> {
        if self.rest.is_empty() {
            return None;
        }
        let end = self.rest.iter().position(|&byte| byte == b'\n');
        let (line, rest) = match end {
            Some(end) => (&self.rest[..end], &self.rest[end + 1..]),
            None => (self.rest, &[][..]),
        };
        self.rest = rest;
        self.number += 1;
        Some(line.trim_ascii())
    }
}

/// Reads a value whose first line is `line`, taking more lines where hexadecimal data goes on.
pub(super) fn value<'a>(
    line: &'a [u8],
    lines: &mut Lines<'a>,
) -> Result<(Name, Value), TextErrorKind> {
    let (name, rest) = match line {
        [b'@', rest @ ..] => (Vec::new(), rest),
        [b'"', rest @ ..] => unescape(rest, b'"').ok_or(TextErrorKind::ValueName)?,
        _ => return Err(TextErrorKind::ValueName),
    };
    let rest = rest
        .trim_ascii_start()
        .strip_prefix(b"=")
        .ok_or(TextErrorKind::ValueName)?;
    let value = data(rest.trim_ascii_start(), lines).ok_or(TextErrorKind::Value)?;
    Ok((Name::from_units(name), value))
}

fn data<'a>(text: &'a [u8], lines: &mut Lines<'a>) -> Option<Value> {
    for (tag, kind) in [
        (&b"\""[..], ValueKind::STRING),
        (b"str:\"", ValueKind::STRING),
        (b"str(2):\"", ValueKind::EXPAND_STRING),
        (b"str(7):\"", ValueKind::MULTI_STRING),
    ] {
        if let Some(text) = text.strip_prefix(tag) {
            return Some(Value {
                kind,
                data: string(text)?,
            });
        }
    }
    if let Some(digits) = text.strip_prefix(b"dword:") {
        return Some(Value::dword(hexadecimal(digits)?));
    }
    if let Some(bytes) = text.strip_prefix(b"hex:") {
        return Some(Value {
            kind: ValueKind::BINARY,
            data: bytes_of(bytes, lines)?,
        });
    }
    let text = text.strip_prefix(b"hex(")?;
    let end = text.windows(2).position(|pair| pair == b"):")?;
    let kind = ValueKind(hexadecimal(&text[..end])?);
    Some(Value {
        kind,
        data: bytes_of(&text[end + 2..], lines)?,
    })
}

/// A quoted string's units with the terminating NUL, which the file leaves out.
fn string(text: &[u8]) -> Option<Vec<u8>> {
    let (mut units, _) = unescape(text, b'"')?;
    units.push(0);
    Some(units.into_iter().flat_map(u16::to_le_bytes).collect())
}

fn hexadecimal(digits: &[u8]) -> Option<u32> {
    u32::from_str_radix(std::str::from_utf8(digits).ok()?, 16).ok()
}

/// Comma-separated hexadecimal bytes; a backslash continues them on the next line.
fn bytes_of<'a>(mut line: &'a [u8], lines: &mut Lines<'a>) -> Option<Vec<u8>> {
    let mut bytes = Vec::with_capacity(line.len() / 3 + 1);
    loop {
        let continued = line.strip_suffix(b"\\");
        for byte in continued.unwrap_or(line).split(|&byte| byte == b',') {
            let digits = byte.trim_ascii();
            if !digits.is_empty() {
                bytes.push(u8::try_from(hexadecimal(digits)?).ok()?);
            }
        }
        if continued.is_none() {
            return Some(bytes);
        }
        line = lines.next()?;
    }
}
