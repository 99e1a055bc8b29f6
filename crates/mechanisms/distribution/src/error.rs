//! What goes wrong between this host and a registry.

/// The result of asking a registry.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of failure it is; all that control flow may look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The registry has no such repository, manifest or blob.
    NotFound,
    /// The registry denies it; Docker does not tell this from what is not there.
    Denied,
    /// The credentials are wrong, or there are none.
    Unauthorized,
    /// The registry cannot be reached, or the connection broke.
    Unreachable,
    /// The registry was silent for too long.
    Hang,
    /// The two sides do not agree on certificates.
    Tls,
    /// The bytes are not those that their digest or size promises.
    Mismatch,
    /// The answer is not one that a registry gives.
    Malformed,
    /// No image of the index fits the platform.
    NoMatch,
    /// It is not an image, or one of a form that is not supported.
    Unsupported,
    /// The registry refuses what was sent, or that it was sent so often.
    Refused,
    /// The registry failed.
    Server,
    /// The caller's reader failed.
    Source,
    /// The settings or the files of certificates are wrong.
    Configuration,
    /// The request cannot be meant so.
    Invalid,
}

/// A failed operation. `Display` is the sentence that Docker's clients know for it, where there is
/// one, and leaves out the source.
#[derive(Debug, thiserror::Error)]
#[error("{message}")]
pub struct Error {
    kind: ErrorKind,
    message: String,
    code: Option<String>,
    is_transient: bool,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error without a cause below it; one of the network or of the server may pass.
    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            code: None,
            is_transient: matches!(
                kind,
                ErrorKind::Unreachable | ErrorKind::Hang | ErrorKind::Server
            ),
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

    /// Adds the registry's own code.
    pub(crate) fn with_code(mut self, code: impl Into<String>) -> Self {
        self.code = Some(code.into());
        self
    }

    /// Says whether another attempt may succeed.
    pub(crate) const fn transient(mut self, is_transient: bool) -> Self {
        self.is_transient = is_transient;
        self
    }

    /// Puts what was attempted before the sentence.
    pub(crate) fn within(mut self, what: &str) -> Self {
        self.message = format!("{what}: {}", self.message);
        self
    }

    /// The kind.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The registry's own code, such as `MANIFEST_UNKNOWN`.
    #[must_use]
    pub fn code(&self) -> Option<&str> {
        self.code.as_deref()
    }

    /// Whether another attempt may succeed.
    #[must_use]
    pub const fn is_transient(&self) -> bool {
        self.is_transient
    }
}

impl From<porthole_oci::Error> for Error {
    fn from(error: porthole_oci::Error) -> Self {
        use porthole_oci::ErrorKind as Kind;
        let kind = match error.kind() {
            Kind::NoMatch => ErrorKind::NoMatch,
            Kind::Unsupported => ErrorKind::Unsupported,
            _ => ErrorKind::Malformed,
        };
        Self::new(kind, error.message()).with_source(error)
    }
}
