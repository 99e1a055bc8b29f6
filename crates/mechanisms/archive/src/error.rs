//! The error of every operation on a drive or an archive.

use std::error::Error as _;
use std::fmt;
use std::io;

use porthole_protocol::archive::{Failure, FailureKind};
use rustix::io::Errno;

/// A failed operation: its kind, what was attempted on what, and the cause.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    kind: FailureKind,
    message: String,
    source: Option<io::Error>,
}

/// The result of an operation of this crate.
pub type Result<T, E = Error> = std::result::Result<T, E>;

impl Error {
    /// An error of `kind`; `message` says what was attempted on what, and why it failed.
    pub fn new(kind: FailureKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            source: None,
        }
    }

    /// The place is not there.
    pub(crate) fn not_found() -> Self {
        Self::new(FailureKind::NotFound, "no such file or directory")
    }

    /// An entry of an archive that cannot be unpacked.
    pub(crate) fn entry(name: &[u8], why: impl fmt::Display) -> Self {
        let name = String::from_utf8_lossy(name);
        Self::new(
            FailureKind::BadArchive,
            format!("invalid entry {name:?} in the archive: {why}"),
        )
    }

    /// The kind.
    #[must_use]
    pub fn kind(&self) -> FailureKind {
        self.kind
    }

    /// As the protocol reports it.
    #[must_use]
    pub fn into_failure(self) -> Failure {
        let message = match self.source() {
            Some(source) => format!("{self}: {source}"),
            None => self.to_string(),
        };
        Failure {
            kind: self.kind,
            message,
        }
    }
}

/// Adds what was attempted to an operating system error.
pub(crate) trait Context<T> {
    /// Names what was done, to what.
    fn at(self, operation: &str, subject: impl fmt::Display) -> Result<T>;
}

impl<T, E: Into<io::Error>> Context<T> for std::result::Result<T, E> {
    fn at(self, operation: &str, subject: impl fmt::Display) -> Result<T> {
        self.map_err(|error| {
            let source = error.into();
            if Errno::from_io_error(&source) == Some(Errno::ROFS) {
                // Docker's text.
                return Error::new(FailureKind::ReadOnly, "mounted volume is marked read-only");
            }
            Error {
                kind: FailureKind::Host,
                message: format!("cannot {operation} {subject}"),
                source: Some(source),
            }
        })
    }
}
