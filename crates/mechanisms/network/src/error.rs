//! The network's errors.

use std::io;
use std::path::Path;

/// The result of a network operation.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of failure it is; all that control flow may look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The endpoint exists already.
    AlreadyExists,
    /// An ID or address that is none, or one of a family that does not fit.
    Invalid,
    /// Another endpoint has the host's port; the message is Docker's.
    PortAllocated,
    /// A program of the host has the port; the message is Docker's.
    PortInUse,
    /// Every port of the ephemeral range is taken.
    NoFreePort,
    /// Every address of the subnet is taken.
    NoFreeAddress,
    /// No subnet is left that the host has no route to.
    NoFreeSubnet,
    /// The bridge's name belongs to an interface that is none of ours.
    NameTaken,
    /// A tool that is needed (`nft`) is not installed.
    ToolMissing,
    /// A tool refused what it was asked.
    Tool,
    /// The kernel refused or failed something.
    Kernel,
}

/// A failed operation: what was attempted on what, and why it failed. `Display` leaves out the
/// source.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    kind: ErrorKind,
    operation: &'static str,
    subject: String,
    message: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error whose message says all, without naming the operation: Docker's texts.
    pub(crate) fn plain(
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

    /// An error that begins with what was attempted.
    pub(crate) fn new(
        kind: ErrorKind,
        operation: &'static str,
        subject: impl Into<String>,
        message: impl AsRef<str>,
    ) -> Self {
        let subject = subject.into();
        let message = format!("{operation} {subject}: {}", message.as_ref());
        Self {
            kind,
            operation,
            subject,
            message,
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

    /// A failure of a system call about `path`.
    pub(crate) fn io(operation: &'static str, path: &Path, source: impl Into<io::Error>) -> Self {
        Self::new(
            ErrorKind::Kernel,
            operation,
            path.display().to_string(),
            "the kernel refused it",
        )
        .with_source(source.into())
    }

    /// A failure of a netlink request about the interface or namespace `subject`.
    pub(crate) fn netlink(
        operation: &'static str,
        subject: &str,
        source: rtnetlink::Error,
    ) -> Self {
        let error = Self::new(
            ErrorKind::Kernel,
            operation,
            subject,
            "the kernel refused it",
        );
        match errno(&source) {
            Some(errno) => error.with_source(io::Error::from(errno)),
            None => error.with_source(source),
        }
    }

    /// The kind.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What was attempted: a verb, for example `create endpoint`.
    #[must_use]
    pub const fn operation(&self) -> &'static str {
        self.operation
    }

    /// On what: an ID, an interface, a path or a port.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }
}

/// The kernel's error number in a netlink error.
pub(crate) fn errno(error: &rtnetlink::Error) -> Option<rustix::io::Errno> {
    match error {
        rtnetlink::Error::NetlinkError(message) => Some(rustix::io::Errno::from_raw_os_error(
            message.raw_code().abs(),
        )),
        _ => None,
    }
}
