//! The files of one log: `<path>` is written, `<path>.1` is what was written before, and so on;
//! an older one may be compressed, `<path>.1.gz`.
//!
//! A file is known by its inode, and a compressed one also carries its original's in its head. A
//! reader so finds again the file that it holds open, whatever number and form it has by now.

use std::ffi::OsString;
use std::fs::{File, TryLockError};
use std::io::{self, Read, Write};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use flate2::read::GzDecoder;
use flate2::{Compression, GzBuilder};

/// How the original's inode is marked in a compressed file's head: an extra field of RFC 1952
/// (2.3.1.1), ID `PL`, eight bytes.
const MARK: [u8; 4] = *b"PL\x08\0";

/// What a file of a log is known by, as long as it is held open: then no other gets its inode.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Identity {
    inode: u64,
    /// The inode of what was compressed, if it is a compressed one.
    original: Option<u64>,
}

impl Identity {
    /// The inode that its records were written to.
    pub(crate) fn origin(self) -> u64 {
        self.original.unwrap_or(self.inode)
    }

    /// Whether the file that is held open is this listed one, or what became of it. Of several the
    /// newest is: only an older one's original can have had the same inode.
    pub(crate) fn is_of(self, listed: Self) -> bool {
        self.inode == listed.inode
            || (self.original.is_none() && listed.original == Some(self.inode))
    }
}

/// One file of a log, opened.
#[derive(Debug)]
pub(crate) struct Segment {
    pub(crate) identity: Identity,
    pub(crate) source: Source,
}

/// Where its records come from.
#[derive(Debug)]
pub(crate) enum Source {
    Plain(File),
    Compressed(Box<GzDecoder<File>>),
}

impl Read for Source {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        match self {
            Self::Plain(file) => file.read(buffer),
            Self::Compressed(decoder) => decoder.read(buffer),
        }
    }
}

impl Segment {
    /// Opens the file of a number, 0 being the one that is written; none where there is none.
    pub(crate) fn open(log: &Path, number: u32) -> io::Result<Option<Self>> {
        // The plain one first: while both are there, the compressed one may go.
        if let Some(file) = if_there(File::open(plain(log, number)))? {
            return Ok(Some(Self {
                identity: Identity {
                    inode: file.metadata()?.ino(),
                    original: None,
                },
                source: Source::Plain(file),
            }));
        }
        if number == 0 {
            return Ok(None);
        }
        let Some(file) = if_there(File::open(compressed(log, number)))? else {
            return Ok(None);
        };
        let inode = file.metadata()?.ino();
        let decoder = GzDecoder::new(file);
        let extra = decoder.header().and_then(|header| header.extra());
        let marked = extra.and_then(|extra| extra.strip_prefix(&MARK));
        let marked = marked.and_then(|original| original.try_into().ok());
        Ok(Some(Self {
            identity: Identity {
                inode,
                // One that somebody else compressed is nobody's.
                original: Some(marked.map_or(0, u64::from_le_bytes)),
            },
            source: Source::Compressed(Box::new(decoder)),
        }))
    }
}

/// The number and identity of each file that is there, the newest first.
pub(crate) fn list(log: &Path) -> io::Result<Vec<(u32, Identity)>> {
    let mut found = Vec::new();
    let mut missing = 0;
    // Upwards as files are moved, so that none is passed by. One number is missing during a
    // rotation, and after one that was cut short.
    for number in 0.. {
        if let Some(segment) = Segment::open(log, number)? {
            found.push((number, segment.identity));
            missing = 0;
            continue;
        }
        missing += 1;
        if missing > 1 {
            break;
        }
    }
    Ok(found)
}

/// Makes number 1 free by moving what is there, and drops what would get a number above `last`.
/// Cut short anywhere it leaves every file with its records, in their order.
pub(crate) fn make_room(log: &Path, last: u32) -> io::Result<()> {
    let mut free = 1;
    while free < last && is_there(log, free)? {
        free += 1;
    }
    remove(&plain(log, free))?;
    remove(&compressed(log, free))?;
    for number in (1..free).rev() {
        let (from, to) = (plain(log, number), plain(log, number + 1));
        match if_there(std::fs::rename(&from, to))? {
            // Compressing it was cut short at the end.
            Some(()) => remove(&compressed(log, number))?,
            None => std::fs::rename(compressed(log, number), compressed(log, number + 1))?,
        }
    }
    Ok(())
}

/// File number 1, locked against being moved for as long as it is held; nothing if there is none
/// that is not compressed, or another holds it.
pub(crate) fn lock(log: &Path) -> io::Result<Option<File>> {
    let Some(file) = if_there(File::open(plain(log, 1)))? else {
        return Ok(None);
    };
    match file.try_lock() {
        Ok(()) => Ok(Some(file)),
        Err(TryLockError::WouldBlock) => Ok(None),
        Err(TryLockError::Error(error)) => Err(error),
    }
}

/// Whether nobody compresses file number 1: not this writer, nor one before whose process is about
/// to end.
pub(crate) fn is_settled(log: &Path) -> io::Result<bool> {
    Ok(lock(log)?.is_some() || !plain(log, 1).try_exists()?)
}

/// Compresses file number 1, which is locked, and leaves it alone if that fails. Cut short it
/// leaves the file, or the compressed one, or both.
pub(crate) fn compress(log: &Path, full: File) -> io::Result<()> {
    let unfinished = unfinished(log);
    let written = write_compressed(&full, &unfinished);
    if written.is_err() {
        // The first error is the one that tells why.
        let _ = remove(&unfinished);
        return written;
    }
    std::fs::rename(&unfinished, compressed(log, 1))?;
    remove(&plain(log, 1))?;
    // Only now may another be moved to where this one was.
    drop(full);
    Ok(())
}

fn write_compressed(mut source: &File, to: &Path) -> io::Result<()> {
    let extra = [&MARK[..], &source.metadata()?.ino().to_le_bytes()].concat();
    let mut encoder = GzBuilder::new()
        .extra(extra)
        .write(crate::write::create(to)?, Compression::default());
    io::copy(&mut source, &mut encoder)?;
    let mut file = encoder.finish()?;
    file.flush()?;
    // The original goes: a crash of the host must not take what replaces it.
    file.sync_data()
}

fn is_there(log: &Path, number: u32) -> io::Result<bool> {
    Ok(plain(log, number).try_exists()? || compressed(log, number).try_exists()?)
}

/// The plain file of a number.
pub(crate) fn plain(log: &Path, number: u32) -> PathBuf {
    match number {
        0 => log.to_owned(),
        number => with(log, &format!(".{number}")),
    }
}

fn compressed(log: &Path, number: u32) -> PathBuf {
    with(log, &format!(".{number}.gz"))
}

/// A compressed file that is not complete.
pub(crate) fn unfinished(log: &Path) -> PathBuf {
    with(log, ".gz.new")
}

/// The next file to be written, before it has its name.
pub(crate) fn next(log: &Path) -> PathBuf {
    with(log, ".new")
}

fn with(log: &Path, suffix: &str) -> PathBuf {
    let mut name = OsString::from(log);
    name.push(suffix);
    name.into()
}

/// Removes a file if it is there.
pub(crate) fn remove(path: &Path) -> io::Result<()> {
    if_there(std::fs::remove_file(path)).map(drop)
}

/// What was done to a file, or nothing where there is none.
pub(crate) fn if_there<T>(result: io::Result<T>) -> io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(None),
        Err(error) => Err(error),
    }
}
