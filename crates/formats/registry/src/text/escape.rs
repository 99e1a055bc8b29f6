//! wineserver's escapes in names and strings.

/// The letters of C's escapes by control character.
const LETTERS: &[u8; 32] = b".......abtnvfr.............e....";

/// Appends `units` escaped; `quotes` are the two characters that need a backslash beside the
/// backslash itself. Returns how many bytes that were.
pub(super) fn escape(out: &mut Vec<u8>, units: &[u16], quotes: [u8; 2]) -> usize {
    let start = out.len();
    for (index, &unit) in units.iter().enumerate() {
        let next = units
            .get(index + 1)
            .and_then(|&next| u8::try_from(next).ok());
        match u8::try_from(unit) {
            Ok(byte @ 0..32) => escape_control(out, byte, next),
            Ok(byte @ 32..128) => {
                if byte == b'\\' || quotes.contains(&byte) {
                    out.push(b'\\');
                }
                out.push(byte);
            }
            _ => {
                // Four digits where a digit follows, which would else be read as part of the escape.
                let padded = next.is_some_and(|next| next.is_ascii_hexdigit());
                let width = if padded { 4 } else { 0 };
                out.extend(format!("\\x{unit:0width$x}").bytes());
            }
        }
    }
    out.len() - start
}

fn escape_control(out: &mut Vec<u8>, byte: u8, next: Option<u8>) {
    match LETTERS[usize::from(byte)] {
        b'.' => {
            let padded = next.is_some_and(|next| (b'0'..=b'7').contains(&next));
            let width = if padded { 3 } else { 0 };
            out.extend(format!("\\{byte:0width$o}").bytes());
        }
        letter => out.extend([b'\\', letter]),
    }
}

/// Decodes up to the unescaped `end`, which is consumed. Returns the units and the rest of the
/// input, or `None` if `end` is missing. Bytes over 127 are UTF-8, of which wineserver skips the
/// ill-formed ones.
pub(super) fn unescape(input: &[u8], end: u8) -> Option<(Vec<u16>, &[u8])> {
    let mut units = Vec::new();
    let mut rest = input;
    loop {
        match *rest {
            [] => return None,
            [byte, ref tail @ ..] if byte == end => return Some((units, tail)),
            [b'\\', ref tail @ ..] => rest = unescape_one(tail, &mut units)?,
            [0..128, ..] => {
                // Most of a file is such runs.
                let is_plain = |byte: &u8| *byte < 128 && *byte != b'\\' && *byte != end;
                let run = rest
                    .iter()
                    .position(|byte| !is_plain(byte))
                    .unwrap_or(rest.len());
                units.extend(rest[..run].iter().map(|&byte| u16::from(byte)));
                rest = &rest[run..];
            }
            _ => rest = decode_utf8(rest, &mut units),
        }
    }
}

/// Decodes what follows a backslash.
fn unescape_one<'a>(input: &'a [u8], units: &mut Vec<u16>) -> Option<&'a [u8]> {
    let (&byte, tail) = input.split_first()?;
    if byte == b'x' && tail.first().is_some_and(u8::is_ascii_hexdigit) {
        return Some(number(tail, 16, 4, units));
    }
    if (b'0'..=b'7').contains(&byte) {
        return Some(number(input, 8, 3, units));
    }
    let letter = LETTERS
        .iter()
        .position(|&letter| letter == byte && letter != b'.');
    match letter.and_then(|control| u16::try_from(control).ok()) {
        Some(control) => units.push(control),
        None if byte < 128 => units.push(u16::from(byte)),
        None => return Some(input),
    }
    Some(tail)
}

/// Reads up to `digits` digits.
fn number<'a>(input: &'a [u8], radix: u16, digits: usize, units: &mut Vec<u16>) -> &'a [u8] {
    let mut unit = 0u16;
    let mut length = 0;
    for &byte in input.iter().take(digits) {
        let Some(digit) = char::from(byte).to_digit(u32::from(radix)) else {
            break;
        };
        unit = unit.wrapping_mul(radix) | u16::try_from(digit).unwrap_or(0);
        length += 1;
    }
    units.push(unit);
    &input[length..]
}

fn decode_utf8<'a>(input: &'a [u8], units: &mut Vec<u16>) -> &'a [u8] {
    let longest = &input[..input.len().min(4)];
    let valid = match std::str::from_utf8(longest) {
        Ok(text) => text,
        Err(error) => std::str::from_utf8(&longest[..error.valid_up_to()]).unwrap_or(""),
    };
    match valid.chars().next() {
        Some(char) => {
            units.extend(char.encode_utf16(&mut [0; 2]).iter());
            &input[char.len_utf8()..]
        }
        None => &input[1..],
    }
}

#[cfg(test)]
mod tests {
    use super::{escape, unescape};

    fn escaped(text: &str) -> String {
        let mut out = Vec::new();
        escape(&mut out, &text.encode_utf16().collect::<Vec<_>>(), *b"\"\"");
        String::from_utf8(out).expect("ASCII")
    }

    #[test]
    fn escapes_are_those_of_wineserver() {
        assert_eq!(escaped("a\"b\\c[]"), r#"a\"b\\c[]"#);
        assert_eq!(escaped("\t\n\u{1b}\u{1}\u{0}"), r"\t\n\e\1\0");
        assert_eq!(escaped("\u{1}7"), r"\0017");
        assert_eq!(escaped("é."), r"\xe9.");
        assert_eq!(escaped("éa"), r"\x00e9a");
        assert_eq!(escaped("😀"), r"\xd83d\xde00");
    }

    #[test]
    fn text_up_to_the_end_is_decoded() {
        let (units, rest) = unescape(br#"\x00e9a\q\0\x"=1"#, b'"').expect("an end");
        assert_eq!(String::from_utf16_lossy(&units), "éaq\0x");
        assert_eq!(rest, b"=1");
        assert!(unescape(b"no end", b'"').is_none());
        assert!(unescape(b"\\", b'"').is_none());
    }

    #[test]
    fn utf8_is_read_and_what_is_ill_formed_skipped() {
        let (units, _) = unescape(b"\xc3\xa9\xff\xe2\x82\xac\"", b'"').expect("an end");
        assert_eq!(String::from_utf16_lossy(&units), "é€");
    }
}
