//! What containers, images, archives and registries say, all of them hostile, as it is printed: with no
//! commands for the terminal, and names on one line.

use std::borrow::Cow;
use std::fmt::Write;

/// A name as it is, or quoted as JSON does where it holds what a terminal obeys.
pub(crate) fn name(text: &str) -> Cow<'_, str> {
    if text.contains(is_obeyed) {
        Cow::Owned(quoted(text))
    } else {
        Cow::Borrowed(text)
    }
}

/// Text in quotes, as JSON has it, and what that lets through escaped too.
pub(crate) fn quoted(text: &str) -> String {
    escaped(&serde_json::Value::from(text).to_string())
}

/// Text, with what a terminal obeys escaped as JSON escapes.
pub(crate) fn escaped(text: &str) -> String {
    let mut escaped = String::with_capacity(text.len());
    for character in text.chars() {
        if is_obeyed(character) {
            // Into a String it never fails.
            let _ = write!(escaped, "\\u{:04x}", u32::from(character));
        } else {
            escaped.push(character);
        }
    }
    escaped
}

/// As [`escaped`], for what may have several lines, as errors have that quote a file.
pub(crate) fn lines(text: &str) -> String {
    let lines: Vec<_> = text.lines().map(escaped).collect();
    lines.join("\n")
}

/// Control characters, and those that turn the direction of writing.
fn is_obeyed(character: char) -> bool {
    character.is_control()
        || matches!(character, '\u{2028}' | '\u{2029}' | '\u{202a}'..='\u{202e}' | '\u{2066}'..='\u{2069}')
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn lines_stay_lines() {
        assert_eq!(lines("a\r\nb\u{1b}[2J\n"), "a\nb\\u001b[2J");
    }

    #[test]
    fn nothing_is_left_that_a_terminal_obeys() {
        assert_eq!(name(r"C:\tëxt \u001b"), r"C:\tëxt \u001b");
        assert_eq!(name("a\nA b\\"), r#""a\nA b\\""#);
        for obeyed in ["\u{1b}[2J", "\u{9b}2J", "\u{7f}", "\r", "\u{202e}txt"] {
            let shown = name(obeyed);
            assert!(
                shown.starts_with('"') && !shown.contains(is_obeyed),
                "{shown}"
            );
            let back: String = serde_json::from_str(&shown).expect("JSON");
            assert_eq!(back, obeyed);
        }
    }
}
