//! Whether something in the upper is what is below.

use std::ffi::CStr;
use std::fs::File;
use std::io::Read;
use std::os::fd::OwnedFd;

use rustix::fs::{FileType, Stat};
use rustix::io::Errno;

use crate::beneath::{attribute, kind, open_file};
use crate::error::{Context, Outcome};
use crate::stored::{DOS, parse_dos};
use crate::view::Found;

/// What has gone, or has become something else, since it was seen is not there.
pub(crate) fn gone<T>(result: rustix::io::Result<T>) -> rustix::io::Result<Option<T>> {
    match result {
        Ok(value) => Ok(Some(value)),
        Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP | Errno::NXIO) => Ok(None),
        Err(error) => Err(error),
    }
}

/// The attributes that Wine stores.
pub(super) fn dos(file: &OwnedFd) -> Outcome<u32> {
    let value = attribute(file, DOS).to("look at a file")?;
    Ok(value.map_or(0, |value| parse_dos(&value)))
}

/// Whether a file is the one below: it was copied up, for its owner was changed or it was opened to
/// be written, and was not.
pub(super) fn is_same(
    directory: &OwnedFd,
    name: &CStr,
    stat: &Stat,
    found: &Found<'_>,
) -> Outcome<bool> {
    const OPERATION: &str = "compare a file with that below";
    let below = &found.stat;
    let is_like = kind(stat) == kind(below)
        && stat.st_size == below.st_size
        && (stat.st_mtime, stat.st_mtime_nsec) == (below.st_mtime, below.st_mtime_nsec)
        && (stat.st_mode & 0o222 == 0) == (below.st_mode & 0o222 == 0);
    if !is_like {
        return Ok(false);
    }
    if kind(stat) == FileType::Symlink {
        let here = gone(rustix::fs::readlinkat(directory, name, Vec::new())).to(OPERATION)?;
        let below = rustix::fs::readlinkat(found.directory, name, Vec::new()).to(OPERATION)?;
        return Ok(here.is_some_and(|here| here == below));
    }
    let Some(here) = gone(open_file(directory, name)).to(OPERATION)? else {
        return Ok(false);
    };
    let below = open_file(found.directory, name).to(OPERATION)?;
    if dos(&here)? != dos(&below)? {
        return Ok(false);
    }
    // A program may set the time back after it has written.
    has_same_content(File::from(here), File::from(below)).to(OPERATION)
}

fn has_same_content(mut one: File, mut other: File) -> std::io::Result<bool> {
    let (mut left, mut right) = (vec![0; 1 << 16], vec![0; 1 << 16]);
    loop {
        let read = one.read(&mut left)?;
        if read == 0 {
            return Ok(other.read(&mut right)? == 0);
        }
        if other.read_exact(&mut right[..read]).is_err() || left[..read] != right[..read] {
            return Ok(false);
        }
    }
}
