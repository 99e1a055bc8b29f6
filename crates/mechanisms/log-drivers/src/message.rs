//! What is sent: a record of a log, and whose it is.

use std::collections::BTreeMap;
use std::path::PathBuf;

use porthole_container_log::{Record, Stream, Timestamp};
use time::OffsetDateTime;

/// Severities of RFC 5424 (6.2.1) for the two streams, which journald and GELF use too.
const ERROR: u8 = 3;
const INFORMATIONAL: u8 = 6;

/// This host, as drivers see it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Host {
    /// Its name.
    pub name: String,
    /// The socket of journald.
    pub journal: PathBuf,
    /// Sockets of a local syslog, the likeliest first.
    pub syslog: Vec<PathBuf>,
}

impl Host {
    /// A host with its sockets in the usual places.
    #[must_use]
    pub fn new(name: &str) -> Self {
        Self {
            name: name.to_owned(),
            journal: "/run/systemd/journal/socket".into(),
            syslog: ["/dev/log", "/var/run/syslog", "/var/run/log"]
                .map(PathBuf::from)
                .into(),
        }
    }
}

/// The container whose log it is.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Source {
    /// 64 hexadecimal digits.
    pub container_id: String,
    /// The name without a slash.
    pub container_name: String,
    /// `sha256:…`.
    pub image_id: String,
    /// As the container was created from it.
    pub image_name: String,
    /// The program and its arguments.
    pub command: String,
    /// When the container was created.
    pub created: Option<OffsetDateTime>,
    /// The tag, filled in.
    pub tag: String,
    /// The labels and variables that the log options ask for.
    pub attributes: BTreeMap<String, String>,
}

impl Source {
    /// The first twelve digits of the container's ID.
    pub(crate) fn short_id(&self) -> &str {
        self.container_id.get(..12).unwrap_or(&self.container_id)
    }
}

/// A record on its way.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Message {
    pub(crate) stream: Stream,
    pub(crate) time: Timestamp,
    /// Without its line end.
    pub(crate) line: String,
    /// Set when the line was cut.
    pub(crate) partial: Option<Partial>,
}

/// Which piece of a long line it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Partial {
    /// The same for all pieces of a line.
    pub(crate) id: String,
    /// Counted from one.
    pub(crate) ordinal: u32,
    pub(crate) is_last: bool,
}

impl Message {
    pub(crate) fn severity(&self) -> u8 {
        match self.stream {
            Stream::Stdout => INFORMATIONAL,
            Stream::Stderr => ERROR,
        }
    }

    /// When it was printed, in UTC.
    pub(crate) fn at(&self) -> OffsetDateTime {
        OffsetDateTime::from_unix_timestamp_nanos(self.time.0.into())
            .unwrap_or(OffsetDateTime::UNIX_EPOCH)
    }
}

/// Puts the pieces of long lines together again, as far as their numbers go.
#[derive(Debug, Default)]
pub(crate) struct Pieces {
    open: [Option<(String, u32)>; 2],
}

impl Pieces {
    /// The message of a record. A record without a line end is a piece of what follows on its
    /// stream.
    pub(crate) fn message(&mut self, record: Record) -> Message {
        let Record {
            stream, time, log, ..
        } = record;
        let ended = log.strip_suffix('\n');
        let open = &mut self.open[usize::from(stream == Stream::Stderr)];
        let partial = match (open.take(), ended.is_some()) {
            (None, true) => None,
            (before, is_last) => {
                let (id, before) = before.unwrap_or_else(|| (format!("{:032x}", time.0), 0));
                let ordinal = before + 1;
                if !is_last {
                    *open = Some((id.clone(), ordinal));
                }
                Some(Partial {
                    id,
                    ordinal,
                    is_last,
                })
            }
        };
        let line = ended.map_or(log.as_str(), |line| line.strip_suffix('\r').unwrap_or(line));
        Message {
            stream,
            time,
            line: line.to_owned(),
            partial,
        }
    }
}

#[cfg(test)]
pub(crate) mod examples {
    use super::*;

    /// A line of output at 2026-11-24 04:05:06.123456789.
    pub(crate) fn message(stream: Stream, line: &str) -> Message {
        Message {
            stream,
            time: Timestamp(1_795_493_106_123_456_789),
            line: line.to_owned(),
            partial: None,
        }
    }

    pub(crate) fn source() -> Source {
        Source {
            container_id: "0123456789abcdef".to_owned(),
            container_name: "web".to_owned(),
            image_id: "sha256:feed".to_owned(),
            image_name: "porthole/nanoserver".to_owned(),
            command: "cmd /c ver".to_owned(),
            created: Some(OffsetDateTime::UNIX_EPOCH),
            tag: "0123456789ab".to_owned(),
            attributes: BTreeMap::from([("com.x".to_owned(), "1".to_owned())]),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record(stream: Stream, log: &str) -> Record {
        Record {
            stream,
            time: Timestamp(5),
            log: log.to_owned(),
            attributes: BTreeMap::new(),
        }
    }

    #[test]
    fn pieces_of_a_line_are_counted_on_each_stream() {
        let mut pieces = Pieces::default();
        let mut of = |stream, log: &str| {
            let message = pieces.message(record(stream, log));
            let partial = message.partial;
            (
                message.line,
                partial.map(|partial| (partial.ordinal, partial.is_last)),
            )
        };
        let line = |line: &str, partial| (line.to_owned(), partial);
        assert_eq!(of(Stream::Stdout, "a\r\n"), line("a", None));
        assert_eq!(of(Stream::Stdout, "b"), line("b", Some((1, false))));
        assert_eq!(of(Stream::Stderr, "x\n"), line("x", None));
        assert_eq!(of(Stream::Stdout, "c"), line("c", Some((2, false))));
        assert_eq!(of(Stream::Stdout, "d\n"), line("d", Some((3, true))));
        assert_eq!(of(Stream::Stdout, "\n"), line("", None));
    }
}
