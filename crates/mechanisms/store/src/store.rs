//! The handle to a data root.

use std::fs::{File, OpenOptions};
use std::os::unix::fs::OpenOptionsExt;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use porthole_files::{GRACE, lock_within};
use porthole_oci::Digest;
use rusqlite::{Connection, Transaction, TransactionBehavior};

use crate::error::{Error, ErrorKind, IoContext, Result};
use crate::recovery::{self, Recovery};
use crate::root::DataRoot;
use crate::schema;
use crate::staging::{BlobWriter, StagingDirectory};

/// A handle to a data root; cheap to clone, usable from every thread.
#[derive(Debug, Clone)]
pub struct Store {
    shared: Arc<Shared>,
}

#[derive(Debug)]
struct Shared {
    root: DataRoot,
    database: Mutex<Connection>,
    /// The daemon's claim on the root; lasts as long as any handle.
    _lock: Option<File>,
}

impl Store {
    /// Opens a data root for a daemon, making it if there is none, and cleans up after a crash.
    ///
    /// # Errors
    /// [`ErrorKind::Locked`] when another daemon has it, [`ErrorKind::NewerSchema`], or a failure
    /// of file system or database.
    pub fn open(root: impl Into<PathBuf>) -> Result<(Self, Recovery)> {
        let root = DataRoot::new(root);
        root.create()?;
        let lock = lock(&root)?;
        let store = Self::connect(root, Some(lock))?;
        let recovery = recovery::recover(&store)?;
        Ok((store, recovery))
    }

    /// Opens a data root beside a daemon that may be running, to add or look at images. Only a
    /// daemon may make containers.
    ///
    /// # Errors
    /// As [`Store::open`], without [`ErrorKind::Locked`].
    pub fn open_beside_daemon(root: impl Into<PathBuf>) -> Result<Self> {
        let root = DataRoot::new(root);
        root.create()?;
        Self::connect(root, None)
    }

    /// The layout of the data root.
    #[must_use]
    pub fn root(&self) -> &DataRoot {
        &self.shared.root
    }

    /// A directory for unfinished work on the store's file system.
    ///
    /// # Errors
    /// [`ErrorKind::NoSpace`] and [`ErrorKind::Io`].
    pub fn staging_directory(&self) -> Result<StagingDirectory> {
        StagingDirectory::create(&self.root().staging())
    }

    /// Begins a blob of at most `limit` bytes.
    ///
    /// # Errors
    /// [`ErrorKind::NoSpace`] and [`ErrorKind::Io`].
    pub fn blob_writer(&self, limit: u64) -> Result<BlobWriter> {
        BlobWriter::create(self.staging_directory()?, limit)
    }

    /// Whether the store has the blob.
    ///
    /// # Errors
    /// A failure of the database.
    pub fn has_blob(&self, digest: Digest) -> Result<bool> {
        crate::blobs::exists(&self.connection(), digest)
    }

    fn connect(root: DataRoot, lock: Option<File>) -> Result<Self> {
        let database = schema::open(&root.database())?;
        Ok(Self {
            shared: Arc::new(Shared {
                root,
                database: Mutex::new(database),
                _lock: lock,
            }),
        })
    }

    /// The connection. A panic in another holder leaves no transaction open (dropping one rolls it
    /// back), so a poisoned lock is as good as a clean one.
    pub(crate) fn connection(&self) -> MutexGuard<'_, Connection> {
        self.shared
            .database
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
    }

    /// Runs `work` in a transaction that holds the database's write lock from its start; commits
    /// when `work` succeeds.
    pub(crate) fn write<T>(
        &self,
        operation: &'static str,
        subject: &str,
        work: impl FnOnce(&Transaction<'_>) -> Result<T>,
    ) -> Result<T> {
        let database = |error| Error::database(operation, subject, error);
        let mut connection = self.connection();
        let transaction = connection
            .transaction_with_behavior(TransactionBehavior::Immediate)
            .map_err(database)?;
        let value = work(&transaction)?;
        transaction.commit().map_err(database)?;
        Ok(value)
    }
}

fn lock(root: &DataRoot) -> Result<File> {
    let path = root.lock();
    let file = OpenOptions::new()
        .create(true)
        .truncate(false)
        .write(true)
        .mode(0o600)
        .open(&path)
        .at("open lock", &path)?;
    if lock_within(&file, GRACE).at("lock data root", &path)? {
        Ok(file)
    } else {
        Err(Error::new(
            ErrorKind::Locked,
            "open data root",
            root.path().display().to_string(),
            "another daemon uses it",
        ))
    }
}
