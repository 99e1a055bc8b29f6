//! A process's output on disk.

use std::io;
use std::path::Path;

use porthole_container_log::record::encode;
use porthole_container_log::split::MAX_PIECE;
use porthole_container_log::{Attributes, LineSplitter, LogWriter, Rotation, Stream, Timestamp};
use porthole_protocol::supervisor::{LogSpec, StreamKind};

use crate::clock::nanoseconds_since_1970;
use crate::journal::note;

/// Writes a json-file log: each record whole, or not at all, in files of the wished size.
///
/// A disk that is full stops no program: what cannot be written is counted and dropped, and
/// recording goes on as soon as there is room.
#[derive(Debug)]
pub(crate) struct Recorder {
    writer: LogWriter,
    attributes: Attributes,
    stdout: LineSplitter,
    stderr: LineSplitter,
    records: Vec<u8>,
    lost: u64,
    /// Whether it has been said that the log cannot be rotated.
    stuck: bool,
}

impl Recorder {
    /// Opens or makes the log, to which is only ever appended.
    pub(crate) fn open(spec: &LogSpec) -> io::Result<Self> {
        let rotation = spec.rotation.map(|rotation| Rotation {
            max_size: rotation.max_size,
            max_files: rotation.max_files,
            compress: rotation.compress,
        });
        Ok(Self {
            writer: LogWriter::open(Path::new(&spec.path), rotation)?,
            attributes: Attributes::new(&spec.attributes),
            stdout: LineSplitter::new(),
            stderr: LineSplitter::new(),
            records: Vec::new(),
            lost: 0,
            stuck: false,
        })
    }

    /// Records bytes: complete lines at once, a line's beginning when it is complete or long.
    pub(crate) fn record(&mut self, kind: StreamKind, bytes: &[u8]) {
        let time = Timestamp(nanoseconds_since_1970());
        let (stream, splitter, attributes, records) = self.parts(kind);
        splitter.push(bytes, |piece| {
            encode(records, stream, time, attributes, piece);
        });
        self.write();
    }

    /// Records a last line that has no end.
    pub(crate) fn finish(&mut self, kind: StreamKind) {
        let time = Timestamp(nanoseconds_since_1970());
        let (stream, splitter, attributes, records) = self.parts(kind);
        std::mem::take(splitter).finish(|piece| {
            encode(records, stream, time, attributes, piece);
        });
        self.write();
    }

    fn parts(
        &mut self,
        kind: StreamKind,
    ) -> (Stream, &mut LineSplitter, &Attributes, &mut Vec<u8>) {
        let (stream, splitter) = if kind == StreamKind::Stderr {
            (Stream::Stderr, &mut self.stderr)
        } else {
            (Stream::Stdout, &mut self.stdout)
        };
        (stream, splitter, &self.attributes, &mut self.records)
    }

    fn write(&mut self) {
        if self.records.is_empty() {
            return;
        }
        match self.writer.append(&self.records) {
            Ok(()) if self.lost > 0 => {
                note!("the log is written again; records lost: {}", self.lost);
                self.lost = 0;
            }
            Ok(()) => {}
            Err(error) => {
                if self.lost == 0 {
                    note!(
                        "cannot write the log, records are dropped: {}",
                        error.source
                    );
                }
                self.lost += error.lost;
            }
        }
        if let Some(error) = self.writer.take_trouble()
            && !self.stuck
        {
            // Once: it is tried again with each record.
            note!("the log cannot be rotated, it grows: {error}");
            self.stuck = true;
        }
        self.records.clear();
        // An idle container keeps no buffer.
        self.records.shrink_to(MAX_PIECE);
    }
}

#[cfg(test)]
mod tests {
    use porthole_protocol::supervisor::LogRotation;

    use super::*;

    fn spec(path: &Path) -> LogSpec {
        LogSpec::at(path.to_str().unwrap())
    }

    fn logs(entries: &str) -> Vec<String> {
        let text = |line: &str| {
            let value: serde_json::Value = serde_json::from_str(line).unwrap();
            format!(
                "{}:{}",
                value["stream"].as_str().unwrap(),
                value["log"].as_str().unwrap()
            )
        };
        entries.lines().map(text).collect()
    }

    #[test]
    fn lines_are_recorded_whole_whatever_the_pieces() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let mut recorder = Recorder::open(&spec(&path)).unwrap();
        recorder.record(StreamKind::Stdout, b"one\ntw");
        recorder.record(StreamKind::Stderr, b"error\n");
        recorder.record(StreamKind::Stdout, b"o\n\nrest");
        recorder.finish(StreamKind::Stdout);
        recorder.finish(StreamKind::Stderr);
        let entries = std::fs::read_to_string(path).unwrap();
        assert_eq!(
            logs(&entries),
            [
                "stdout:one\n",
                "stderr:error\n",
                "stdout:two\n",
                "stdout:\n",
                "stdout:rest"
            ]
        );
    }

    #[test]
    fn a_long_line_is_split_and_nothing_is_lost() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let mut recorder = Recorder::open(&spec(&path)).unwrap();
        let line = [vec![b'x'; 3 * MAX_PIECE + 5], vec![b'\n']].concat();
        for piece in line.chunks(777) {
            recorder.record(StreamKind::Stdout, piece);
        }
        let entries = std::fs::read_to_string(path).unwrap();
        let lengths: Vec<usize> = logs(&entries).iter().map(|log| log.len() - 7).collect();
        assert_eq!(lengths, [MAX_PIECE, MAX_PIECE, MAX_PIECE, 6]);
    }

    #[test]
    fn a_full_file_is_followed_by_another_and_records_carry_attributes() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("log");
        let mut recorder = Recorder::open(&LogSpec {
            rotation: Some(LogRotation {
                max_size: 1,
                max_files: 2,
                compress: false,
            }),
            attributes: [("tag".to_owned(), "web".to_owned())].into(),
            ..spec(&path)
        })
        .unwrap();
        recorder.record(StreamKind::Stdout, b"one\ntwo\nthree\n");
        for (name, line) in [("log.1", "two\n"), ("log", "three\n")] {
            let entry = std::fs::read_to_string(directory.path().join(name)).unwrap();
            assert_eq!(logs(&entry), [format!("stdout:{line}")]);
            assert!(entry.contains(r#","attrs":{"tag":"web"},"#), "{entry}");
        }
        assert!(!directory.path().join("log.2").exists());
    }

    #[test]
    fn a_full_disk_loses_entries_and_no_more() {
        let Ok(mut recorder) = Recorder::open(&spec(Path::new("/dev/full"))) else {
            return;
        };
        recorder.record(StreamKind::Stdout, b"one\ntwo\n");
        assert_eq!(recorder.lost, 2);
    }
}
