//! The store's errors.

use std::path::{Path, PathBuf};

/// The result of a store operation.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of failure it is; all that control flow may look at.
#[derive(Debug, Clone, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// Nothing has this ID, name or digest.
    NotFound,
    /// A short ID fits more than one object.
    Ambiguous,
    /// Another container has the name.
    NameInUse {
        /// That container's ID.
        holder: String,
    },
    /// Something has this ID already.
    AlreadyExists,
    /// Something else needs it.
    InUse,
    /// A name, digest, reference or document from outside is not well-formed.
    Invalid,
    /// Another daemon uses the data root.
    Locked,
    /// The bytes are not those that their digest promises.
    DigestMismatch,
    /// The database was written by a newer version.
    NewerSchema,
    /// The file system is full.
    NoSpace,
    /// The file system failed.
    Io,
    /// The database failed.
    Database,
}

/// A failed operation: what was attempted on what, and why it failed. `Display` leaves out the
/// source.
#[derive(Debug, thiserror::Error)]
#[error("{operation} {subject}: {message}")]
pub struct Error {
    kind: ErrorKind,
    operation: &'static str,
    subject: String,
    message: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error without a cause below it.
    pub(crate) fn new(
        kind: ErrorKind,
        operation: &'static str,
        subject: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self {
            kind,
            operation,
            subject: subject.into(),
            message: message.into(),
            source: None,
        }
    }

    /// Adds the cause.
    pub(crate) fn with_source(
        mut self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        self.source = Some(source.into());
        self
    }

    /// A failure of the file system at `path`.
    pub(crate) fn io(operation: &'static str, path: &Path, source: std::io::Error) -> Self {
        let (kind, message) = match source.kind() {
            std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
                (ErrorKind::NoSpace, "the file system is full")
            }
            std::io::ErrorKind::NotFound => (ErrorKind::Io, "a file is missing"),
            _ => (ErrorKind::Io, "the file system failed"),
        };
        Self::new(kind, operation, path.display().to_string(), message).with_source(source)
    }

    /// A failure of the database.
    pub(crate) fn database(
        operation: &'static str,
        subject: impl Into<String>,
        source: rusqlite::Error,
    ) -> Self {
        let full = source.sqlite_error_code() == Some(rusqlite::ErrorCode::DiskFull);
        let (kind, message) = if full {
            (ErrorKind::NoSpace, "the file system is full")
        } else {
            (ErrorKind::Database, "the database failed")
        };
        Self::new(kind, operation, subject, message).with_source(source)
    }

    /// The kind.
    #[must_use]
    pub const fn kind(&self) -> &ErrorKind {
        &self.kind
    }

    /// What was attempted: a verb, for example `create container`.
    #[must_use]
    pub const fn operation(&self) -> &'static str {
        self.operation
    }

    /// On what: an ID, a name or a path.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Whether nothing has the ID, name or digest.
    #[must_use]
    pub const fn is_not_found(&self) -> bool {
        matches!(self.kind, ErrorKind::NotFound)
    }
}

/// A name, a digest or a document that is not well-formed.
impl From<porthole_oci::Error> for Error {
    fn from(error: porthole_oci::Error) -> Self {
        let invalid = Self::new(
            ErrorKind::Invalid,
            error.operation(),
            error.subject(),
            error.message(),
        );
        match error.into_source() {
            Some(source) => invalid.with_source(source),
            None => invalid,
        }
    }
}

/// Turns an I/O result into the store's, naming the operation and the path.
pub(crate) trait IoContext<T> {
    /// See the trait.
    fn at(self, operation: &'static str, path: impl Into<PathBuf>) -> Result<T>;
}

impl<T, E: Into<std::io::Error>> IoContext<T> for std::result::Result<T, E> {
    fn at(self, operation: &'static str, path: impl Into<PathBuf>) -> Result<T> {
        self.map_err(|error| Error::io(operation, &path.into(), error.into()))
    }
}
