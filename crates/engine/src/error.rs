//! The engine's errors: a small matchable kind, the sentence a Docker client shows, and the cause.

use std::fmt;

/// The result of an engine operation.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of failure it is; all that control flow may look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The object is not there.
    NotFound,
    /// The object's state, or another object, is in the way.
    Conflict,
    /// It is already as asked for.
    NotModified,
    /// The request cannot be meant so.
    InvalidParameter,
    /// Somebody is not who they say they are.
    Unauthorized,
    /// The request is understood and not allowed.
    Forbidden,
    /// This is not there, in this release or on this host.
    NotImplemented,
    /// A service that is needed cannot be reached.
    Unavailable,
    /// The host or the container refused or failed something.
    System,
}

/// A failed operation. `Display` is the sentence for the client and does not repeat the source.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    message: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error of `kind`; `message` is shown to the client as it stands.
    pub fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            source: None,
        }
    }

    /// Adds the cause.
    #[must_use]
    pub fn with_source(
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

    /// The object is not there: `No such container: web`.
    pub(crate) fn not_found(object: &str, name: &str) -> Self {
        Self::new(ErrorKind::NotFound, format!("No such {object}: {name}"))
    }

    /// Something is in the way.
    pub(crate) fn conflict(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Conflict, message)
    }

    /// The request cannot be meant so.
    pub(crate) fn invalid(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::InvalidParameter, message)
    }

    /// A choice that Docker has and this version of the engine has not.
    pub(crate) fn unsupported(what: impl fmt::Display) -> Self {
        Self::invalid(format!(
            "invalid option: this version of Porthole does not support {what}"
        ))
    }

    /// The host failed something.
    pub(crate) fn system(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::System, message)
    }

    /// The container is not running, with Docker's text.
    pub(crate) fn not_running(id: &str) -> Self {
        Self::conflict(format!("container {id} is not running"))
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
