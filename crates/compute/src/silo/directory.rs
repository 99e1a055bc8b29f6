//! A system's run directory.
//!
//! ```text
//! compute/<id>/silo.json        what the supervisor builds
//!              settings.json    the settings beside the document
//!              notes            what must outlive a crash of the service, a JSON line each
//!              document.json    the HCS document; written last: with it the system exists
//!              supervisor.sock  the supervisor's, as are supervisor.log and exit.json
//! ```

use std::collections::BTreeSet;
use std::fs::{self, DirBuilder, File};
use std::io::{self, Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, PoisonError};

use porthole_hcs as hcs;
use porthole_protocol::supervisor::{
    CONTROL_SOCKET, EXIT_RECORD, ExitRecord, LOG_FILE, SPEC_FILE, SiloSpec,
};
use rustix::fs::FlockOperation;
use serde::{Serialize, de::DeserializeOwned};

use crate::service::backend::{Note, without};
use crate::settings::SystemSettings;

const DOCUMENT: &str = "document.json";
const SETTINGS: &str = "settings.json";
const NOTES: &str = "notes";

/// The most that is read of any file, in bytes.
const MAX_FILE: u64 = 64 << 20;

/// The most that is told of a supervisor's log, in bytes.
const MAX_LOG_TAIL: u64 = 4096;

/// A system's run directory.
#[derive(Debug, Clone)]
pub struct RunDirectory {
    path: PathBuf,
    /// Held while notes are written: none may be added to a file that is being replaced.
    notes: Arc<Mutex<()>>,
}

impl RunDirectory {
    /// The directory at `path`, which need not exist.
    #[must_use]
    pub fn new(path: PathBuf) -> Self {
        Self {
            path,
            notes: Arc::default(),
        }
    }

    /// Makes it, for root alone.
    ///
    /// # Errors
    /// It cannot be made.
    pub fn make(&self) -> io::Result<()> {
        DirBuilder::new().mode(0o700).create(&self.path)
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The supervisor's socket.
    #[must_use]
    pub fn socket(&self) -> PathBuf {
        self.path.join(CONTROL_SOCKET)
    }

    /// The supervisor's exit record, if it left one.
    ///
    /// # Errors
    /// It cannot be read; `InvalidData` for one that is none.
    pub fn exit_record(&self) -> io::Result<Option<ExitRecord>> {
        self.read_if_there(EXIT_RECORD)
    }

    /// Writes an exit record in a supervisor's stead.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write_exit_record(&self, record: &ExitRecord) -> io::Result<()> {
        self.write(EXIT_RECORD, record)
    }

    /// What the supervisor builds.
    ///
    /// # Errors
    /// It cannot be read.
    pub fn spec(&self) -> io::Result<SiloSpec> {
        self.read(SPEC_FILE)
    }

    /// Writes what the supervisor builds.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write_spec(&self, spec: &SiloSpec) -> io::Result<()> {
        self.write(SPEC_FILE, spec)
    }

    /// Document and settings of a system; nothing for one that was only half made.
    ///
    /// # Errors
    /// They cannot be read, and the system may well exist.
    pub fn documents(&self) -> io::Result<Option<(hcs::ComputeSystem, SystemSettings)>> {
        match self.read_if_there(DOCUMENT)? {
            Some(document) => Ok(Some((document, self.read(SETTINGS)?))),
            None => Ok(None),
        }
    }

    /// Writes the settings.
    ///
    /// # Errors
    /// They cannot be written.
    pub fn write_settings(&self, settings: &SystemSettings) -> io::Result<()> {
        self.write(SETTINGS, settings)
    }

    /// Writes the document: from now on the system exists.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn write_document(&self, document: &hcs::ComputeSystem) -> io::Result<()> {
        self.write(DOCUMENT, document)
    }

    /// Appends a note.
    ///
    /// # Errors
    /// It cannot be written.
    pub fn note(&self, note: &Note) -> io::Result<()> {
        // On a line of its own, whatever a write that was cut short has left before.
        let line = [b"\n", serde_json::to_vec(note)?.as_slice(), b"\n"].concat();
        let _alone = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        let mut file = File::options()
            .append(true)
            .create(true)
            .mode(0o600)
            .open(self.path.join(NOTES))?;
        let before = file.metadata()?.len();
        let written = file.write_all(&line);
        if written.is_err() {
            // It counts as not noted. The first error is the one that tells why.
            let _ = file.set_len(before);
        }
        written
    }

    /// All notes. A last one that was cut short was never acted upon.
    ///
    /// # Errors
    /// They cannot be read.
    pub fn notes(&self) -> io::Result<Vec<Note>> {
        let text = match read_bounded(&self.path.join(NOTES)) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(Vec::new()),
            text => text?,
        };
        let lines = text.split(|byte| *byte == b'\n');
        Ok(lines
            .filter_map(|line| serde_json::from_slice(line).ok())
            .collect())
    }

    /// Writes the notes anew, without those of processes that are forgotten.
    ///
    /// # Errors
    /// They cannot be read or written; then they are as they were.
    pub fn forget(&self, keys: &BTreeSet<u32>) -> io::Result<()> {
        let _alone = self.notes.lock().unwrap_or_else(PoisonError::into_inner);
        let mut text = Vec::new();
        for note in without(self.notes()?, keys) {
            serde_json::to_writer(&mut text, &note)?;
            text.push(b'\n');
        }
        self.replace(NOTES, &text)
    }

    /// Whether a supervisor runs: it holds a lock on the directory for as long as it lives.
    ///
    /// # Errors
    /// The directory cannot be opened.
    pub fn is_supervised(&self) -> io::Result<bool> {
        let directory = File::open(&self.path)?;
        match rustix::fs::flock(&directory, FlockOperation::NonBlockingLockShared) {
            Ok(()) => Ok(false),
            Err(rustix::io::Errno::WOULDBLOCK) => Ok(true),
            Err(error) => Err(error.into()),
        }
    }

    /// The end of the supervisor's log, for an error message.
    #[must_use]
    pub fn log_tail(&self) -> String {
        let tail = || -> io::Result<String> {
            let mut file = File::open(self.path.join(LOG_FILE))?;
            let skipped = file.metadata()?.len().saturating_sub(MAX_LOG_TAIL);
            io::Seek::seek(&mut file, io::SeekFrom::Start(skipped))?;
            let mut text = Vec::new();
            file.take(MAX_LOG_TAIL).read_to_end(&mut text)?;
            Ok(String::from_utf8_lossy(&text).trim().to_owned())
        };
        tail().unwrap_or_default()
    }

    /// Removes it with everything in it.
    ///
    /// # Errors
    /// It is there and cannot be removed.
    pub fn remove(&self) -> io::Result<()> {
        match fs::remove_dir_all(&self.path) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
            result => result,
        }
    }

    fn read<T: DeserializeOwned>(&self, name: &str) -> io::Result<T> {
        let text = read_bounded(&self.path.join(name))?;
        let invalid = |error| io::Error::new(io::ErrorKind::InvalidData, error);
        serde_json::from_slice(&text).map_err(invalid)
    }

    fn read_if_there<T: DeserializeOwned>(&self, name: &str) -> io::Result<Option<T>> {
        match self.read(name) {
            Ok(content) => Ok(Some(content)),
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
            Err(error) => Err(error),
        }
    }

    fn write<T: Serialize>(&self, name: &str, content: &T) -> io::Result<()> {
        self.replace(name, &serde_json::to_vec(content)?)
    }

    /// Writes a file in one step: a reader finds the old one or the new one, whole.
    fn replace(&self, name: &str, content: &[u8]) -> io::Result<()> {
        let temporary = self.path.join(format!("{name}.new"));
        let mut file = File::options()
            .write(true)
            .create(true)
            .truncate(true)
            .mode(0o600)
            .open(&temporary)?;
        file.write_all(content)?;
        fs::rename(&temporary, self.path.join(name))
    }
}

fn read_bounded(path: &Path) -> io::Result<Vec<u8>> {
    let mut text = Vec::new();
    File::open(path)?.take(MAX_FILE).read_to_end(&mut text)?;
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn directory() -> (tempfile::TempDir, RunDirectory) {
        let parent = tempfile::tempdir().unwrap();
        let directory = RunDirectory::new(parent.path().join("c1"));
        directory.make().unwrap();
        (parent, directory)
    }

    #[test]
    fn notes_come_back_and_a_torn_one_is_left_out() {
        let (_parent, directory) = directory();
        assert_eq!(directory.notes().unwrap(), []);
        let notes = [Note::Begin, Note::ProcessCreated { key: 1, pid: 32 }];
        for note in &notes {
            directory.note(note).unwrap();
        }
        let mut file = File::options()
            .append(true)
            .open(directory.path().join(NOTES))
            .unwrap();
        file.write_all(b"{\"ProcessFa").unwrap();
        assert_eq!(directory.notes().unwrap(), notes);
        directory.note(&Note::Thawed).unwrap();
        let [begin, created] = notes;
        assert_eq!(directory.notes().unwrap(), [begin, created, Note::Thawed]);
    }

    #[test]
    fn notes_of_forgotten_processes_go_and_their_keys_stay_given() {
        let (_parent, directory) = directory();
        let intended = |key| Note::ProcessIntended {
            key,
            main: key == 1,
            console: false,
            token: 0,
        };
        let created = |key| Note::ProcessCreated { key, pid: key * 4 };
        let noted = [
            Note::Begin,
            intended(1),
            created(1),
            intended(3),
            Note::Freezing,
            Note::Thawed,
            created(3),
            intended(2),
            Note::ProcessFailed { key: 2 },
        ];
        for note in &noted {
            directory.note(note).unwrap();
        }
        let left = [
            Note::KeysGiven { below: 4 },
            Note::Begin,
            intended(1),
            created(1),
            Note::Thawed,
        ];
        for _ in 0..2 {
            directory.forget(&BTreeSet::from([2, 3])).unwrap();
            assert_eq!(directory.notes().unwrap(), left);
        }
        directory.note(&intended(4)).unwrap();
        assert_eq!(directory.notes().unwrap().last(), Some(&intended(4)));
    }

    #[test]
    fn a_supervisor_is_told_by_its_lock() {
        let (_parent, directory) = directory();
        assert!(!directory.is_supervised().unwrap());
        let lock = File::open(directory.path()).unwrap();
        rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive).unwrap();
        assert!(directory.is_supervised().unwrap());
    }

    #[test]
    fn a_half_made_system_has_no_document() {
        let (_parent, directory) = directory();
        assert!(directory.documents().unwrap().is_none());
        // This one has a document, whatever may be wrong with it.
        fs::write(directory.path().join(DOCUMENT), "").unwrap();
        assert!(directory.documents().is_err());
        directory.remove().unwrap();
        directory.remove().unwrap();
    }
}
