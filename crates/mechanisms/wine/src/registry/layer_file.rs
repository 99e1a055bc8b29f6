//! Reading a file of a layer, whose content and links are not trusted.
//!
//! A layer lies on disk as it is mounted: what it removes of the layers below are whiteouts of
//! overlayfs, and directories in which nothing of them shows are marked as opaque.

use std::ffi::{CStr, CString};
use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use porthole_registry::Name;
use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, fgetxattr, openat, statat};
use rustix::io::Errno;

use crate::error::{Error, ErrorKind, IoContext, Result};

/// The largest hive that is read, in bytes.
const MAX_SIZE: u64 = 256 << 20;

/// Where overlayfs says that a directory hides those below it, by who mounts.
const OPAQUE: [&CStr; 2] = [c"trusted.overlay.opaque", c"user.overlay.opaque"];

/// What a layer has at a place.
#[derive(Debug)]
pub(super) enum Found {
    /// A file.
    File(File),
    /// Nothing: layers below count.
    Nothing,
    /// Nothing, and it hides what layers below have there.
    Hidden,
    /// A link or something else, in the place of the file or of a directory that leads to it. It
    /// hides what layers below have there as well.
    InTheWay,
}

/// Looks for the file at `path`, relative to the layer's directory. Names are found in any case, as
/// Windows finds them.
///
/// # Errors
/// A failure of the file system.
pub(super) fn find(layer: &Path, path: &str) -> Result<Found> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let mut directory = openat(CWD, layer, flags, Mode::empty()).at("open layer", layer)?;
    let mut is_opaque = false;
    let mut names = path.split('/').peekable();
    while let Some(name) = names.next() {
        let full = layer.join(path);
        let nothing = if is_opaque {
            Found::Hidden
        } else {
            Found::Nothing
        };
        let Some(name) = spelled(&directory, name).at("look for hive", &full)? else {
            return Ok(nothing);
        };
        let stat = statat(&directory, &name, AtFlags::SYMLINK_NOFOLLOW);
        let stat = stat.at("look for hive", &full)?;
        let wanted = match FileType::from_raw_mode(stat.st_mode) {
            FileType::CharacterDevice if stat.st_rdev == 0 => return Ok(Found::Hidden),
            FileType::Directory if names.peek().is_some() => OFlags::DIRECTORY,
            FileType::RegularFile if names.peek().is_none() => OFlags::empty(),
            _ => return Ok(Found::InTheWay),
        };
        let flags = wanted | OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let opened = openat(&directory, &name, flags, Mode::empty()).at("open hive", &full)?;
        if names.peek().is_none() {
            return Ok(Found::File(File::from(opened)));
        }
        is_opaque |= marked_opaque(&opened);
        directory = opened;
    }
    Ok(Found::Nothing)
}

/// Reads a file that [`find`] has found at `path` of the layer.
///
/// # Errors
/// `Malformed` when it is no file of a hive's size; a failure of the file system.
pub(super) fn read(file: File, layer: &Path, path: &str) -> Result<Vec<u8>> {
    let full = layer.join(path);
    let metadata = file.metadata().at("look at hive", &full)?;
    if !metadata.is_file() || metadata.len() > MAX_SIZE {
        let message = format!("not a file of at most {MAX_SIZE} bytes");
        return Err(Error::new(
            ErrorKind::Malformed,
            "open hive",
            &full,
            message,
        ));
    }
    let mut bytes = Vec::with_capacity(usize::try_from(metadata.len()).unwrap_or_default());
    file.take(MAX_SIZE)
        .read_to_end(&mut bytes)
        .at("read hive", &full)?;
    Ok(bytes)
}

/// The name as the directory spells it: as it is asked for where that exists.
fn spelled(directory: &OwnedFd, name: &str) -> rustix::io::Result<Option<CString>> {
    match statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
        Ok(_) => return Ok(CString::new(name).ok()),
        Err(Errno::NOENT) => {}
        Err(error) => return Err(error),
    }
    let wanted = Name::from(name);
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let is_it = |found: &str| Name::from(found) == wanted;
        if entry.file_name().to_str().is_ok_and(is_it) {
            return Ok(Some(entry.file_name().to_owned()));
        }
    }
    Ok(None)
}

fn marked_opaque(directory: impl AsFd) -> bool {
    OPAQUE.iter().any(|name| {
        let mut value = [0; 2];
        fgetxattr(&directory, *name, &mut value).is_ok_and(|length| value[..length] == *b"y")
    })
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn content(layer: &Path, path: &str) -> Option<Vec<u8>> {
        match find(layer, path).unwrap() {
            Found::File(file) => Some(read(file, layer, path).unwrap()),
            Found::Nothing | Found::Hidden | Found::InTheWay => None,
        }
    }

    #[test]
    fn files_are_found_in_any_case_and_never_through_links() {
        let layer = tempfile::tempdir().unwrap();
        let layer = layer.path();
        fs::create_dir_all(layer.join("files/USERS")).unwrap();
        fs::write(layer.join("files/USERS/ntuser.dat"), "x").unwrap();
        assert_eq!(content(layer, "Files/Users/NTUSER.DAT").unwrap(), b"x");
        assert!(content(layer, "Files/Users/other").is_none());
    }

    #[test]
    fn a_link_or_a_file_in_the_way_is_not_passed() {
        let layer = tempfile::tempdir().unwrap();
        let layer = layer.path();
        fs::write(layer.join("file"), "x").unwrap();
        std::os::unix::fs::symlink("/etc", layer.join("link")).unwrap();
        std::os::unix::fs::symlink("/etc/passwd", layer.join("hive")).unwrap();
        for path in ["file/hive", "link/passwd", "hive"] {
            assert!(
                matches!(find(layer, path).unwrap(), Found::InTheWay),
                "{path}"
            );
        }
        assert!(matches!(find(layer, "none/hive").unwrap(), Found::Nothing));
    }
}
