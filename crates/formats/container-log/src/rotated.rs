//! Reading a log with all its files, also while it is written and rotated.

use std::io::{self, Read, Seek, SeekFrom};
use std::path::{Path, PathBuf};

use crate::read::{LogReader, ReadError};
use crate::record::Record;
use crate::segment::{Identity, Segment, Source, list};
use crate::tail;
use crate::timestamp::Timestamp;

/// A record in a log, to be found again when the log has been rotated meanwhile.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Position {
    /// The inode of the file that the record was written to.
    pub file: u64,
    /// Where in that file, uncompressed, the record begins.
    pub start: u64,
    /// The record's time: another file that got the inode later is known by it.
    pub time: Timestamp,
}

/// Reads the records of a log, from its oldest file to the one that is written.
#[derive(Debug)]
pub struct RotatedLog {
    path: PathBuf,
    /// None until there is a file.
    current: Option<Current>,
    /// The file after it, once that is known to be there: the current one is then complete.
    next: Option<Segment>,
    end: End,
    /// How many records come first that nobody wants.
    skip: u64,
}

/// Where reading stops for good.
#[derive(Debug)]
enum End {
    Never,
    /// At once: there was no log.
    Now,
    /// After so many bytes of a file.
    In(Segment, u64),
}

impl End {
    /// Whether it is in a file.
    fn is_in(&self, file: Identity) -> bool {
        matches!(self, Self::In(end, _) if end.identity.is_of(file))
    }
}

#[derive(Debug)]
struct Current {
    identity: Identity,
    /// Bytes of the file before what the reader gets.
    base: u64,
    reader: LogReader<io::Take<Source>>,
}

impl RotatedLog {
    /// Reads all of the log at `path`, which need not be there yet.
    #[must_use]
    pub fn new(path: &Path) -> Self {
        Self {
            path: path.to_owned(),
            current: None,
            next: None,
            end: End::Never,
            skip: 0,
        }
    }

    /// Reads the last `count` records and what comes after them.
    ///
    /// # Errors
    /// Those of reading the log.
    pub fn tail(path: &Path, count: u64) -> io::Result<Self> {
        loop {
            let mut log = Self::new(path);
            let files = list(path)?;
            log.find_last(&files, count)?;
            // Otherwise a file was moved meanwhile, and perhaps counted twice or not at all.
            if list(path)? == files {
                return Ok(log);
            }
        }
    }

    /// Reads what comes after a record; none when the record is not there any more.
    ///
    /// # Errors
    /// Those of reading the log.
    pub fn after_record(path: &Path, last: Position) -> io::Result<Option<Self>> {
        loop {
            let files = list(path)?;
            // A freed inode is soon another file's: each of those that have it may be the one.
            for (number, file) in &files {
                if file.origin() == last.file
                    && let Some(segment) = Segment::open(path, *number)?
                    && let Some(log) = Self::enter_after(path, segment, last)?
                {
                    return Ok(Some(log));
                }
            }
            // Otherwise a file was moved meanwhile, and perhaps passed by.
            if list(path)? == files {
                return Ok(None);
            }
        }
    }

    /// Goes to behind a record in a file, if it is there.
    fn enter_after(path: &Path, mut segment: Segment, last: Position) -> io::Result<Option<Self>> {
        match &mut segment.source {
            Source::Plain(file) => drop(file.seek(SeekFrom::Start(last.start))?),
            Source::Compressed(decoder) => {
                io::copy(&mut decoder.take(last.start), &mut io::sink())?;
            }
        }
        let identity = segment.identity;
        let mut log = Self::new(path);
        log.enter(segment, last.start);
        match log.next_record() {
            Ok(Some(record)) if record.time == last.time => {
                let current = log.current.as_ref();
                Ok(current
                    .is_some_and(|now| now.identity == identity)
                    .then_some(log))
            }
            Err(ReadError::Io(error)) => Err(error),
            _ => Ok(None),
        }
    }

    /// Where the record stands that was given last.
    #[must_use]
    pub fn position(&self, last: &Record) -> Option<Position> {
        let current = self.current.as_ref()?;
        Some(Position {
            file: current.identity.origin(),
            start: current.base + current.reader.last_start(),
            time: last.time,
        })
    }

    /// Reads what is there now and stops.
    ///
    /// # Errors
    /// Those of looking at the log.
    pub fn up_to_now(path: &Path) -> io::Result<Self> {
        let mut log = Self::new(path);
        log.end = End::Now;
        let Some((number, _)) = list(path)?.first().copied() else {
            return Ok(log);
        };
        if let Some(newest) = Segment::open(path, number)? {
            let length = match &newest.source {
                Source::Plain(file) => file.metadata()?.len(),
                Source::Compressed(_) => u64::MAX,
            };
            log.end = End::In(newest, length);
        }
        Ok(log)
    }

    /// The next record, or `None` where the log ends now. Called again after more was written it
    /// goes on, in the next file where there is one. It goes from a file that was removed before
    /// it was read to the oldest that is left.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub fn next_record(&mut self) -> Result<Option<Record>, ReadError> {
        loop {
            let Some(current) = &mut self.current else {
                let Some(first) = self.oldest().map_err(ReadError::Io)? else {
                    return Ok(None);
                };
                self.enter(first, 0);
                continue;
            };
            match current.reader.next_record() {
                Ok(None) => {}
                Ok(Some(_)) | Err(ReadError::Record(_)) if self.skip > 0 => {
                    self.skip -= 1;
                    continue;
                }
                result => return result,
            }
            let identity = current.identity;
            if self.end.is_in(identity) {
                return Ok(None);
            }
            if let Some(next) = self.next.take() {
                self.enter(next, 0);
                continue;
            }
            // Where it was rotated, it is read once more: what was written between the last read
            // and the rotation is in it.
            self.next = self.after(identity).map_err(ReadError::Io)?;
            if self.next.is_none() {
                return Ok(None);
            }
        }
    }

    /// Goes on with a file, from where it stands: after `base` bytes.
    fn enter(&mut self, segment: Segment, base: u64) {
        let limit = match self.end {
            End::In(_, length) if self.end.is_in(segment.identity) => length,
            _ => u64::MAX,
        };
        self.current = Some(Current {
            identity: segment.identity,
            base,
            reader: LogReader::new(segment.source.take(limit)),
        });
    }

    fn oldest(&self) -> io::Result<Option<Segment>> {
        self.choose(|files| files.last().copied())
    }

    /// The file after one that was read to its end, if there is one.
    fn after(&self, identity: Identity) -> io::Result<Option<Segment>> {
        let written = Segment::open(&self.path, 0)?;
        if written.is_some_and(|written| identity.is_of(written.identity)) {
            return Ok(None);
        }
        self.choose(
            |files| match files.iter().position(|(_, other)| identity.is_of(*other)) {
                Some(0) => None,
                Some(index) => files.get(index - 1).copied(),
                None => files.last().copied(),
            },
        )
    }

    /// Opens the file that is chosen from those there are.
    fn choose(
        &self,
        choice: impl Fn(&[(u32, Identity)]) -> Option<(u32, Identity)>,
    ) -> io::Result<Option<Segment>> {
        loop {
            let files = list(&self.path)?;
            // All that is left may have come after the end.
            let is_over = match self.end {
                End::Never => false,
                End::Now => true,
                End::In(..) => !files.iter().any(|(_, file)| self.end.is_in(*file)),
            };
            if is_over {
                return Ok(None);
            }
            let Some((number, identity)) = choice(&files) else {
                return Ok(None);
            };
            let chosen = Segment::open(&self.path, number)?;
            // Otherwise a file was moved meanwhile, and the one after may be another.
            if let Some(chosen) = chosen.filter(|chosen| chosen.identity == identity)
                && list(&self.path)? == files
            {
                return Ok(Some(chosen));
            }
        }
    }

    /// Goes to where the last `count` records begin.
    fn find_last(&mut self, files: &[(u32, Identity)], mut count: u64) -> io::Result<()> {
        for (number, _) in files {
            let Some(mut segment) = Segment::open(&self.path, *number)? else {
                // It was moved, and this is done again.
                return Ok(());
            };
            let found = match &mut segment.source {
                Source::Plain(file) => tail::last_records(file, count)?,
                Source::Compressed(decoder) => {
                    let records = count_records(decoder)?;
                    self.skip = records.saturating_sub(count);
                    let Some(again) = Segment::open(&self.path, *number)? else {
                        return Ok(());
                    };
                    segment = again;
                    records.min(count)
                }
            };
            let base = match &mut segment.source {
                Source::Plain(file) => file.stream_position()?,
                Source::Compressed(_) => 0,
            };
            self.enter(segment, base);
            count -= found;
            if count == 0 {
                break;
            }
        }
        Ok(())
    }
}

fn count_records(input: &mut impl Read) -> io::Result<u64> {
    let mut buffer = vec![0; 64 * 1024];
    let mut count = 0;
    loop {
        let read = match input.read(&mut buffer) {
            Ok(0) => return Ok(count),
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(error),
        };
        count += buffer[..read].iter().filter(|&&byte| byte == b'\n').count() as u64;
    }
}
