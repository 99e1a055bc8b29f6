//! Text files as Windows programs write them: UTF-8, or UTF-16 with a byte order mark.

use std::io::Read;

/// Splits file contents into lines, without their ends.
#[must_use]
pub fn lines(bytes: &[u8]) -> Vec<String> {
    let text = match bytes {
        [0xff, 0xfe, rest @ ..] => utf16(rest, u16::from_le_bytes),
        [0xfe, 0xff, rest @ ..] => utf16(rest, u16::from_be_bytes),
        [0xef, 0xbb, 0xbf, rest @ ..] => String::from_utf8_lossy(rest).into_owned(),
        _ => String::from_utf8_lossy(bytes).into_owned(),
    };
    text.lines().map(str::to_owned).collect()
}

fn utf16(bytes: &[u8], unit: fn([u8; 2]) -> u16) -> String {
    let units: Vec<u16> = bytes
        .chunks_exact(2)
        .map(|pair| unit([pair[0], pair[1]]))
        .collect();
    String::from_utf16_lossy(&units)
}

/// Lines of standard input.
///
/// # Errors
/// When it cannot be read.
pub fn standard_input() -> std::io::Result<Vec<String>> {
    let mut bytes = Vec::new();
    std::io::stdin().lock().read_to_end(&mut bytes)?;
    Ok(lines(&bytes))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn both_encodings_and_both_line_ends_read() {
        assert_eq!(lines("é\r\nb\n".as_bytes()), ["é", "b"]);
        assert_eq!(lines(&[0xff, 0xfe, b'a', 0, b'\n', 0, b'b', 0]), ["a", "b"]);
        assert_eq!(lines(&[0xef, 0xbb, 0xbf, b'x']), ["x"]);
    }
}
