//! A process's output on disk.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::SystemTime;

use porthole_protocol::supervisor::StreamKind;

use super::log_line;
use crate::journal::note;

/// Writes a json-file log: each entry whole, or not at all.
///
/// A disk that is full stops no program: what cannot be written is counted and dropped, and
/// recording goes on as soon as there is room.
#[derive(Debug)]
pub(crate) struct Recorder {
    file: File,
    stdout: Vec<u8>,
    stderr: Vec<u8>,
    entries: String,
    lost: u64,
}

impl Recorder {
    /// Opens or makes the log, to which is only ever appended.
    pub(crate) fn open(path: &Path) -> io::Result<Self> {
        let file = File::options()
            .append(true)
            .create(true)
            .mode(0o640)
            .open(path)?;
        Ok(Self {
            file,
            stdout: Vec::new(),
            stderr: Vec::new(),
            entries: String::new(),
            lost: 0,
        })
    }

    /// Records bytes: complete lines at once, a line's beginning when it is complete or long.
    pub(crate) fn record(&mut self, kind: StreamKind, bytes: &[u8]) {
        let now = SystemTime::now();
        let pending = if kind == StreamKind::Stderr {
            &mut self.stderr
        } else {
            &mut self.stdout
        };
        let mut rest = bytes;
        while !rest.is_empty() {
            let room = log_line::LONGEST - pending.len();
            let line = rest
                .iter()
                .take(room)
                .position(|&byte| byte == b'\n')
                .map(|end| end + 1);
            let (head, tail) = rest.split_at(line.unwrap_or(room.min(rest.len())));
            rest = tail;
            if line.is_none() && head.len() < room {
                pending.extend_from_slice(head);
            } else if pending.is_empty() {
                log_line::append(&mut self.entries, kind, head, now);
            } else {
                pending.extend_from_slice(head);
                log_line::append(&mut self.entries, kind, pending, now);
                pending.clear();
            }
        }
        self.write();
    }

    /// Records a last line that has no end.
    pub(crate) fn finish(&mut self, kind: StreamKind) {
        let pending = if kind == StreamKind::Stderr {
            &mut self.stderr
        } else {
            &mut self.stdout
        };
        let last = std::mem::take(pending);
        if !last.is_empty() {
            log_line::append(&mut self.entries, kind, &last, SystemTime::now());
            self.write();
        }
    }

    fn write(&mut self) {
        if self.entries.is_empty() {
            return;
        }
        let count = self.entries.lines().count() as u64;
        match write_whole(&mut self.file, self.entries.as_bytes()) {
            Ok(()) if self.lost > 0 => {
                note!("the log is written again; entries lost: {}", self.lost);
                self.lost = 0;
            }
            Ok(()) => {}
            Err(error) => {
                if self.lost == 0 {
                    note!("cannot write the log, entries are dropped: {error}");
                }
                self.lost += count;
            }
        }
        self.entries.clear();
        if self.entries.capacity() > log_line::LONGEST {
            self.entries = String::new();
        }
    }
}

/// Appends all of `entries` in one write, or leaves the file as it was.
fn write_whole(file: &mut File, entries: &[u8]) -> io::Result<()> {
    let before = file.metadata()?.len();
    let written = file.write_all(entries);
    if written.is_err() {
        file.set_len(before)?;
    }
    written
}

#[cfg(test)]
mod tests {
    use super::*;

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
        let mut recorder = Recorder::open(&path).unwrap();
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
        let mut recorder = Recorder::open(&path).unwrap();
        let line = [vec![b'x'; 3 * log_line::LONGEST + 5], vec![b'\n']].concat();
        for piece in line.chunks(777) {
            recorder.record(StreamKind::Stdout, piece);
        }
        let entries = std::fs::read_to_string(path).unwrap();
        let lengths: Vec<usize> = logs(&entries).iter().map(|log| log.len() - 7).collect();
        assert_eq!(
            lengths,
            [log_line::LONGEST, log_line::LONGEST, log_line::LONGEST, 6]
        );
    }

    #[test]
    fn a_full_disk_loses_entries_and_no_more() {
        let Ok(mut recorder) = Recorder::open(Path::new("/dev/full")) else {
            return;
        };
        recorder.record(StreamKind::Stdout, b"one\ntwo\n");
        assert_eq!(recorder.lost, 2);
    }
}
