//! Reading a container's log.

use std::pin::Pin;

use futures::Stream;
use time::OffsetDateTime;

use crate::attachment::{Attach, OutputStream, StreamKind};
use crate::container::handle::Handle;
use crate::container::record::Container;
use crate::error::Result;

/// Which part of a log is wanted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LogQuery {
    /// Output.
    pub stdout: bool,
    /// Errors.
    pub stderr: bool,
    /// Whether to go on with what is written later, until the container ends.
    pub follow: bool,
    /// Nothing before.
    pub since: Option<OffsetDateTime>,
    /// Nothing after; a follower ends there.
    pub until: Option<OffsetDateTime>,
    /// So many last lines; none is all.
    pub tail: Option<u64>,
}

/// One piece of a log: a line with its line break, or a part of a long line.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LogEntry {
    /// The stream it came on.
    pub stream: StreamKind,
    /// When it was written.
    pub time: OffsetDateTime,
    /// The bytes.
    pub message: Vec<u8>,
}

/// A log as it is read.
pub struct Log {
    /// Whether the container has a console: the log is then one stream, sent raw.
    pub tty: bool,
    /// The entries.
    pub entries: Pin<Box<dyn Stream<Item = Result<LogEntry>> + Send>>,
}

impl std::fmt::Debug for Log {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Log")
            .field("tty", &self.tty)
            .finish_non_exhaustive()
    }
}

/// What was logged so far, for a client that attaches.
pub(crate) fn so_far(container: &Container, attach: Attach) -> Result<OutputStream> {
    let _ = (container, attach);
    Ok(Box::pin(futures::stream::empty()))
}

/// Opens a container's log.
pub(crate) async fn open(handle: &Handle, query: LogQuery) -> Result<Log> {
    let _ = query;
    let container = handle.ledger.read();
    Ok(Log {
        tty: container.config.tty,
        entries: Box::pin(futures::stream::empty()),
    })
}
