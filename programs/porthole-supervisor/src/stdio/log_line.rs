//! Lines of a json-file log.

use std::fmt::Write;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use porthole_protocol::supervisor::StreamKind;

/// Bytes of a line that goes on in the next entry, as Docker splits.
pub(super) const LONGEST: usize = 16 * 1024;

/// Adds one entry for `text`, which is stamped with `time`.
pub(super) fn append(entries: &mut String, kind: StreamKind, text: &[u8], time: SystemTime) {
    entries.push_str("{\"log\":\"");
    for chunk in text.utf8_chunks() {
        escape(entries, chunk.valid());
        if !chunk.invalid().is_empty() {
            entries.push('\u{fffd}');
        }
    }
    let stream = if kind == StreamKind::Stderr {
        "stderr"
    } else {
        "stdout"
    };
    entries.push_str("\",\"stream\":\"");
    entries.push_str(stream);
    entries.push_str("\",\"time\":\"");
    stamp(entries, time);
    entries.push_str("\"}\n");
}

fn escape(entries: &mut String, text: &str) {
    for character in text.chars() {
        match character {
            '"' => entries.push_str("\\\""),
            '\\' => entries.push_str("\\\\"),
            '\n' => entries.push_str("\\n"),
            '\r' => entries.push_str("\\r"),
            '\t' => entries.push_str("\\t"),
            // JSON forbids the first; Go escapes the others, which end a line in JavaScript.
            '\0'..='\u{1f}' | '\u{7f}' | '\u{2028}' | '\u{2029}' => {
                let _ = write!(entries, "\\u{:04x}", u32::from(character));
            }
            _ => entries.push(character),
        }
    }
}

/// RFC 3339 with all nine digits of nanoseconds, UTC.
fn stamp(entries: &mut String, time: SystemTime) {
    let since = time.duration_since(UNIX_EPOCH).unwrap_or(Duration::ZERO);
    let (days, rest) = (since.as_secs() / 86_400, since.as_secs() % 86_400);
    let (year, month, day) = date(days);
    let (hour, minute, second) = (rest / 3600, rest / 60 % 60, rest % 60);
    let nanoseconds = since.subsec_nanos();
    let _ = write!(
        entries,
        "{year:04}-{month:02}-{day:02}T{hour:02}:{minute:02}:{second:02}.{nanoseconds:09}Z"
    );
}

/// Year, month and day of a day after 1970-01-01: eras of 400 years that begin in March, so that
/// the leap day is a year's last.
fn date(days: u64) -> (u64, u64, u64) {
    let days = days + 719_468;
    let (era, day_of_era) = (days / 146_097, days % 146_097);
    let year_of_era =
        (day_of_era - day_of_era / 1460 + day_of_era / 36_524 - day_of_era / 146_096) / 365;
    let day_of_year = day_of_era - (365 * year_of_era + year_of_era / 4 - year_of_era / 100);
    let shifted = (5 * day_of_year + 2) / 153;
    let day = day_of_year - (153 * shifted + 2) / 5 + 1;
    let month = if shifted < 10 {
        shifted + 3
    } else {
        shifted - 9
    };
    (year_of_era + era * 400 + u64::from(month <= 2), month, day)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(text: &[u8], seconds: u64) -> String {
        let mut entries = String::new();
        let time = UNIX_EPOCH + Duration::new(seconds, 5);
        append(&mut entries, StreamKind::Stdout, text, time);
        entries
    }

    #[test]
    fn an_entry_is_one_line_of_json() {
        assert_eq!(
            entry(b"a\"\\\x01\xff\n", 1_709_210_096),
            "{\"log\":\"a\\\"\\\\\\u0001\u{fffd}\\n\",\"stream\":\"stdout\",\
             \"time\":\"2024-02-29T12:34:56.000000005Z\"}\n"
        );
    }

    #[test]
    fn dates_are_right_at_the_edges() {
        for (days, expected) in [
            (0, (1970, 1, 1)),
            (11_016, (2000, 2, 29)),
            (11_017, (2000, 3, 1)),
            (20_453, (2025, 12, 31)),
        ] {
            assert_eq!(date(days), expected);
        }
    }
}
