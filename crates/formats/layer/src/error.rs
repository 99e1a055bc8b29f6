//! What can go wrong with a layer.

use std::{fmt, io};

use crate::path::PathError;

/// A layer that could not be read or written.
#[derive(Debug)]
pub struct LayerError {
    /// The entry's name in the archive, as far as it was known.
    pub entry: String,
    /// What went wrong.
    pub kind: LayerErrorKind,
}

impl fmt::Display for LayerError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}, entry {:?}", self.kind, self.entry)
    }
}

/// The source is that of the kind, whose own text is part of this error's.
impl std::error::Error for LayerError {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.kind.source()
    }
}

/// What went wrong with an entry.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum LayerErrorKind {
    /// The archive could not be read or written.
    #[error("layer could not be transferred")]
    Io(#[source] io::Error),
    /// The archive ends inside an entry.
    #[error("layer ends too early")]
    Truncated,
    /// A header is not one of tar.
    #[error("malformed header")]
    Header,
    /// A PAX record does not parse.
    #[error("malformed record")]
    Record,
    /// An entry's records and long names are larger than a megabyte, or those of all entries than
    /// 16 KiB.
    #[error("records too large")]
    RecordsTooLarge,
    /// A kind of entry that layers do not have, such as a device.
    #[error("entry of type {0:?} is not allowed in a layer")]
    Type(char),
    /// A path or link target that layers do not have.
    #[error("path not allowed in a layer")]
    Path(#[source] PathError),
    /// A stream that does not follow its file.
    #[error("stream without its file")]
    Stream,
    /// A whiteout outside `Files` and `UtilityVM/Files`, or of nothing.
    #[error("whiteout not allowed here")]
    Whiteout,
    /// Fewer or more bytes than announced.
    #[error("content is not as long as announced")]
    Length,
}

impl LayerErrorKind {
    pub(crate) fn at(self, entry: impl Into<String>) -> LayerError {
        LayerError {
            entry: entry.into(),
            kind: self,
        }
    }
}

impl From<io::Error> for LayerErrorKind {
    fn from(error: io::Error) -> Self {
        if error.kind() == io::ErrorKind::UnexpectedEof {
            Self::Truncated
        } else {
            Self::Io(error)
        }
    }
}
