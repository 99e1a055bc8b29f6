//! The crate's errors.

use std::path::Path;

/// The result of building, checking or listing.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of failure it is; all that control flow may look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// No mirror is known, or it cannot be reached, or lacks a file.
    Mirror,
    /// The mirror's content is not what Debian has signed.
    Untrusted,
    /// A program of the host is missing, or failed.
    Tool,
    /// Wine did not do what it should while the registry was made.
    Wine,
    /// A file has not the form it should have.
    Malformed,
    /// An installed kernel package or base is not what was built.
    Damaged,
    /// Nothing of that name is installed.
    NotFound,
    /// Another build is under way.
    Busy,
    /// The caller may not do this.
    Denied,
    /// The file system is full.
    NoSpace,
    /// The file system failed.
    Io,
    /// The image store failed.
    Store,
}

/// A failed operation: what was attempted on what, and why it failed. `Display` leaves out the
/// source and the remedy.
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

    pub(crate) fn with_source(
        mut self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        self.source = Some(source.into());
        self
    }

    /// A file that has not the form it should have.
    pub(crate) fn malformed(
        operation: &'static str,
        subject: impl Into<String>,
        message: impl Into<String>,
    ) -> Self {
        Self::new(ErrorKind::Malformed, operation, subject, message)
    }

    /// The kind.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What the user can do about it: a sentence, or nothing.
    #[must_use]
    pub const fn remedy(&self) -> Option<&'static str> {
        match self.kind {
            ErrorKind::Mirror => Some(
                "check the network and the proxy (http_proxy), or name another Debian mirror with --mirror URL; \
                 what has been downloaded is kept",
            ),
            ErrorKind::Untrusted => Some("use another mirror: --mirror URL"),
            ErrorKind::Tool => Some("install gpgv, debian-archive-keyring and util-linux"),
            ErrorKind::NoSpace => Some(
                "free at least 2 GB in the data root, then run the command again: it goes on where it stopped",
            ),
            ErrorKind::Damaged => Some(
                "remove the image with `porthole images rm`, then build it again with `porthole base build`",
            ),
            ErrorKind::NotFound => {
                Some("run `porthole base build nanoserver` or `porthole base build servercore`")
            }
            ErrorKind::Busy => Some("wait for the other `porthole base build`"),
            ErrorKind::Denied => Some("run the command as root"),
            ErrorKind::Wine | ErrorKind::Malformed | ErrorKind::Io | ErrorKind::Store => None,
        }
    }
}

/// Turns an I/O result into the crate's, naming the operation and the path.
pub(crate) trait IoContext<T> {
    /// See the trait.
    fn at(self, operation: &'static str, path: impl AsRef<Path>) -> Result<T>;
}

impl<T, E: Into<std::io::Error>> IoContext<T> for std::result::Result<T, E> {
    fn at(self, operation: &'static str, path: impl AsRef<Path>) -> Result<T> {
        self.map_err(|error| {
            let source: std::io::Error = error.into();
            let (kind, message) = match source.kind() {
                std::io::ErrorKind::StorageFull | std::io::ErrorKind::QuotaExceeded => {
                    (ErrorKind::NoSpace, "the file system is full")
                }
                std::io::ErrorKind::NotFound => (ErrorKind::Io, "there is no such file"),
                std::io::ErrorKind::PermissionDenied => (ErrorKind::Denied, "permission denied"),
                _ => (ErrorKind::Io, "the file system failed"),
            };
            Error::new(
                kind,
                operation,
                path.as_ref().display().to_string(),
                message,
            )
            .with_source(source)
        })
    }
}
