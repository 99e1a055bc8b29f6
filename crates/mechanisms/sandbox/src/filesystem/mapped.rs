//! Directories and files of the host that appear on C:.
//!
//! Each is mounted with an ID map that exchanges its owner on the host and the silo's user: what
//! the silo writes there belongs to that owner, and what belongs to others keeps others' rights.

use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{FileType, Mode, OFlags};

use super::attach;
use super::credentials::as_owner;
use super::windows_lookup::{BENEATH, find_component};
use crate::error::{Context, Result, SandboxError};
use crate::id_map::{IdMap, IdRange};
use crate::plan::{Identity, Mapped, Temporary};

/// A mapped directory or file, opened and ID-mapped, not yet attached.
#[derive(Debug)]
pub(super) struct Source {
    tree: OwnedFd,
    is_directory: bool,
    target: Vec<String>,
    /// Dropped with the rest, because that may take a while. None where the owners are the silo's.
    _map: Option<IdMap>,
}

impl Source {
    /// Opens the host's side of a mapping.
    pub(super) fn open(mapped: &Mapped, identity: Identity) -> Result<Self> {
        if mapped.target.is_empty() {
            let subject = mapped.source.display().to_string();
            return Err(SandboxError::invalid(
                "map",
                subject,
                "the target is C: itself",
            ));
        }
        let tree = attach::clone_tree(&mapped.source)?;
        let found = rustix::fs::fstat(&tree).at("look at", &mapped.source)?;
        let map = IdMap::new(
            IdRange::single(found.st_uid, identity.id()),
            IdRange::single(found.st_gid, identity.id()),
        )?;
        attach::map_owners(&tree, &map, mapped.read_only).at("map", &mapped.source)?;
        let is_directory = FileType::from_raw_mode(found.st_mode) == FileType::Directory;
        Ok(Self {
            tree,
            is_directory,
            target: mapped.target.clone(),
            _map: Some(map),
        })
    }

    /// Makes a directory in memory that is the silo's own.
    pub(super) fn temporary(temporary: &Temporary, identity: Identity) -> Result<Self> {
        let owner = identity.host_id().to_string();
        let mut options = vec![
            ("mode", format!("{:o}", temporary.mode & 0o7777)),
            ("uid", owner.clone()),
            ("gid", owner),
        ];
        options.extend(temporary.size.map(|bytes| ("size", bytes.to_string())));
        options.extend(
            temporary
                .files
                .map(|files| ("nr_inodes", files.to_string())),
        );
        let display: PathBuf = temporary.target.iter().collect();
        Ok(Self {
            tree: attach::tmpfs_with(&options).at("make a temporary directory for", &display)?,
            is_directory: true,
            target: temporary.target.clone(),
            _map: None,
        })
    }

    /// Attaches it below C:, making what is missing of the path.
    pub(super) fn attach(&self, c_drive: &OwnedFd) -> Result<()> {
        let display: PathBuf = self.target.iter().collect();
        let place = find_or_make(c_drive, &self.target, self.is_directory)?;
        if is_directory(&place).at("look at", &display)? != self.is_directory {
            let subject = display.display().to_string();
            return Err(SandboxError::invalid(
                "map to",
                subject,
                "one is a directory and the other is a file",
            ));
        }
        attach::place_at(self.tree.as_fd(), place.as_fd(), &display)
    }
}

/// Opens the directory or file at `path` below C:, in whatever case its parts are spelt there,
/// making what is missing.
pub(super) fn find_or_make(c_drive: &OwnedFd, path: &[String], directory: bool) -> Result<OwnedFd> {
    let display: PathBuf = path.iter().collect();
    let mut place = c_drive.try_clone().at("open", "C:")?;
    for (index, name) in path.iter().enumerate() {
        let last = index + 1 == path.len();
        check_name(name, &display)?;
        let found = find_component(&place, name).at("look up", &display)?;
        place = match found {
            Some(found) => found,
            None => {
                // A mapped directory has an ID map of its own, and a user's files are the user's.
                let owner = rustix::fs::fstat(&place).at("look at", &display)?.st_uid;
                as_owner(owner, || make(&place, name, !last || directory))?
                    .at("create", &display)?
            }
        };
    }
    Ok(place)
}

fn check_name(name: &str, path: &Path) -> Result<()> {
    if name.is_empty() || matches!(name, "." | "..") || name.contains(['/', '\\', '\0']) {
        let subject = path.display().to_string();
        return Err(SandboxError::invalid(
            "map to",
            subject,
            "not a path below C:",
        ));
    }
    Ok(())
}

/// Makes a directory or an empty file as the one who acts would own it, and opens it.
fn make(parent: &OwnedFd, name: &str, directory: bool) -> rustix::io::Result<OwnedFd> {
    if directory {
        rustix::fs::mkdirat(parent, name, Mode::from_raw_mode(0o755))?;
    } else {
        let flags = OFlags::WRONLY | OFlags::CREATE | OFlags::EXCL | OFlags::CLOEXEC;
        rustix::fs::openat(parent, name, flags, Mode::from_raw_mode(0o644))?;
    }
    let flags = OFlags::PATH | OFlags::CLOEXEC;
    rustix::fs::openat2(parent, name, flags, Mode::empty(), BENEATH)
}

fn is_directory(place: &OwnedFd) -> rustix::io::Result<bool> {
    let stat = rustix::fs::fstat(place)?;
    Ok(FileType::from_raw_mode(stat.st_mode) == FileType::Directory)
}
