//! Unfinished work: directories and blobs that are not yet part of the store.
//!
//! Each piece of work has a directory of its own in `tmp/`, and holds a lock on it for as long as
//! it is being worked on. The lock ends with the process, so recovery tells work under way (in
//! another process, such as a base build beside a running daemon) from leftovers by trying it.

use std::fs::File;
use std::io::{self, Read, Write};
use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use porthole_files::delete_tree;
use porthole_oci::Digest;
use rustix::fs::FlockOperation;
use sha2::Digest as _;

use crate::error::{Error, ErrorKind, IoContext, Result};

/// A directory for unfinished work, on the store's file system; deleted when dropped.
#[derive(Debug)]
pub struct StagingDirectory {
    path: PathBuf,
    /// Holds the lock: must live as long as the directory.
    lock: File,
}

impl StagingDirectory {
    /// Makes one in `parent`.
    pub(crate) fn create(parent: &Path) -> Result<Self> {
        loop {
            let path = parent.join(uuid::Uuid::new_v4().simple().to_string());
            std::fs::DirBuilder::new()
                .mode(0o700)
                .create(&path)
                .at("create staging directory", &path)?;
            if let Some(lock) = try_lock(&path)? {
                return Ok(Self { path, lock });
            }
            // Recovery elsewhere took it for abandoned before it was locked.
        }
    }

    /// Where it is.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }
}

impl Drop for StagingDirectory {
    fn drop(&mut self) {
        // The lock is still held here, so that recovery elsewhere does not delete concurrently.
        if let Err(error) = delete_tree(&self.path) {
            tracing::warn!(path = %self.path.display(), %error, "staging directory left for recovery");
        }
        let _ = rustix::fs::flock(&self.lock, FlockOperation::Unlock);
    }
}

/// Deletes staging directories that no process works on; returns how many.
pub(crate) fn delete_abandoned(parent: &Path) -> Result<usize> {
    let mut deleted = 0;
    for entry in std::fs::read_dir(parent).at("list staging directories", parent)? {
        let path = entry.at("list staging directories", parent)?.path();
        if let Some(_lock) = try_lock(&path)? {
            delete_tree(&path).at("delete abandoned work", &path)?;
            deleted += 1;
        }
    }
    Ok(deleted)
}

/// Staging directories that no process works on.
pub(crate) fn abandoned(parent: &Path) -> Result<Vec<PathBuf>> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(parent).at("list staging directories", parent)? {
        let path = entry.at("list staging directories", parent)?.path();
        if try_lock(&path)?.is_some() {
            found.push(path);
        }
    }
    Ok(found)
}

/// Locks a staging directory, unless another process has it locked or has deleted it.
fn try_lock(path: &Path) -> Result<Option<File>> {
    let lock = match File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file.at("open staging directory", path)?,
    };
    match rustix::fs::flock(&lock, FlockOperation::NonBlockingLockExclusive) {
        Err(rustix::io::Errno::WOULDBLOCK) => return Ok(None),
        locked => locked.at("lock staging directory", path)?,
    }
    // A lock on what was deleted meanwhile locks nothing.
    Ok(path.exists().then_some(lock))
}

/// Takes a blob's bytes and hashes them on the way.
#[derive(Debug)]
pub struct BlobWriter {
    directory: StagingDirectory,
    file: File,
    hasher: sha2::Sha256,
    size: u64,
    limit: u64,
}

impl BlobWriter {
    pub(crate) fn create(directory: StagingDirectory, limit: u64) -> Result<Self> {
        let path = directory.path().join("blob");
        let file = File::create_new(&path).at("create blob", &path)?;
        Ok(Self {
            directory,
            file,
            hasher: sha2::Sha256::new(),
            size: 0,
            limit,
        })
    }

    /// Ends the blob; its bytes are on disk afterwards.
    ///
    /// # Errors
    /// [`ErrorKind::DigestMismatch`] when `expected` is another digest than that of the bytes;
    /// [`ErrorKind::NoSpace`] and [`ErrorKind::Io`].
    pub fn finish(self, expected: Option<Digest>) -> Result<StagedBlob> {
        let path = self.directory.path().join("blob");
        let digest = Digest::from_bytes(self.hasher.finalize().into());
        if let Some(expected) = expected.filter(|expected| *expected != digest) {
            return Err(Error::new(
                ErrorKind::DigestMismatch,
                "store blob",
                expected.to_string(),
                format!("the bytes have the digest {digest}"),
            ));
        }
        self.file.sync_all().at("sync blob", &path)?;
        Ok(StagedBlob {
            directory: self.directory,
            digest,
            size: self.size,
        })
    }

    /// Copies all of `source`, then ends the blob.
    ///
    /// # Errors
    /// As [`BlobWriter::finish`], and what reading gives.
    pub fn copy_from(
        mut self,
        source: &mut dyn Read,
        expected: Option<Digest>,
    ) -> Result<StagedBlob> {
        let path = self.directory.path().join("blob");
        io::copy(source, &mut self).at("write blob", path)?;
        self.finish(expected)
    }
}

impl Write for BlobWriter {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.file.write(bytes)?;
        self.size += written as u64;
        if self.size > self.limit {
            return Err(io::Error::new(
                io::ErrorKind::FileTooLarge,
                format!("the blob is larger than {} bytes", self.limit),
            ));
        }
        self.hasher.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.file.flush()
    }
}

/// A blob that is complete and on disk but not yet part of the store; forgotten when dropped.
#[derive(Debug)]
pub struct StagedBlob {
    directory: StagingDirectory,
    digest: Digest,
    size: u64,
}

impl StagedBlob {
    /// The digest of its bytes.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        self.digest
    }

    /// How many bytes it has.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.size
    }

    /// Where the bytes are until it becomes part of the store.
    #[must_use]
    pub fn path(&self) -> PathBuf {
        self.directory.path().join("blob")
    }
}
