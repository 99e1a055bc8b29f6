//! From a log's files to its destination: in order, each record at least once, on from where it was
//! after a crash.

use std::collections::VecDeque;
use std::io::{self, Read};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use porthole_container_log::read::ReadError;
use porthole_container_log::{Position, RotatedLog, Timestamp};
use rustls::ClientConfig;
use serde::{Deserialize, Serialize};
use tokio::time::Instant;

use crate::driver::Driver;
use crate::error::{Error, Result};
use crate::message::{Message, Pieces, Source};
use crate::transport::Transport;

/// Records that are read at once.
const BATCH: usize = 256;

/// The longest pause between two attempts.
const MAX_PAUSE: Duration = Duration::from_secs(30);

/// How much may be sent twice after a crash: what was sent since the last note.
const NOTE_INTERVAL: Duration = Duration::from_secs(1);

/// The file, beside the log, that tells how far it was sent.
const NOTE: &str = "forwarded.json";

/// Bytes of that file at most.
const MAX_NOTE: u64 = 4096;

/// What one round came to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Round {
    /// Records were sent; there may be more.
    Sent,
    /// There is nothing to send now.
    Idle,
    /// The destination did not take a record: to be tried again after this pause.
    Refused(Duration),
}

/// Sends the log of one container.
#[derive(Debug)]
pub struct Forwarder {
    driver: Driver,
    source: Source,
    log: PathBuf,
    note: PathBuf,
    /// None before the first read, and after one that failed.
    reader: Option<Reader>,
    queue: VecDeque<(Message, Position)>,
    /// Read once: a destination that is away for long costs no more than the attempts.
    tls: Option<Arc<ClientConfig>>,
    transport: Option<Transport>,
    /// Attempts that failed since the last record that was sent.
    failures: u32,
    /// The last record that was sent, and the last that the note tells of.
    sent: Option<Position>,
    noted: Option<Position>,
    noted_at: Instant,
}

impl Forwarder {
    /// Sends what is and will be in the log at `log`, as far as no earlier forwarder has. There is
    /// one at a time.
    #[must_use]
    pub fn new(driver: Driver, source: Source, log: &Path) -> Self {
        Self {
            driver,
            source,
            log: log.to_owned(),
            note: log.with_file_name(NOTE),
            reader: None,
            queue: VecDeque::new(),
            tls: None,
            transport: None,
            failures: 0,
            sent: None,
            noted: None,
            noted_at: Instant::now(),
        }
    }

    /// Connects now, where a container is not to start without its destination.
    ///
    /// # Errors
    /// [`Error::Option`], [`Error::Connect`], [`Error::NoJournal`] and [`Error::Certificates`].
    pub async fn connect(&mut self) -> Result<()> {
        self.driver.check_destination().await?;
        if self.driver.must_connect() {
            self.transport = Some(self.connected().await?);
        }
        Ok(())
    }

    async fn connected(&mut self) -> Result<Transport> {
        if let (None, Some(options)) = (&self.tls, self.driver.tls()) {
            self.tls = Some(options.load().await?);
        }
        self.driver.connect(self.tls.clone()).await
    }

    /// Reads and sends some of the log.
    ///
    /// # Errors
    /// [`Error::Log`]: the log cannot be read. It may be possible later: nothing is lost.
    pub async fn round(&mut self) -> Result<Round> {
        if self.queue.is_empty() {
            self.fill().await?;
        }
        if self.queue.is_empty() {
            return Ok(Round::Idle);
        }
        while let Some((message, position)) = self.queue.pop_front() {
            match self.send(&message).await {
                Ok(()) => self.failures = 0,
                Err(error) if error.is_final() => {
                    tracing::warn!(container = self.source.container_id, %error, "lost a log record");
                }
                Err(error) => {
                    self.transport = None;
                    if self.tries_again(&error) {
                        self.queue.push_front((message, position));
                        return Ok(Round::Refused(self.pause()));
                    }
                }
            }
            self.sent = Some(position);
        }
        if self.noted_at.elapsed() >= NOTE_INTERVAL {
            self.save().await;
        }
        Ok(Round::Sent)
    }

    /// Whether something was sent that the note does not tell of.
    #[must_use]
    pub fn is_unsaved(&self) -> bool {
        self.sent != self.noted
    }

    /// Notes on disk how far the log was sent. What cannot be noted is sent twice after a restart.
    pub async fn save(&mut self) {
        let (Some(sent), true) = (self.sent, self.is_unsaved()) else {
            return;
        };
        self.noted_at = Instant::now();
        let path = self.note.clone();
        let saved = tokio::task::spawn_blocking(move || write_note(&path, sent)).await;
        match saved.map_err(io::Error::other).flatten() {
            Ok(()) => self.noted = Some(sent),
            Err(error) => {
                tracing::warn!(path = %self.note.display(), %error, "cannot note how far a log was sent");
            }
        }
    }

    async fn send(&mut self, message: &Message) -> Result<()> {
        if self.transport.is_none() {
            self.transport = Some(self.connected().await?);
        }
        let Some(transport) = &mut self.transport else {
            return Ok(());
        };
        self.driver.send(transport, &self.source, message).await
    }

    /// Counts a failure; tells of it once, and of a record that is given up.
    fn tries_again(&mut self, error: &Error) -> bool {
        self.failures += 1;
        let container = &self.source.container_id;
        let reason = std::error::Error::source(error).map(ToString::to_string);
        if self
            .driver
            .max_retries()
            .is_some_and(|most| self.failures > most)
        {
            tracing::warn!(container, %error, reason, "gave up a log record");
            self.failures = 0;
            return false;
        }
        if self.failures == 1 {
            tracing::warn!(container, %error, reason, "a log's destination does not answer; trying on");
        }
        true
    }

    fn pause(&self) -> Duration {
        let doublings = self.failures.saturating_sub(1).min(16);
        let pause = self.driver.retry_wait().saturating_mul(1 << doublings);
        pause.min(MAX_PAUSE)
    }

    /// Reads a batch on a thread where blocking harms nobody.
    async fn fill(&mut self) -> Result<()> {
        let mut reader = match self.reader.take() {
            Some(reader) => reader,
            // What failed may have read on. What was sent is noted, so that it goes on there.
            None => {
                self.save().await;
                Reader::new(&self.log)
            }
        };
        let read = tokio::task::spawn_blocking(move || reader.read().map(|batch| (batch, reader)));
        let read = read.await.map_err(io::Error::other).flatten();
        let (batch, reader) = read.map_err(Error::Log)?;
        self.reader = Some(reader);
        self.queue = batch;
        Ok(())
    }
}

/// The log's side.
#[derive(Debug)]
struct Reader {
    path: PathBuf,
    note: PathBuf,
    /// None until it is looked at.
    log: Option<RotatedLog>,
    pieces: Pieces,
}

impl Reader {
    /// Reads a log from where it was not sent yet.
    fn new(log: &Path) -> Self {
        Self {
            path: log.to_owned(),
            note: log.with_file_name(NOTE),
            log: None,
            pieces: Pieces::default(),
        }
    }

    fn read(&mut self) -> io::Result<VecDeque<(Message, Position)>> {
        let log = match &mut self.log {
            Some(log) => log,
            None => self.log.insert(open(&self.path, &self.note)?),
        };
        let mut batch = VecDeque::new();
        while batch.len() < BATCH {
            match log.next_record() {
                Ok(Some(record)) => {
                    let position = log.position(&record).ok_or(io::ErrorKind::NotFound)?;
                    batch.push_back((self.pieces.message(record), position));
                }
                Ok(None) => break,
                Err(ReadError::Io(error)) => return Err(error),
                // A torn record, as a crash of the host leaves it, hides no other.
                Err(error) => tracing::warn!(path = %self.path.display(), %error, "skipped"),
            }
        }
        Ok(batch)
    }
}

/// How far a log was sent, as it stands on disk.
#[derive(Debug, Serialize, Deserialize)]
struct Note {
    file: u64,
    start: u64,
    time: i64,
}

/// The log from where it was not sent yet.
fn open(path: &Path, note: &Path) -> io::Result<RotatedLog> {
    let Some(last) = read_note(note)? else {
        return Ok(RotatedLog::new(path));
    };
    if let Some(log) = RotatedLog::after_record(path, last)? {
        return Ok(log);
    }
    tracing::warn!(
        path = %path.display(),
        "the log was rotated past what was sent; going on with its oldest record"
    );
    Ok(RotatedLog::new(path))
}

fn read_note(path: &Path) -> io::Result<Option<Position>> {
    let file = match std::fs::File::open(path) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        file => file?,
    };
    let note: Note = match serde_json::from_reader(file.take(MAX_NOTE)) {
        Ok(note) => note,
        Err(error) if error.is_io() => return Err(error.into()),
        Err(error) => {
            tracing::warn!(path = %path.display(), %error, "not readable; sending the log from its beginning");
            return Ok(None);
        }
    };
    Ok(Some(Position {
        file: note.file,
        start: note.start,
        time: Timestamp(note.time),
    }))
}

fn write_note(path: &Path, position: Position) -> io::Result<()> {
    let note = Note {
        file: position.file,
        start: position.start,
        time: position.time.0,
    };
    porthole_files::replace_synced(path, &serde_json::to_vec(&note)?, 0o600)
}
