//! Making single files of a layer.

use std::ffi::CStr;
use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};

use porthole_layer::{FileTime, Metadata};
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Timestamps, XattrFlags};

use crate::beneath::{BENEATH, set_link_attribute};
use crate::error::{Context, ErrorKind, Failure, Outcome};
use crate::kept::Keeper;
use crate::stored::{DOS, Shape, WINDOWS, WindowsLink, time_on_disk, to_disk};
use crate::target::{MOST_BYTES, Target, of_windows};

/// Makes a file that is not there yet.
pub(super) fn create(
    directory: &OwnedFd,
    name: &str,
    is_read_only: bool,
    is_masked: bool,
) -> Outcome<OwnedFd> {
    let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mode = Mode::from_raw_mode(if is_read_only { 0o444 } else { 0o644 });
    let file = rustix::fs::openat2(directory, name, flags, mode, BENEATH).to("make a file")?;
    if is_masked {
        rustix::fs::fchmod(&file, mode).to("make a file")?;
    }
    Ok(file)
}

/// Whether the process's mask takes something from the modes that files here get.
pub(super) fn is_masked() -> bool {
    let status = std::fs::read_to_string("/proc/thread-self/status").unwrap_or_default();
    let mask = status.lines().find_map(|line| line.strip_prefix("Umask:"));
    let mask = mask.and_then(|mask| u32::from_str_radix(mask.trim(), 8).ok());
    mask.is_none_or(|mask| mask & 0o755 != 0)
}

/// Copies an entry's content.
pub(super) fn fill(
    file: &OwnedFd,
    size: u64,
    content: &mut impl Read,
    buffer: &mut [u8],
) -> Outcome<()> {
    let mut left = size;
    while left > 0 {
        let most = usize::try_from(left)
            .unwrap_or(usize::MAX)
            .min(buffer.len());
        let read = match content.read(&mut buffer[..most]) {
            Ok(0) => return Err(Failure::malformed("layer ends too early")),
            Ok(read) => read,
            Err(error) if error.kind() == std::io::ErrorKind::UnexpectedEof => {
                return Err(Failure::malformed("layer ends too early"));
            }
            Err(error) => return Err(Failure::stream(error)),
        };
        write_all(file, &buffer[..read])?;
        left -= read as u64;
    }
    Ok(())
}

fn write_all(file: &OwnedFd, mut bytes: &[u8]) -> Outcome<()> {
    while !bytes.is_empty() {
        match rustix::io::write(file, bytes) {
            Ok(written) => bytes = &bytes[written..],
            Err(rustix::io::Errno::INTR) => {}
            Err(error) => return Err(Failure::io("write a file", error)),
        }
    }
    Ok(())
}

/// Sets what Windows keeps of a file or directory, but for its times.
pub(super) fn describe(
    file: &OwnedFd,
    shape: Shape,
    metadata: &Metadata,
    streams: &[String],
    keeper: &mut Keeper,
) -> Outcome<()> {
    let on_disk = to_disk(shape, metadata, None, streams, keeper);
    let set = |name: &str, value: &[u8]| {
        rustix::fs::fsetxattr(file, name, value, XattrFlags::empty()).map_err(of_attribute)
    };
    if let Some(dos) = on_disk.dos {
        set(DOS, dos.as_bytes())?;
    }
    on_disk.windows.map_or(Ok(()), |value| set(WINDOWS, &value))
}

/// Takes back what an entry before has said of a directory.
pub(super) fn forget(directory: &OwnedFd) -> Outcome<()> {
    for name in [DOS, WINDOWS] {
        match rustix::fs::fremovexattr(directory, name) {
            Ok(()) | Err(rustix::io::Errno::NODATA) => {}
            Err(error) => return Err(of_attribute(error)),
        }
    }
    Ok(())
}

fn of_attribute(error: rustix::io::Errno) -> Failure {
    if error == rustix::io::Errno::OPNOTSUPP {
        let message = "the file system of the data root has no extended attributes";
        return Failure::new(ErrorKind::Io, message);
    }
    Failure::io("store what Windows keeps of a file", error)
}

/// Makes a symbolic link or junction; says whether it leads out of C:.
pub(super) fn make_link(
    directory: &OwnedFd,
    name: &CStr,
    level: usize,
    link: WindowsLink,
    metadata: &Metadata,
    keeper: &mut Keeper,
) -> Outcome<bool> {
    let target = of_windows(&link.target, level);
    let (text, leads_out) = match &target {
        Target::Inside(text) => (text, false),
        Target::Outside(text) => (text, true),
    };
    if text.len() > MOST_BYTES {
        return Err(Failure::too_large("it leads to a path that is too long"));
    }
    rustix::fs::symlinkat(text.as_str(), directory, name).to("make a link")?;
    let on_disk = to_disk(Shape::Link, metadata, Some(link), &[], keeper);
    if let Some(value) = on_disk.windows {
        set_link_attribute(directory, name, &value).map_err(of_attribute)?;
    }
    let flags = AtFlags::SYMLINK_NOFOLLOW;
    rustix::fs::utimensat(directory, name, &times(metadata.modified), flags)
        .to("set a link's times")?;
    Ok(leads_out)
}

/// Makes what tells overlayfs that the layers below have nothing here.
pub(crate) fn make_whiteout(directory: impl AsFd, name: impl rustix::path::Arg) -> Outcome<()> {
    let kind = FileType::CharacterDevice;
    rustix::fs::mknodat(directory, name, kind, Mode::empty(), 0).to("make a whiteout")
}

/// Sets both times of an open file: when it was last read, nobody keeps.
pub(super) fn set_times(file: &OwnedFd, modified: FileTime) -> Outcome<()> {
    rustix::fs::futimens(file, &times(modified)).to("set a file's times")
}

pub(crate) fn times(modified: FileTime) -> Timestamps {
    let time = time_on_disk(modified);
    Timestamps {
        last_access: time,
        last_modification: time,
    }
}

/// Writes a small file that is not there yet.
pub(super) fn write_new(directory: &OwnedFd, name: &str, content: &[u8]) -> Outcome<()> {
    let file = create(directory, name, false, false)?;
    File::from(file)
        .write_all(content)
        .to("write the layer's metadata")
}
