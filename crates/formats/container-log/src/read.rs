//! Reading a log, also one that is still written.

use std::io::{self, Read};

use crate::record::{Record, RecordError, Stream, decode};
use crate::timestamp::Timestamp;

/// The longest record in a log: a piece whose every byte is escaped, and room for attributes.
pub const MAX_RECORD: usize = 1 << 20;
/// Bytes that are read at once.
const CHUNK: usize = 64 * 1024;

/// Reads records one after another.
#[derive(Debug)]
pub struct LogReader<R> {
    input: R,
    /// Bytes read and not yet given out; those before `start` have been.
    buffer: Vec<u8>,
    start: usize,
    /// Bytes of the input up to the end of the line that was given out last.
    consumed: u64,
    /// Where that line begins.
    last: u64,
}

/// A record that could not be read.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum ReadError {
    /// The log could not be read.
    #[error("log could not be read")]
    Io(#[source] io::Error),
    /// A line is no record. Reading can go on with the next one.
    #[error("line of the log could not be understood")]
    Record(#[source] RecordError),
}

impl<R: Read> LogReader<R> {
    /// Reads from where `input` stands, which is the beginning of a record.
    pub const fn new(input: R) -> Self {
        Self {
            input,
            buffer: Vec::new(),
            start: 0,
            consumed: 0,
            last: 0,
        }
    }

    /// Where the record that was given out last begins, in bytes from where the input stood.
    pub const fn last_start(&self) -> u64 {
        self.last
    }

    /// The next record, or `None` where the log ends now. Called again after more was written it
    /// goes on, also in the middle of a record.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn next_record(&mut self) -> Result<Option<Record>, ReadError> {
        let mut searched = self.start;
        loop {
            if let Some(end) = self.buffer[searched..]
                .iter()
                .position(|&byte| byte == b'\n')
            {
                let line = self.start..searched + end;
                self.start = searched + end + 1;
                self.take(self.start - line.start);
                return decode(&self.buffer[line])
                    .map(Some)
                    .map_err(ReadError::Record);
            }
            self.buffer.drain(..self.start);
            self.start = 0;
            searched = self.buffer.len();
            if searched > MAX_RECORD {
                self.take(searched);
                self.buffer.clear();
                return Err(ReadError::Record(RecordError::TooLong));
            }
            let read = self.fill().map_err(ReadError::Io)?;
            if read == 0 {
                return Ok(None);
            }
        }
    }

    const fn take(&mut self, length: usize) {
        self.last = self.consumed;
        self.consumed += length as u64;
    }

    /// One read that appends to the buffer.
    fn fill(&mut self) -> io::Result<usize> {
        let length = self.buffer.len();
        self.buffer.resize(length + CHUNK, 0);
        let read = loop {
            match self.input.read(&mut self.buffer[length..]) {
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                result => break result,
            }
        };
        self.buffer.truncate(length + *read.as_ref().unwrap_or(&0));
        read
    }

    /// The input, wherever it stands.
    pub fn into_inner(self) -> R {
        self.input
    }
}

/// Which records a client wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Selection {
    /// Those of standard output.
    pub stdout: bool,
    /// Those of standard errors.
    pub stderr: bool,
    /// Not older than this.
    pub since: Option<Timestamp>,
    /// Not newer than this.
    pub until: Option<Timestamp>,
}

impl Selection {
    /// Every record.
    pub const ALL: Self = Self {
        stdout: true,
        stderr: true,
        since: None,
        until: None,
    };

    /// Whether this record is wanted.
    #[must_use]
    pub fn wants(&self, record: &Record) -> bool {
        let stream = match record.stream {
            Stream::Stdout => self.stdout,
            Stream::Stderr => self.stderr,
        };
        stream && self.since.is_none_or(|since| record.time >= since) && !self.is_past(record)
    }

    /// Whether no later record can be wanted: a reader that follows may stop.
    #[must_use]
    pub fn is_past(&self, record: &Record) -> bool {
        self.until.is_some_and(|until| record.time > until)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::VecDeque;
    use std::io::{self, Read};

    use super::{LogReader, MAX_RECORD, ReadError, Selection};
    use crate::record::{Attributes, Record, Stream, encode};
    use crate::timestamp::Timestamp;

    /// Gives out one piece at each read, and nothing where a piece is empty.
    struct Pieces(VecDeque<Vec<u8>>);

    impl Read for Pieces {
        fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
            let Some(piece) = self.0.pop_front() else {
                return Ok(0);
            };
            buffer[..piece.len()].copy_from_slice(&piece);
            Ok(piece.len())
        }
    }

    fn log(texts: &[&str]) -> Vec<u8> {
        let mut out = Vec::new();
        for (index, text) in (0..).zip(texts) {
            encode(
                &mut out,
                Stream::Stdout,
                Timestamp(index),
                &Attributes::default(),
                text.as_bytes(),
            );
        }
        out
    }

    #[test]
    fn reading_goes_on_where_a_record_was_not_complete() {
        let bytes = log(&["one\n", "two\n"]);
        let cut = bytes.len() - 5;
        let pieces = [
            bytes[..3].to_vec(),
            bytes[3..cut].to_vec(),
            Vec::new(),
            bytes[cut..].to_vec(),
        ];
        let mut reader = LogReader::new(Pieces(pieces.into()));
        let mut next = || {
            reader
                .next_record()
                .expect("well-formed")
                .map(|record| record.log)
        };
        assert_eq!(next().as_deref(), Some("one\n"));
        assert_eq!(next(), None);
        assert_eq!(next().as_deref(), Some("two\n"));
        assert_eq!(next(), None);
    }

    #[test]
    fn a_bad_line_does_not_stop_the_next() {
        let mut bytes = b"rubbish\n".to_vec();
        bytes.extend(log(&["good\n"]));
        let mut reader = LogReader::new(bytes.as_slice());
        assert!(matches!(reader.next_record(), Err(ReadError::Record(_))));
        assert_eq!(
            reader
                .next_record()
                .expect("good")
                .map(|record| record.log)
                .as_deref(),
            Some("good\n")
        );
    }

    #[test]
    fn a_line_without_end_is_refused() {
        let mut reader = LogReader::new(io::repeat(b'x'));
        assert!(reader.next_record().is_err());
        assert!(reader.buffer.capacity() < 4 * MAX_RECORD);
    }

    #[test]
    fn selections_filter_by_stream_and_time() {
        let record = |stream, time| Record {
            stream,
            time: Timestamp(time),
            log: String::new(),
            attributes: std::collections::BTreeMap::new(),
        };
        let selection = Selection {
            stderr: false,
            since: Some(Timestamp(2)),
            until: Some(Timestamp(3)),
            ..Selection::ALL
        };
        let wanted: Vec<i64> = (0..6)
            .filter(|&time| selection.wants(&record(Stream::Stdout, time)))
            .collect();
        assert_eq!(wanted, [2, 3]);
        assert!(!selection.wants(&record(Stream::Stderr, 2)));
        assert!(
            selection.is_past(&record(Stream::Stdout, 4))
                && !selection.is_past(&record(Stream::Stdout, 3))
        );
    }
}
