//! One line of a json-file log.

use std::collections::BTreeMap;

use serde::Deserialize;

use crate::timestamp::Timestamp;

/// A stream that a program writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Stream {
    /// Standard output, and everything of a program with a terminal.
    Stdout,
    /// Standard errors.
    Stderr,
}

impl Stream {
    /// Its name in the log.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Stdout => "stdout",
            Self::Stderr => "stderr",
        }
    }
}

/// A piece of output: a line with its end, or what was printed without one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Where it was printed.
    pub stream: Stream,
    /// When.
    pub time: Timestamp,
    /// What.
    pub log: String,
    /// What the container was told to add to each of its records, such as its labels.
    pub attributes: BTreeMap<String, String>,
}

/// What is added to every record of a log, as it stands in each.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Attributes(Vec<u8>);

impl Attributes {
    /// Writes attributes out once for all records; none leaves the member out, as Docker does.
    #[must_use]
    pub fn new(attributes: &BTreeMap<String, String>) -> Self {
        let mut out = Vec::new();
        for (name, value) in attributes {
            out.extend(if out.is_empty() {
                &b",\"attrs\":{\""[..]
            } else {
                b",\""
            });
            encode_text(&mut out, name.as_bytes());
            out.extend(b"\":\"");
            encode_text(&mut out, value.as_bytes());
            out.push(b'"');
        }
        if !out.is_empty() {
            out.push(b'}');
        }
        Self(out)
    }
}

/// A line that is no record.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum RecordError {
    /// Not a JSON object with the three members.
    #[error("malformed log record")]
    Json(#[source] serde_json::Error),
    /// Another stream than the two.
    #[error("log record of unknown stream {0:?}")]
    Stream(String),
    /// The time does not parse.
    #[error("log record with a bad time")]
    Time(#[source] crate::timestamp::TimestampError),
    /// A line longer than any record.
    #[error("log record longer than {} bytes", crate::read::MAX_RECORD)]
    TooLong,
}

/// Appends a record with its line feed, byte for byte as Docker writes it: bytes that are not
/// UTF-8 become U+FFFD each, and what HTML and JavaScript would trip over is escaped.
pub fn encode(
    out: &mut Vec<u8>,
    stream: Stream,
    time: Timestamp,
    attributes: &Attributes,
    log: &[u8],
) {
    out.extend(b"{\"log\":\"");
    encode_text(out, log);
    out.extend(format!("\",\"stream\":\"{}\"", stream.name()).bytes());
    out.extend(&attributes.0);
    out.extend(format!(",\"time\":\"{time}\"}}\n").bytes());
}

fn encode_text(out: &mut Vec<u8>, text: &[u8]) {
    for chunk in text.utf8_chunks() {
        chunk
            .valid()
            .chars()
            .for_each(|character| encode_character(out, character));
        for _ in chunk.invalid() {
            out.extend(b"\\ufffd");
        }
    }
}

fn encode_character(out: &mut Vec<u8>, character: char) {
    match character {
        '\\' => out.extend(br"\\"),
        '"' => out.extend(br#"\""#),
        '\n' => out.extend(br"\n"),
        '\r' => out.extend(br"\r"),
        '\0'..' ' | '<' | '>' | '&' | '\u{2028}' | '\u{2029}' => {
            out.extend(format!("\\u{:04x}", u32::from(character)).bytes());
        }
        _ => out.extend(character.encode_utf8(&mut [0; 4]).bytes()),
    }
}

/// Reads a line, with or without its line feed. Other members are ignored.
///
/// # Errors
/// See [`RecordError`].
pub fn decode(line: &[u8]) -> Result<Record, RecordError> {
    #[derive(Deserialize)]
    struct Members {
        #[serde(default)]
        log: String,
        stream: String,
        #[serde(default)]
        attrs: BTreeMap<String, String>,
        time: String,
    }
    let members: Members = serde_json::from_slice(line).map_err(RecordError::Json)?;
    let stream = [Stream::Stdout, Stream::Stderr]
        .into_iter()
        .find(|stream| stream.name() == members.stream);
    let stream = stream.ok_or(RecordError::Stream(members.stream))?;
    let time = members.time.parse().map_err(RecordError::Time)?;
    Ok(Record {
        stream,
        time,
        log: members.log,
        attributes: members.attrs,
    })
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::{Attributes, Record, Stream, decode, encode};
    use crate::timestamp::Timestamp;
    use proptest::prelude::*;

    fn line(log: &[u8]) -> String {
        let mut out = Vec::new();
        encode(
            &mut out,
            Stream::Stdout,
            Timestamp(1_600_000_000_000_000_000),
            &Attributes::default(),
            log,
        );
        String::from_utf8(out).expect("JSON is UTF-8")
    }

    #[test]
    fn records_are_those_of_docker() {
        let time = "\"time\":\"2020-09-13T12:26:40Z\"}\n";
        for (log, expected) in [
            (&b"hello\r\n"[..], r"hello\r\n"),
            (b"a\"b\\c\t", r#"a\"b\\c\u0009"#),
            (b"<&>", r"\u003c\u0026\u003e"),
            (b"\xff\xe4\xb8", r"\ufffd\ufffd\ufffd"),
            ("中文 \u{2028}é".as_bytes(), "中文 \\u2028é"),
        ] {
            assert_eq!(
                line(log),
                format!("{{\"log\":\"{expected}\",\"stream\":\"stdout\",{time}")
            );
        }
    }

    #[test]
    fn lines_of_docker_are_read() {
        let line = br#"{"log":"x\u003c\n","stream":"stderr","attrs":{"a":"b"},"time":"2020-09-13T12:26:40.5Z"}"#;
        let record = decode(line).expect("well-formed");
        assert_eq!(
            record,
            Record {
                stream: Stream::Stderr,
                time: Timestamp(1_600_000_000_500_000_000),
                log: "x<\n".to_owned(),
                attributes: BTreeMap::from([("a".to_owned(), "b".to_owned())]),
            }
        );
        for bad in [
            &b""[..],
            b"{}",
            br#"{"log":"","stream":"x","time":"2020-09-13T12:26:40Z"}"#,
            br#"{"stream":"stdout","time":""}"#,
        ] {
            assert!(decode(bad).is_err());
        }
    }

    #[test]
    fn attributes_stand_where_docker_writes_them() {
        let attributes =
            [("b", "\"2\""), ("a", "1")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        let mut out = Vec::new();
        let attributes = Attributes::new(&BTreeMap::from(attributes));
        encode(&mut out, Stream::Stderr, Timestamp(0), &attributes, b"x");
        assert_eq!(
            str::from_utf8(&out).expect("JSON is UTF-8"),
            "{\"log\":\"x\",\"stream\":\"stderr\",\"attrs\":{\"a\":\"1\",\"b\":\"\\\"2\\\"\"},\
             \"time\":\"1970-01-01T00:00:00Z\"}\n"
        );
    }

    proptest! {
        #[test]
        fn records_come_back(
            log in "\\PC{0,30}[\u{0}-\u{20}]{0,3}",
            attributes in prop::collection::btree_map(".{0,5}", ".{0,5}", 0..3),
            time in any::<i64>(),
            is_error in any::<bool>(),
        ) {
            let stream = if is_error { Stream::Stderr } else { Stream::Stdout };
            let mut out = Vec::new();
            encode(&mut out, stream, Timestamp(time), &Attributes::new(&attributes), log.as_bytes());
            prop_assert_eq!(out.iter().filter(|&&byte| byte == b'\n').count(), 1);
            prop_assert_eq!(decode(&out).expect("our own"), Record { stream, time: Timestamp(time), log, attributes });
        }
    }
}
