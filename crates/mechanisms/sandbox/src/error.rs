//! The error of every operation on the host's isolation facilities.

use std::io;
use std::path::Path;

/// What kind of thing went wrong; all that control flow may look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The host lacks a facility (an old kernel, a hierarchy that is not mounted).
    Unsupported,
    /// The plan asks for something that cannot be: a bad path, a bad limit.
    InvalidPlan,
    /// The operating system refused.
    Host,
}

/// A failed operation: its kind, what was done to what, and the operating system's reason.
#[derive(Debug, thiserror::Error)]
#[error("cannot {operation} {subject}")]
pub struct SandboxError {
    kind: ErrorKind,
    operation: &'static str,
    subject: String,
    source: io::Error,
}

/// The result of an operation of this crate.
pub type Result<T> = std::result::Result<T, SandboxError>;

impl SandboxError {
    /// An error of the given kind. `operation` is a verb phrase, `subject` what it was done to.
    pub fn new(
        kind: ErrorKind,
        operation: &'static str,
        subject: impl Into<String>,
        source: impl Into<io::Error>,
    ) -> Self {
        Self {
            kind,
            operation,
            subject: subject.into(),
            source: source.into(),
        }
    }

    /// A plan that cannot be carried out, for the reason given.
    pub fn invalid(operation: &'static str, subject: impl Into<String>, reason: &str) -> Self {
        Self::new(
            ErrorKind::InvalidPlan,
            operation,
            subject,
            io::Error::other(reason.to_owned()),
        )
    }

    /// The kind.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The error number, where the operating system gave one.
    #[must_use]
    pub fn raw_os_error(&self) -> Option<i32> {
        self.source.raw_os_error()
    }

    /// The whole chain of causes in one line, outermost first, joined by `: `.
    #[must_use]
    pub fn chain(&self) -> String {
        format!("{self}: {}", self.source)
    }
}

/// Adds operation and subject to an operating system error.
pub(crate) trait Context<T> {
    /// Names what was done and to what.
    fn context(self, operation: &'static str, subject: impl Into<String>) -> Result<T>;

    /// Names what was done and to which path.
    fn at(self, operation: &'static str, path: impl AsRef<Path>) -> Result<T>
    where
        Self: Sized,
    {
        self.context(operation, path.as_ref().display().to_string())
    }
}

impl<T, E: Into<io::Error>> Context<T> for std::result::Result<T, E> {
    fn context(self, operation: &'static str, subject: impl Into<String>) -> Result<T> {
        self.map_err(|error| SandboxError::new(ErrorKind::Host, operation, subject, error))
    }
}
