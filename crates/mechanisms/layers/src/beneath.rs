//! Files of layers and sandboxes, by descriptor and one name: nothing that somebody has put there
//! leads elsewhere.

use std::ffi::{CStr, CString};
use std::io;
use std::os::fd::{AsFd, AsRawFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, ResolveFlags, Stat};
use rustix::io::Errno;

use crate::stored;

/// What marks a directory that hides those of the layers below.
pub(crate) const OPAQUE: &str = "trusted.overlay.opaque";

/// What marks a directory that no entry has said anything of, until its layer is settled.
pub(crate) const IMPLIED: &str = "trusted.porthole.implied";

/// Neither a link nor `..` nor a mount leads out.
pub(crate) const BENEATH: ResolveFlags = ResolveFlags::BENEATH
    .union(ResolveFlags::NO_SYMLINKS)
    .union(ResolveFlags::NO_MAGICLINKS)
    .union(ResolveFlags::NO_XDEV);

const DIRECTORY: OFlags = OFlags::RDONLY
    .union(OFlags::DIRECTORY)
    .union(OFlags::NOFOLLOW)
    .union(OFlags::CLOEXEC);

/// Bytes that an extended attribute's value can have.
const MOST_VALUE_BYTES: usize = 1 << 16;

/// Opens a directory of our own.
pub(crate) fn open_top(path: &Path) -> rustix::io::Result<OwnedFd> {
    rustix::fs::openat(CWD, path, DIRECTORY, Mode::empty())
}

/// Opens a directory in another, or below.
pub(crate) fn open_directory(
    parent: impl AsFd,
    path: impl rustix::path::Arg,
) -> rustix::io::Result<OwnedFd> {
    rustix::fs::openat2(parent, path, DIRECTORY, Mode::empty(), BENEATH)
}

/// Opens a regular file for reading, without waiting should it be something else by now.
pub(crate) fn open_file(parent: impl AsFd, name: &CStr) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
    rustix::fs::openat2(parent, name, flags, Mode::empty(), BENEATH)
}

/// What a name stands for, links themselves included.
pub(crate) fn look(parent: impl AsFd, name: &CStr) -> rustix::io::Result<Option<Stat>> {
    match rustix::fs::statat(parent, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(stat) => Ok(Some(stat)),
        Err(Errno::NOENT | Errno::NAMETOOLONG) => Ok(None),
        Err(error) => Err(error),
    }
}

/// What kind of file it is.
pub(crate) fn kind(stat: &Stat) -> FileType {
    FileType::from_raw_mode(stat.st_mode)
}

/// Whether it says that what is below is gone.
pub(crate) fn is_whiteout(stat: &Stat) -> bool {
    kind(stat) == FileType::CharacterDevice && stat.st_rdev == 0
}

/// The names in a directory with what they stand for, in order.
pub(crate) fn entries(directory: &OwnedFd) -> rustix::io::Result<Vec<(CString, FileType)>> {
    let mut entries = Vec::new();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        let kind = match entry.file_type() {
            // Of a file system that does not tell.
            FileType::Unknown => look(directory, name)?.map(|stat| kind(&stat)),
            kind => Some(kind),
        };
        entries.extend(kind.map(|kind| (name.to_owned(), kind)));
    }
    entries.sort_unstable_by(|(one, _), (other, _)| one.cmp(other));
    Ok(entries)
}

/// The names in a directory, in order.
pub(crate) fn names(directory: &OwnedFd) -> rustix::io::Result<Vec<CString>> {
    let entries = entries(directory)?.into_iter();
    Ok(entries.map(|(name, _)| name).collect())
}

/// An extended attribute of an open file.
pub(crate) fn attribute(file: impl AsFd, name: &str) -> rustix::io::Result<Option<Vec<u8>>> {
    let mut value = vec![0; 512];
    loop {
        match rustix::fs::fgetxattr(&file, name, &mut value[..]) {
            Ok(length) => {
                value.truncate(length);
                return Ok(Some(value));
            }
            Err(Errno::RANGE) if value.len() < MOST_VALUE_BYTES => {
                value.resize(MOST_VALUE_BYTES, 0);
            }
            Err(Errno::NODATA | Errno::OPNOTSUPP) => return Ok(None),
            Err(error) => return Err(error),
        }
    }
}

/// The path by which the kernel takes an extended attribute of what cannot be opened: a link. The
/// directory is the one that is open, whatever it is called by now; the last name is not followed.
fn by_descriptor(parent: impl AsFd, name: &CStr) -> Vec<u8> {
    let descriptor = parent.as_fd().as_raw_fd();
    let mut path = format!("/proc/self/fd/{descriptor}/").into_bytes();
    path.extend(name.to_bytes());
    path
}

/// What is stored of a link.
pub(crate) fn link_attribute(
    parent: impl AsFd,
    name: &CStr,
) -> rustix::io::Result<Option<Vec<u8>>> {
    let path = by_descriptor(parent, name);
    let mut value = vec![0; MOST_VALUE_BYTES];
    match rustix::fs::lgetxattr(path, stored::WINDOWS, &mut value[..]) {
        Ok(length) => {
            value.truncate(length);
            Ok(Some(value))
        }
        Err(Errno::NODATA | Errno::OPNOTSUPP) => Ok(None),
        Err(error) => Err(error),
    }
}

/// Stores something of a link.
pub(crate) fn set_link_attribute(
    parent: impl AsFd,
    name: &CStr,
    value: &[u8],
) -> rustix::io::Result<()> {
    let path = by_descriptor(parent, name);
    rustix::fs::lsetxattr(
        path,
        stored::WINDOWS,
        value,
        rustix::fs::XattrFlags::empty(),
    )
}

/// Whether a directory hides those below.
pub(crate) fn is_opaque(directory: impl AsFd) -> rustix::io::Result<bool> {
    Ok(attribute(directory, OPAQUE)?.is_some_and(|value| value == b"y"))
}

/// A name for the kernel.
pub(crate) fn c_name(name: &str) -> io::Result<CString> {
    CString::new(name).map_err(io::Error::from)
}

/// The last time of change.
pub(crate) fn modified(stat: &Stat) -> porthole_layer::FileTime {
    let nanoseconds = u32::try_from(stat.st_mtime_nsec).unwrap_or(0);
    porthole_layer::FileTime::from_unix(stat.st_mtime, nanoseconds)
}
