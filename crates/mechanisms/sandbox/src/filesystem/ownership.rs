//! What of C: an unprivileged user owns.
//!
//! Layers belong to ID 0 of the silo, whole mounts at a time, so a user's profile in them would
//! be read-only to the user. Its directories (not the files in them, which would be copied whole)
//! are given to the user in the sandbox when the silo starts: the user may then create, replace,
//! rename and delete there. A layer's own file is replaced rather than written in place, unless
//! it is small enough to be copied without being noticed ([`SMALL`]).

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{AtFlags, FileType, Gid, Mode, OFlags, ResolveFlags, Uid};

use super::windows_lookup::find_component;
use crate::error::{Context, Result};
use crate::plan::Identity;

/// Directories, as components below C:, that the user owns with all that is in them.
const OWNED: [&[&str]; 2] = [&["Users", "ContainerUser"], &["Windows", "Temp"]];

/// Files of at most this many bytes change owner too; each is then copied into the sandbox.
const SMALL: i64 = 64 * 1024;

/// How many entries are looked at: a profile that an image has filled with more keeps, beyond
/// them, the owner that it has.
const MOST_ENTRIES: usize = 4096;

/// Gives the user what is the user's.
pub(super) fn give_to_user(c_drive: &OwnedFd) -> Result<()> {
    let mut budget = MOST_ENTRIES;
    for path in OWNED {
        let mut directory = c_drive.try_clone().at("open", "C:")?;
        let mut found = true;
        for name in path {
            match find_component(&directory, name).context("look up", *name)? {
                Some(next) => directory = next,
                None => {
                    found = false;
                    break;
                }
            }
        }
        if found {
            give_directory(&directory, &mut budget).context("give to the user", path.join("\\"))?;
        }
    }
    Ok(())
}

fn give_directory(directory: &OwnedFd, budget: &mut usize) -> rustix::io::Result<()> {
    let stat = rustix::fs::statx(
        directory,
        "",
        AtFlags::EMPTY_PATH,
        rustix::fs::StatxFlags::UID | rustix::fs::StatxFlags::TYPE,
    )?;
    if FileType::from_raw_mode(stat.stx_mode.into()) != FileType::Directory {
        return Ok(());
    }
    let user = Identity::User.host_id();
    if stat.stx_uid != user {
        give(directory, "")?;
    }
    let readable = rustix::fs::openat2(
        directory,
        ".",
        OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC,
        Mode::empty(),
        ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS,
    )?;
    for entry in rustix::fs::Dir::read_from(&readable)? {
        let entry = entry?;
        if matches!(entry.file_name().to_bytes(), b"." | b"..") {
            continue;
        }
        if *budget == 0 {
            return Ok(());
        }
        *budget -= 1;
        give_entry(&readable, entry.file_name(), entry.file_type(), budget)?;
    }
    Ok(())
}

fn give_entry(
    directory: &OwnedFd,
    name: &std::ffi::CStr,
    kind: FileType,
    budget: &mut usize,
) -> rustix::io::Result<()> {
    match kind {
        FileType::Directory => {
            let child = rustix::fs::openat2(
                directory,
                name,
                OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC,
                Mode::empty(),
                ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS,
            )?;
            give_directory(&child, budget)
        }
        FileType::RegularFile => {
            let stat = rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW)?;
            if stat.st_uid != Identity::User.host_id() && stat.st_size <= SMALL {
                give(directory, name)?;
            }
            Ok(())
        }
        _ => Ok(()),
    }
}

fn give(directory: impl AsFd, name: impl rustix::path::Arg) -> rustix::io::Result<()> {
    let id = Identity::User.host_id();
    let flags = AtFlags::SYMLINK_NOFOLLOW | AtFlags::EMPTY_PATH;
    rustix::fs::chownat(
        directory,
        name,
        Some(Uid::from_raw(id)),
        Some(Gid::from_raw(id)),
        flags,
    )
}
