//! What can go wrong between archive and directory.

use std::io;

use porthole_layer::{LayerError, LayerErrorKind};

/// The result of an operation on a layer.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// What kind of failure it is; all that control flow may look at.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// The layer is not what a layer may be.
    Malformed,
    /// The layer holds more than is accepted.
    TooLarge,
    /// The bytes are not those that their digest promises.
    DigestMismatch,
    /// Where the layer comes from failed; its error is the source.
    Origin,
    /// Somebody changed a file while it was read.
    Changed,
    /// The file system is full.
    NoSpace,
    /// The file system failed.
    Io,
    /// The store failed.
    Store,
}

/// A failed operation: on which layer, at which entry, and why. `Display` leaves out the source.
#[derive(Debug, thiserror::Error)]
#[error("layer {layer}{}: {message}", entry.as_ref().map(|entry| format!(", entry {entry:?}")).unwrap_or_default())]
pub struct Error {
    kind: ErrorKind,
    layer: String,
    entry: Option<String>,
    message: String,
    #[source]
    source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Error {
    /// The kind.
    #[must_use]
    pub const fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The entry, where one is at fault.
    #[must_use]
    pub fn entry(&self) -> Option<&str> {
        self.entry.as_deref()
    }

    /// What went wrong, without layer and entry.
    #[must_use]
    pub fn message(&self) -> &str {
        &self.message
    }

    pub(crate) fn layer(kind: ErrorKind, layer: &str, message: impl Into<String>) -> Self {
        Self {
            kind,
            layer: layer.to_owned(),
            entry: None,
            message: message.into(),
            source: None,
        }
    }

    pub(crate) fn with_source(
        self,
        source: impl Into<Box<dyn std::error::Error + Send + Sync>>,
    ) -> Self {
        Self {
            source: Some(source.into()),
            ..self
        }
    }
}

/// A failure whose layer is not named yet.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) kind: ErrorKind,
    pub(crate) message: String,
    pub(crate) source: Option<Box<dyn std::error::Error + Send + Sync>>,
}

impl Failure {
    pub(crate) fn malformed(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::Malformed, message)
    }

    pub(crate) fn too_large(message: impl Into<String>) -> Self {
        Self::new(ErrorKind::TooLarge, message)
    }

    pub(crate) fn new(kind: ErrorKind, message: impl Into<String>) -> Self {
        Self {
            kind,
            message: message.into(),
            source: None,
        }
    }

    /// Of the file system.
    pub(crate) fn io(operation: &str, error: impl Into<io::Error>) -> Self {
        let error = error.into();
        let kind = match error.kind() {
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorKind::NoSpace,
            _ => ErrorKind::Io,
        };
        let message = if kind == ErrorKind::NoSpace {
            format!("cannot {operation}: the file system is full")
        } else {
            format!("cannot {operation}")
        };
        Self {
            kind,
            message,
            source: Some(error.into()),
        }
    }

    /// Of the stream that the layer is read from, in which our own limits hide.
    pub(crate) fn stream(error: io::Error) -> Self {
        let kind = match error.kind() {
            io::ErrorKind::FileTooLarge => ErrorKind::TooLarge,
            io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => ErrorKind::NoSpace,
            io::ErrorKind::BrokenPipe => ErrorKind::Origin,
            _ => ErrorKind::Malformed,
        };
        Self {
            kind,
            message: error.to_string(),
            source: Some(error.into()),
        }
    }

    pub(crate) fn of(self, layer: &str, entry: Option<&str>) -> Error {
        Error {
            kind: self.kind,
            layer: layer.to_owned(),
            entry: entry.map(str::to_owned),
            message: self.message,
            source: self.source,
        }
    }
}

/// A result whose failure is to get its layer's name.
pub(crate) type Outcome<T> = std::result::Result<T, Failure>;

/// Turns what the operating system says into a failure that says what was attempted.
pub(crate) trait Context<T> {
    fn to(self, operation: &str) -> Outcome<T>;
}

impl<T, E: Into<io::Error>> Context<T> for std::result::Result<T, E> {
    fn to(self, operation: &str) -> Outcome<T> {
        self.map_err(|error| Failure::io(operation, error))
    }
}

/// An error of the archive's reader or writer.
pub(crate) fn of_archive(layer: &str, error: LayerError) -> Error {
    let entry = Some(error.entry).filter(|entry| !entry.is_empty());
    let failure = match error.kind {
        LayerErrorKind::Io(error) => Failure::stream(error),
        kind => Failure {
            kind: match kind {
                LayerErrorKind::RecordsTooLarge => ErrorKind::TooLarge,
                LayerErrorKind::Length => ErrorKind::Changed,
                _ => ErrorKind::Malformed,
            },
            message: match std::error::Error::source(&kind) {
                Some(why) => format!("{kind}: {why}"),
                None => kind.to_string(),
            },
            source: None,
        },
    };
    failure.of(layer, entry.as_deref())
}
