//! What can be wrong with a name, a digest or a document of an image.

/// The result of reading a name or a document.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of failure it is; all that control flow may look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// It is not well-formed.
    Invalid,
    /// It is larger, or has more parts, than is accepted.
    TooLarge,
    /// It is well-formed and of a kind that is not supported, such as schema 1.
    Unsupported,
    /// Nothing in an index fits the platform that is wanted.
    NoMatch,
}

/// Something that could not be read: what was attempted on what, and why it failed. `Display`
/// leaves out the source.
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

    /// The kind.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// What was attempted: a verb, for example `parse reference`.
    #[must_use]
    pub const fn operation(&self) -> &'static str {
        self.operation
    }

    /// On what: a text or a digest.
    #[must_use]
    pub fn subject(&self) -> &str {
        &self.subject
    }

    /// Why it failed, without operation and subject: for some, the sentence that Docker's clients
    /// know.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    /// The cause, for an error that takes this one's place.
    #[must_use]
    pub fn into_source(self) -> Option<Box<dyn std::error::Error + Send + Sync>> {
        self.source
    }
}
