//! The service's errors: a small matchable kind with HCS's code, what was attempted on what, and
//! the cause.

use std::fmt;

/// The result of an operation of the Compute Service.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of failure it is; all that control flow may look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum ErrorKind {
    /// `HCS_E_SYSTEM_NOT_FOUND`.
    SystemNotFound,
    /// `HCS_E_SYSTEM_ALREADY_EXISTS`.
    SystemAlreadyExists,
    /// `HCS_E_SYSTEM_ALREADY_STOPPED`.
    SystemAlreadyStopped,
    /// `HCS_E_INVALID_STATE`.
    InvalidState,
    /// `HCS_E_INVALID_JSON`: the document or a value in it.
    InvalidDocument,
    /// `HCS_E_INVALID_LAYER`.
    InvalidLayer,
    /// `HCS_E_IMAGE_MISMATCH`: the image's Wine build is not the kernel's.
    ImageMismatch,
    /// `HCS_E_HYPERV_NOT_INSTALLED`: the isolation asked for is not there.
    IsolationNotAvailable,
    /// `HCS_E_PROCESS_ALREADY_STOPPED`.
    ProcessAlreadyStopped,
    /// `ERROR_NOT_FOUND` for a process.
    ProcessNotFound,
    /// `HCS_E_UNEXPECTED_EXIT`: the system ended while the operation was under way.
    UnexpectedExit,
    /// `HCS_E_SERVICE_NOT_AVAILABLE`: the service cannot be reached.
    ServiceNotAvailable,
    /// `ERROR_NOT_SUPPORTED`.
    NotSupported,
    /// A Win32 error from inside the container, by its code.
    Windows(u32),
    /// The host refused or failed something.
    Host,
}

impl ErrorKind {
    /// The code that HCS gives for this kind: an HRESULT, but for the mismatch, which Docker's users
    /// know by its NTSTATUS.
    #[must_use]
    pub const fn hresult(self) -> u32 {
        match self {
            Self::ImageMismatch => 0xC037_0101,
            Self::IsolationNotAvailable => 0x8037_0102,
            Self::InvalidState => 0x8037_0105,
            Self::UnexpectedExit => 0x8037_0106,
            Self::InvalidDocument => 0x8037_010D,
            Self::SystemNotFound => 0x8037_010E,
            Self::SystemAlreadyExists => 0x8037_010F,
            Self::SystemAlreadyStopped => 0x8037_0110,
            Self::InvalidLayer => 0x8037_0112,
            Self::ServiceNotAvailable => 0x8037_0114,
            Self::ProcessAlreadyStopped => 0x8037_011F,
            Self::ProcessNotFound => 0x8007_0490,
            Self::NotSupported => 0x8007_0032,
            Self::Windows(code) => 0x8007_0000 | (code & 0xffff),
            Self::Host => 0x8000_4005,
        }
    }
}

/// A failed operation. `Display` does not repeat the source.
#[derive(Debug)]
pub struct Error {
    kind: ErrorKind,
    /// HCS's own verb and the system's ID, for example `CreateComputeSystem 4f1d…`.
    operation: String,
    message: String,
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// An error of `kind`; `message` says why it failed and what to do.
    pub fn new(kind: ErrorKind, operation: impl Into<String>, message: impl Into<String>) -> Self {
        Self {
            kind,
            operation: operation.into(),
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

    /// What was attempted, on what.
    #[must_use]
    pub fn operation(&self) -> &str {
        &self.operation
    }

    /// Why it failed and what to do.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }
}

impl fmt::Display for Error {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{}: {} (0x{:x})",
            self.operation,
            self.message,
            self.kind.hresult()
        )
    }
}

impl std::error::Error for Error {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|source| source as _)
    }
}
