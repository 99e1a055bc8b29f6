//! What goes wrong on the way to a log's destination.

use std::io;

/// A failure.
#[derive(Debug, thiserror::Error)]
#[non_exhaustive]
pub enum Error {
    /// An option that the driver does not have, or not with this value; Docker's text.
    #[error("{0}")]
    Option(String),
    /// The destination cannot be reached.
    #[error("cannot connect to {destination}")]
    Connect {
        /// Where to, `tcp://host:port` or a path.
        destination: String,
        /// Why not.
        source: io::Error,
    },
    /// There is no journald; dockerd's text.
    #[error("journald is not enabled on this host")]
    NoJournal(#[source] io::Error),
    /// What is connected does not take a record.
    #[error("cannot send to {destination}")]
    Send {
        /// Where to.
        destination: String,
        /// Why not.
        source: io::Error,
    },
    /// Certificates that cannot be used.
    #[error(transparent)]
    Certificates(#[from] porthole_tls::Error),
    /// A record that this destination will never take.
    #[error("a record of {length} bytes is more than {destination} takes")]
    TooLong {
        /// Where to.
        destination: String,
        /// Its bytes as sent.
        length: usize,
    },
    /// The log, or the note of how far it was sent, cannot be read or written.
    #[error("cannot read on in the log")]
    Log(#[source] io::Error),
}

/// The outcome of sending.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    /// Whether sending the same again is of no use.
    pub(crate) fn is_final(&self) -> bool {
        matches!(self, Self::TooLong { .. })
    }
}
