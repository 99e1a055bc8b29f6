//! Writing a log: whole records, in files of limited size.

use std::fs::File;
use std::io::{self, Write};
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::thread::JoinHandle;

use crate::segment;

/// Who may read a log: the engine and its group.
const MODE: u32 = 0o640;

/// When a log's file is full, and what becomes of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rotation {
    /// Bytes after which the next record begins a new file, once the one before is compressed.
    pub max_size: u64,
    /// How many files there are at most, the one that is written included; 0 counts as 1.
    pub max_files: u32,
    /// Whether those that are full are compressed.
    pub compress: bool,
}

/// Appends records to a log. Killed at any moment it leaves every record whole and in order, but
/// for one that was being written.
#[derive(Debug)]
pub struct LogWriter {
    path: PathBuf,
    file: File,
    rotation: Option<Rotation>,
    compression: Option<JoinHandle<io::Result<()>>>,
    trouble: Option<io::Error>,
}

/// Records that could not be written.
#[derive(Debug, thiserror::Error)]
#[error("{lost} records could not be written")]
pub struct WriteError {
    /// How many.
    pub lost: u64,
    /// Why the first of them could not.
    #[source]
    pub source: io::Error,
}

impl LogWriter {
    /// Opens or makes the log at `path`.
    ///
    /// # Errors
    /// Those of opening, reading and writing it.
    pub fn open(path: &Path, rotation: Option<Rotation>) -> io::Result<Self> {
        let mut file = options().create(true).open(path)?;
        end_torn_record(&mut file)?;
        let mut writer = Self {
            path: path.to_owned(),
            file,
            rotation,
            compression: None,
            trouble: None,
        };
        if let Some(rotation) = rotation
            && segment::is_settled(path)?
        {
            // What a writer that was killed may have left, and which is no part of the log.
            segment::remove(&segment::unfinished(path))?;
            writer.compress(rotation)?;
        }
        Ok(writer)
    }

    /// Appends whole records, each with its line feed. What cannot be written is left out, as a
    /// whole; a log that cannot be rotated grows, see [`Self::take_trouble`].
    ///
    /// # Errors
    /// How many records are lost, and why.
    pub fn append(&mut self, mut records: &[u8]) -> Result<(), WriteError> {
        let mut failed: Option<WriteError> = None;
        while !records.is_empty() {
            let room = self.room();
            let (now, later) = records.split_at(whole_records(records, room));
            records = later;
            if let Err(source) = write_whole(&mut self.file, now) {
                let lost = now.iter().filter(|&&byte| byte == b'\n').count() as u64;
                let failed = failed.get_or_insert(WriteError { lost: 0, source });
                failed.lost += lost;
            }
        }
        failed.map_or(Ok(()), Err)
    }

    /// Why the log could not be rotated or compressed, if that failed since the last call.
    pub const fn take_trouble(&mut self) -> Option<io::Error> {
        self.trouble.take()
    }

    /// Bytes until the file is full, after making a new one where it is.
    fn room(&mut self) -> u64 {
        let Some(rotation) = self.rotation else {
            return u64::MAX;
        };
        // Asked each time: an administrator may have emptied it.
        let length = |file: &File| file.metadata().map_or(0, |metadata| metadata.len());
        if length(&self.file) >= rotation.max_size {
            match self.rotate(rotation) {
                Ok(true) => {}
                // As much as there is, until the file before is compressed.
                Ok(false) => return u64::MAX,
                Err(error) => self.trouble = Some(error),
            }
        }
        rotation.max_size.saturating_sub(length(&self.file))
    }

    /// Makes a new file, unless the one before is being compressed and so cannot be moved: that
    /// takes as long as the file is large, and a container's streams must not wait for it.
    fn rotate(&mut self, rotation: Rotation) -> io::Result<bool> {
        if self.is_compressing() || !segment::is_settled(&self.path)? {
            return Ok(false);
        }
        // First what may fail for want of room.
        let next = segment::next(&self.path);
        let file = create(&next)?;
        // With one file alone the new one replaces the old one, and readers finish that.
        if rotation.max_files > 1 {
            segment::make_room(&self.path, rotation.max_files - 1)?;
            let full = segment::plain(&self.path, 1);
            // It is not there if the next step failed the last time.
            segment::if_there(std::fs::rename(&self.path, full))?;
        }
        std::fs::rename(&next, &self.path)?;
        self.file = file;
        self.compress(rotation)?;
        Ok(true)
    }

    /// Begins to compress the file before, if that is wished and there is one that is not. Nobody
    /// waits for the end, which may be this process's: the next writer begins again then.
    fn compress(&mut self, rotation: Rotation) -> io::Result<()> {
        if !rotation.compress || rotation.max_files < 2 {
            return Ok(());
        }
        let Some(full) = segment::lock(&self.path)? else {
            return Ok(());
        };
        let path = self.path.clone();
        let thread = std::thread::Builder::new().name("compress-log".to_owned());
        self.compression = Some(thread.spawn(move || segment::compress(&path, full))?);
        Ok(())
    }

    /// Whether the file before is still being compressed.
    fn is_compressing(&mut self) -> bool {
        let finished = |thread: &mut JoinHandle<_>| thread.is_finished();
        if let Some(compression) = self.compression.take_if(finished) {
            let panicked = |_| Err(io::Error::other("compressing a log panicked"));
            if let Err(error) = compression.join().unwrap_or_else(panicked) {
                self.trouble = Some(error);
            }
        }
        self.compression.is_some()
    }
}

/// Bytes of the records that begin within `room`, but at least of one.
fn whole_records(records: &[u8], room: u64) -> usize {
    let room = usize::try_from(room).unwrap_or(usize::MAX).max(1);
    let from = (room - 1).min(records.len());
    let end = records[from..].iter().position(|&byte| byte == b'\n');
    end.map_or(records.len(), |end| from + end + 1)
}

/// Ends a record that a writer was killed in, so that it spoils no other.
fn end_torn_record(file: &mut File) -> io::Result<()> {
    let length = file.metadata()?.len();
    let mut last = [b'\n'];
    if length > 0 {
        file.read_exact_at(&mut last, length - 1)?;
    }
    if last == [b'\n'] {
        return Ok(());
    }
    file.write_all(b"\n")
}

/// Appends all of `records`, or leaves the file as it was.
fn write_whole(file: &mut File, records: &[u8]) -> io::Result<()> {
    let before = file.metadata()?.len();
    let written = file.write_all(records);
    if written.is_err() {
        // The first error is the one that tells why.
        let _ = file.set_len(before);
    }
    written
}

/// Makes an empty file of a log.
pub(crate) fn create(path: &Path) -> io::Result<File> {
    segment::remove(path)?;
    options().create_new(true).open(path)
}

fn options() -> std::fs::OpenOptions {
    let mut options = File::options();
    options.read(true).append(true).mode(MODE);
    options
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::{LogWriter, Rotation, segment, whole_records};

    fn files(directory: &Path) -> Vec<String> {
        let entries = std::fs::read_dir(directory).expect("a directory");
        let name = |entry: std::fs::DirEntry| entry.file_name().to_string_lossy().into_owned();
        let mut names: Vec<_> = entries
            .map(|entry| name(entry.expect("an entry")))
            .collect();
        names.sort();
        names
    }

    fn rotation(max_size: u64, max_files: u32) -> Option<Rotation> {
        Some(Rotation {
            max_size,
            max_files,
            compress: false,
        })
    }

    #[test]
    fn records_are_cut_at_their_ends() {
        assert_eq!(whole_records(b"ab\ncd\n", 1), 3);
        assert_eq!(whole_records(b"ab\ncd\n", 3), 3);
        assert_eq!(whole_records(b"ab\ncd\n", 4), 6);
        assert_eq!(whole_records(b"ab\ncd\n", 0), 3);
        assert_eq!(whole_records(b"ab\ncd\n", u64::MAX), 6);
    }

    #[test]
    fn full_files_are_numbered_and_the_oldest_goes() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("log");
        let mut writer = LogWriter::open(&path, rotation(4, 3)).expect("a log");
        writer.append(b"1234\n5\n6\n7890\na\n").expect("written");
        assert_eq!(files(directory.path()), ["log", "log.1", "log.2"]);
        let content =
            |name: &str| std::fs::read_to_string(directory.path().join(name)).expect("a file");
        assert_eq!(content("log.2"), "5\n6\n");
        assert_eq!(content("log.1"), "7890\n");
        assert_eq!(content("log"), "a\n");
    }

    #[test]
    fn a_single_file_begins_anew() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("log");
        let mut writer = LogWriter::open(&path, rotation(2, 1)).expect("a log");
        writer.append(b"one\ntwo\n").expect("written");
        assert_eq!(files(directory.path()), ["log"]);
        assert_eq!(std::fs::read_to_string(path).expect("a file"), "two\n");
    }

    #[test]
    fn a_log_that_cannot_be_rotated_grows() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("log");
        let mut writer = LogWriter::open(&path, rotation(2, 3)).expect("a log");
        std::fs::create_dir(directory.path().join("log.new")).expect("an obstacle");
        writer.append(b"one\ntwo\n").expect("written");
        assert!(writer.take_trouble().is_some());
        assert_eq!(
            std::fs::read_to_string(&path).expect("a file"),
            "one\ntwo\n"
        );
        std::fs::remove_dir(directory.path().join("log.new")).expect("no obstacle");
        writer.append(b"three\n").expect("written");
        assert!(writer.take_trouble().is_none());
        assert_eq!(std::fs::read_to_string(&path).expect("a file"), "three\n");
    }

    #[test]
    fn a_log_grows_while_the_file_before_is_compressed() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("log");
        std::fs::write(&path, "two\n").expect("a log");
        std::fs::write(directory.path().join("log.1"), "one\n").expect("a file");
        // As a writer does that has gone without waiting for it.
        let full = segment::lock(&path).expect("a lock").expect("a file");
        std::fs::write(directory.path().join("log.gz.new"), "part").expect("a file");
        let mut rotation = rotation(2, 3).expect("a rotation");
        rotation.compress = true;
        let mut writer = LogWriter::open(&path, Some(rotation)).expect("a log");
        writer.append(b"three\n").expect("written");
        assert_eq!(files(directory.path()), ["log", "log.1", "log.gz.new"]);
        segment::compress(&path, full).expect("compressed");
        writer.append(b"four\n").expect("written");
        assert_eq!(std::fs::read_to_string(&path).expect("a file"), "four\n");
        let there = files(directory.path());
        assert!(there.contains(&"log.2.gz".to_owned()), "{there:?}");
        assert!(writer.take_trouble().is_none());
    }

    #[test]
    fn a_torn_record_spoils_no_other() {
        let directory = tempfile::tempdir().expect("a directory");
        let path = directory.path().join("log");
        std::fs::write(&path, "whole\nto").expect("a log");
        let mut writer = LogWriter::open(&path, None).expect("a log");
        writer.append(b"next\n").expect("written");
        assert_eq!(
            std::fs::read_to_string(&path).expect("a file"),
            "whole\nto\nnext\n"
        );
    }

    #[test]
    fn a_full_disk_loses_records_and_no_more() {
        let Ok(mut writer) = LogWriter::open(Path::new("/dev/full"), None) else {
            return;
        };
        let error = writer.append(b"one\ntwo\n").expect_err("full");
        assert_eq!(error.lost, 2);
    }
}
