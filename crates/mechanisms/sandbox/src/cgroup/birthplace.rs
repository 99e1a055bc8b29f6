//! A cgroup that a copy of this process is born in, which unlike a move costs nothing.

use std::os::fd::{AsFd, OwnedFd};

use rustix::fs::{Mode, OFlags};

use super::directories::relative_path;
use super::hierarchies::Hierarchies;
use crate::error::{Context, ErrorKind, Result, SandboxError};
use crate::sys::{self, Cloned};

/// A cgroup of the only hierarchy, without limits.
#[derive(Debug)]
pub struct Birthplace {
    directory: OwnedFd,
}

impl Birthplace {
    /// Makes `parent`/`name`; the parent is there.
    ///
    /// # Errors
    /// `Unsupported` on a host with more hierarchies than one; `Host` when the parent is missing
    /// or the kernel refuses.
    pub fn make(hierarchies: &Hierarchies, parent: &str, name: &str) -> Result<Self> {
        let Hierarchies::V2(root) = hierarchies else {
            return Err(SandboxError::new(
                ErrorKind::Unsupported,
                "use",
                format!("the cgroup {parent}"),
                std::io::Error::other("this host has a hierarchy for each controller"),
            ));
        };
        let path = root.join(relative_path(parent, name)?);
        match std::fs::create_dir(&path) {
            Err(error) if error.kind() != std::io::ErrorKind::AlreadyExists => {
                return Err(error).at("create", path);
            }
            _ => {}
        }
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let directory = rustix::fs::open(&path, flags, Mode::empty()).at("open", path)?;
        Ok(Self { directory })
    }

    /// Makes a copy of this process, which must have one thread, in the cgroup. Returns twice:
    /// true in the copy.
    ///
    /// # Errors
    /// When the kernel refuses.
    pub fn duplicate_process(&self) -> Result<bool> {
        let cloned = sys::clone(0, Some(self.directory.as_fd()));
        match cloned.context("make", "a process in another cgroup")? {
            Cloned::Child => Ok(true),
            Cloned::Parent { .. } => Ok(false),
        }
    }
}
