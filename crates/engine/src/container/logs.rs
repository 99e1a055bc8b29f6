//! Reading a container's log, also while it is written.

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::pin::Pin;

use futures::{Stream, StreamExt, stream};
use porthole_container_log::read::ReadError;
use porthole_container_log::{self as log, Record, RotatedLog, Selection, Timestamp};
use time::OffsetDateTime;
use tokio::sync::watch;

use crate::attachment::{Attach, OutputStream, StreamKind};
use crate::container::handle::Handle;
use crate::container::ledger::Snapshot;
use crate::container::record::Container;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::event::log::sleep_until;
use crate::file_watch::FileWatch;
use crate::records::nanoseconds;

/// How many records are read at once.
const BATCH: usize = 256;

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
    /// What the container's log options add to each entry.
    pub attributes: BTreeMap<String, String>,
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

/// Opens a container's log.
pub(crate) async fn open(context: &Context, handle: &Handle, query: LogQuery) -> Result<Log> {
    if !query.stdout && !query.stderr {
        return Err(Error::invalid(
            "Bad parameters: you must choose at least one stream",
        ));
    }
    let snapshots = handle.ledger.watch();
    let container = handle.ledger.read();
    container.host.log.check_readable()?;
    // Up to a point in the past, everything there can be is there.
    let to_come = query
        .until
        .is_none_or(|until| until > OffsetDateTime::now_utc());
    let follow = query.follow && to_come && container.state.is_active();
    let directory = container.log_path.parent().unwrap_or(Path::new("/"));
    // Before the first read, so that nothing is written unnoticed in between.
    let watch = follow.then(|| context.watches.watch(directory));
    let reading = Reading {
        path: container.log_path.clone(),
        tail: query.tail,
        log: None,
        selection: selection(query),
        over: false,
    };
    let follower = Follower {
        reading: Some(reading),
        watch,
        snapshots,
    };
    let entries = stream::unfold(follower, Follower::next).flat_map(stream::iter);
    let tty = container.config.tty;
    Ok(match query.until.filter(|_| follow) {
        Some(until) => Log {
            tty,
            entries: Box::pin(entries.take_until(sleep_until(until))),
        },
        None => Log {
            tty,
            entries: Box::pin(entries),
        },
    })
}

/// What was logged so far, for a client that attaches.
pub(crate) fn so_far(container: &Container, attach: Attach) -> Result<OutputStream> {
    container.host.log.check_readable()?;
    // What is written from now on comes through the attachment itself.
    let log = RotatedLog::up_to_now(&container.log_path).map_err(unreadable)?;
    let selection = Selection {
        stdout: attach.stdout,
        stderr: attach.stderr,
        ..Selection::ALL
    };
    let reading = Reading {
        path: container.log_path.clone(),
        tail: None,
        log: Some(log),
        selection,
        over: false,
    };
    let batches = stream::unfold(Some(reading), async |reading| {
        let (reading, entries) = reading?.read().await;
        Some((entries, (!reading.over).then_some(reading)))
    });
    let pieces = batches.flat_map(stream::iter).map(|entry| match entry {
        Ok(entry) => Ok((entry.stream, entry.message)),
        Err(error) => Err(io::Error::other(error)),
    });
    Ok(Box::pin(pieces))
}

fn selection(query: LogQuery) -> Selection {
    let timestamp = |time: OffsetDateTime| Timestamp(nanoseconds(time));
    Selection {
        stdout: query.stdout,
        stderr: query.stderr,
        since: query.since.map(timestamp),
        until: query.until.map(timestamp),
    }
}

/// A log that is being read.
#[derive(Debug)]
struct Reading {
    path: PathBuf,
    tail: Option<u64>,
    /// None until it is looked at.
    log: Option<RotatedLog>,
    selection: Selection,
    /// Whether the log ended for now, or nothing wanted can come any more.
    over: bool,
}

impl Reading {
    /// Reads a batch on a thread where blocking harms nobody.
    async fn read(mut self) -> (Self, Vec<Result<LogEntry>>) {
        let path = self.path.clone();
        let read = tokio::task::spawn_blocking(move || {
            let entries = self.read_batch();
            (self, entries)
        });
        read.await.unwrap_or_else(|error| {
            let ended = Self {
                path,
                tail: None,
                log: None,
                selection: Selection::ALL,
                over: true,
            };
            (
                ended,
                vec![Err(
                    Error::system("reading the log was cut short").with_source(error)
                )],
            )
        })
    }

    fn read_batch(&mut self) -> Vec<Result<LogEntry>> {
        self.over = false;
        let mut entries = Vec::new();
        if let Err(error) = self.fill(&mut entries) {
            self.over = true;
            entries.push(Err(unreadable(error)));
        }
        entries
    }

    fn fill(&mut self, entries: &mut Vec<Result<LogEntry>>) -> io::Result<()> {
        let log = match &mut self.log {
            Some(log) => log,
            None => self.log.insert(match self.tail {
                Some(count) => RotatedLog::tail(&self.path, count)?,
                None => RotatedLog::new(&self.path),
            }),
        };
        for _ in 0..BATCH {
            match log.next_record() {
                Ok(Some(record)) if self.selection.is_past(&record) => self.over = true,
                Ok(Some(record)) if self.selection.wants(&record) => {
                    entries.push(Ok(entry(record)));
                }
                Ok(Some(_)) => {}
                Ok(None) => self.over = true,
                Err(ReadError::Io(error)) => return Err(error),
                // A torn record, as a crash of the host leaves it, hides no other.
                Err(error) => tracing::warn!(path = %self.path.display(), %error, "skipped"),
            }
            if self.over {
                break;
            }
        }
        Ok(())
    }
}

fn entry(record: Record) -> LogEntry {
    LogEntry {
        stream: match record.stream {
            log::Stream::Stdout => StreamKind::Stdout,
            log::Stream::Stderr => StreamKind::Stderr,
        },
        time: OffsetDateTime::from_unix_timestamp_nanos(record.time.0.into())
            .unwrap_or(OffsetDateTime::UNIX_EPOCH),
        message: record.log.into_bytes(),
        attributes: record.attributes,
    }
}

fn unreadable(error: io::Error) -> Error {
    Error::system("the log cannot be read").with_source(error)
}

/// Reads a log to its end, and on while the container runs.
struct Follower {
    /// None once everything has been read.
    reading: Option<Reading>,
    /// None reads to the log's present end only.
    watch: Option<FileWatch>,
    snapshots: watch::Receiver<Snapshot>,
}

impl Follower {
    async fn next(mut self) -> Option<(Vec<Result<LogEntry>>, Self)> {
        let mut reading = self.reading.take()?;
        loop {
            // Looked at before reading: what was written before the end is then seen.
            let running = self
                .snapshots
                .borrow_and_update()
                .container
                .state
                .is_active();
            let entries;
            (reading, entries) = reading.read().await;
            let ended = reading.over && !(running && self.watch.is_some());
            if ended || entries.iter().any(Result::is_err) {
                return Some((entries, self));
            }
            if !entries.is_empty() || !reading.over {
                self.reading = Some(reading);
                return Some((entries, self));
            }
            self.more().await;
        }
    }

    /// Waits until more was written or the container's state has changed.
    async fn more(&mut self) {
        let Some(watch) = &mut self.watch else {
            return;
        };
        tokio::select! {
            () = watch.changed() => {}
            // It ends with the engine.
            _ = self.snapshots.changed() => {}
        }
    }
}
