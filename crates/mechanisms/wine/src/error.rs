//! The crate's errors.

use std::path::Path;

/// The result of an operation on a kernel package or a registry.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of failure it is; all that control flow may look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// There is no kernel package, or not the one asked for.
    NoKernel,
    /// A file has not the form it should have.
    Malformed,
    /// The file system is full.
    NoSpace,
    /// The file system failed.
    Io,
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
    pub(crate) fn new(
        kind: ErrorKind,
        operation: &'static str,
        subject: &Path,
        message: impl Into<String>,
    ) -> Self {
        Self {
            kind,
            operation,
            subject: subject.display().to_string(),
            message: message.into(),
            source: None,
        }
    }

    pub(crate) fn with_source(
        mut self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        self.source = Some(source.into());
        self
    }

    /// The kind.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }
}

/// Turns an I/O result into the crate's, naming the operation and the path.
pub(crate) trait IoContext<T> {
    /// See the trait.
    fn at(self, operation: &'static str, path: &Path) -> Result<T>;
}

impl<T, E: Into<std::io::Error>> IoContext<T> for std::result::Result<T, E> {
    fn at(self, operation: &'static str, path: &Path) -> Result<T> {
        self.map_err(|error| {
            let source: std::io::Error = error.into();
            let (kind, message) = match source.kind() {
                std::io::ErrorKind::StorageFull => (ErrorKind::NoSpace, "the file system is full"),
                std::io::ErrorKind::NotFound => (ErrorKind::Io, "there is no such file"),
                _ => (ErrorKind::Io, "the file system failed"),
            };
            Error::new(kind, operation, path, message).with_source(source)
        })
    }
}
