//! A silo's cgroup: every process of the silo is in it, none outside.
//!
//! Written here rather than taken from a library: the ones there are either put nothing into the
//! right place on hybrid hosts, or move a process in through `cgroup.procs`, which waits for an
//! RCU grace period of the whole machine (10 ms and more) in each hierarchy.

mod birthplace;
mod directories;
mod files;
mod hierarchies;
mod limits;
mod memory;
mod out_of_memory;
mod v1;
mod v2;

use std::fs;
use std::io;
use std::os::fd::OwnedFd;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use rustix::fs::{Mode, OFlags};

use crate::error::{Context, Result, SandboxError};
pub use birthplace::Birthplace;
use directories::{kill_everywhere, make_directory, relative_path, remove_directory};
use files::write;
pub use hierarchies::{Controller, Hierarchies};
pub use limits::{LEAST_MEMORY, Limits};
pub(crate) use memory::{MemoryAccount, MemoryUse};
pub use out_of_memory::OutOfMemoryWatch;

/// How long processes may take to stop, or a dead silo's cgroup to become empty.
const PATIENCE: Duration = Duration::from_secs(2);

/// Usage figures; what the host does not count is 0.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Usage {
    /// Nanoseconds of processor time in all.
    pub cpu_total_ns: u64,
    /// Nanoseconds in user mode.
    pub cpu_user_ns: u64,
    /// Nanoseconds in kernel mode.
    pub cpu_kernel_ns: u64,
    /// Bytes of memory charged, page cache included.
    pub memory_usage: u64,
    /// The highest that it has been.
    pub memory_peak: u64,
    /// Bytes of anonymous memory.
    pub memory_private: u64,
    /// Read operations on block devices.
    pub read_count: u64,
    /// Bytes read.
    pub read_bytes: u64,
    /// Write operations.
    pub write_count: u64,
    /// Bytes written.
    pub write_bytes: u64,
    /// Tasks.
    pub pids: u64,
}

#[derive(Debug)]
enum Version {
    V1(v1::Directories),
    V2(PathBuf),
}

/// A cgroup that exists until [`Cgroup::remove`].
#[derive(Debug)]
pub struct Cgroup {
    version: Version,
    /// The cgroup's directory in each hierarchy.
    directories: Vec<PathBuf>,
    limits: Limits,
}

impl Cgroup {
    /// Makes `parent`/`name` in every hierarchy, with these limits. What a silo of this name that
    /// nobody removed has left, if it is empty, is taken over.
    ///
    /// # Errors
    /// When a limit is impossible or a directory cannot be made; nothing is left then.
    pub fn create(
        hierarchies: &Hierarchies,
        parent: &str,
        name: &str,
        limits: &Limits,
    ) -> Result<Self> {
        limits.check()?;
        let relative = relative_path(parent, name)?;
        let directories: Vec<PathBuf> = hierarchies
            .directories()
            .into_iter()
            .map(|root| root.join(&relative))
            .collect();
        let version = match hierarchies {
            Hierarchies::V1(controllers) => Version::V1(
                controllers
                    .iter()
                    .map(|(controller, root)| (*controller, root.join(&relative)))
                    .collect(),
            ),
            Hierarchies::V2(root) => Version::V2(root.join(&relative)),
        };
        let mut cgroup = Self {
            version,
            directories,
            limits: Limits::default(),
        };
        match cgroup
            .make(hierarchies, &relative)
            .and_then(|()| cgroup.update(limits))
        {
            Ok(()) => Ok(cgroup),
            Err(error) => {
                // The first error is the one that tells why.
                let _ = cgroup.remove();
                Err(error)
            }
        }
    }

    fn make(&self, hierarchies: &Hierarchies, relative: &Path) -> Result<()> {
        for directory in &self.directories {
            make_directory(directory).at("create", directory)?;
        }
        if let Hierarchies::V2(root) = hierarchies {
            let mut ancestor = root.clone();
            v2::enable_controllers(&ancestor);
            for component in relative.parent().into_iter().flatten() {
                ancestor.push(component);
                v2::enable_controllers(&ancestor);
            }
        }
        Ok(())
    }

    /// Changes the limits of the running silo.
    ///
    /// # Errors
    /// When a limit is impossible, or the kernel refuses one (memory that cannot be reclaimed).
    pub fn update(&mut self, limits: &Limits) -> Result<()> {
        limits.check()?;
        match &self.version {
            Version::V1(all) => v1::apply(all, limits, &self.limits)?,
            Version::V2(directory) => v2::apply(directory, limits, &self.limits)?,
        }
        self.limits = limits.clone();
        Ok(())
    }

    /// The directory that a process can be born in, on hosts where that is possible (v2).
    ///
    /// # Errors
    /// When it cannot be opened.
    pub(crate) fn birthplace(&self) -> Result<Option<OwnedFd>> {
        let Version::V2(directory) = &self.version else {
            return Ok(None);
        };
        let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::CLOEXEC;
        rustix::fs::open(directory, flags, Mode::empty())
            .at("open", directory)
            .map(Some)
    }

    /// Moves the calling process, which must have one thread, into the cgroup where it was not
    /// born in it.
    ///
    /// A thread that writes 0 to `tasks` moves itself without the machine-wide wait that a move
    /// through `cgroup.procs` brings.
    pub(crate) fn enter(&self) -> Result<()> {
        match &self.version {
            Version::V1(_) => self
                .directories
                .iter()
                .try_for_each(|directory| write(directory, "tasks", "0")),
            Version::V2(_) => Ok(()),
        }
    }

    /// Usage figures.
    #[must_use]
    pub fn usage(&self) -> Usage {
        match &self.version {
            Version::V1(all) => v1::usage(all),
            Version::V2(directory) => v2::usage(directory),
        }
    }

    /// Where the memory of a silo is counted that has a limit of it.
    pub(crate) fn limited_memory(&self) -> Option<MemoryAccount> {
        self.limits.memory?;
        match &self.version {
            Version::V1(all) => all
                .get(&Controller::Memory)
                .map(|memory| MemoryAccount::v1(memory)),
            Version::V2(directory) => Some(MemoryAccount::v2(directory)),
        }
    }

    /// How often the kernel has killed a process of the silo for want of memory.
    #[must_use]
    pub fn out_of_memory_kills(&self) -> u64 {
        match &self.version {
            Version::V1(all) => v1::out_of_memory_kills(all),
            Version::V2(directory) => v2::out_of_memory_kills(directory),
        }
    }

    /// A descriptor that tells when [`Self::out_of_memory_kills`] may have changed; none where
    /// memory is not controlled.
    ///
    /// # Errors
    /// When the kernel refuses the watch.
    pub fn watch_out_of_memory(&self) -> Result<Option<OutOfMemoryWatch>> {
        match &self.version {
            Version::V1(all) => all
                .get(&Controller::Memory)
                .map(|memory| OutOfMemoryWatch::v1(memory))
                .transpose(),
            Version::V2(directory) => OutOfMemoryWatch::v2(directory).map(Some),
        }
    }

    /// Stops every process, or lets them run again. Answers when all have stopped.
    ///
    /// # Errors
    /// When they do not stop in time (then all run again) or the kernel refuses.
    pub fn freeze(&self, stop: bool) -> Result<()> {
        self.set_frozen(stop)?;
        let deadline = Instant::now() + PATIENCE;
        while stop && !self.is_frozen() {
            if Instant::now() > deadline {
                self.set_frozen(false)?;
                return Err(SandboxError::new(
                    crate::error::ErrorKind::Host,
                    "stop",
                    "the silo's processes",
                    io::Error::from(io::ErrorKind::TimedOut),
                ));
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        Ok(())
    }

    fn set_frozen(&self, stop: bool) -> Result<()> {
        match &self.version {
            Version::V1(all) => {
                let state = if stop { "FROZEN" } else { "THAWED" };
                write(v1::freezer(all)?, "freezer.state", state)
            }
            Version::V2(directory) => {
                write(directory, "cgroup.freeze", if stop { "1" } else { "0" })
            }
        }
    }

    fn is_frozen(&self) -> bool {
        match &self.version {
            Version::V1(all) => v1::freezer(all).is_ok_and(|path| {
                files::read(path, "freezer.state").as_deref() == Some("FROZEN\n")
            }),
            Version::V2(directory) => v2::is_frozen(directory),
        }
    }

    /// Removes the cgroup, waiting a little for the dead to leave it, and its parent if that is
    /// empty then. Gathers what goes wrong rather than stopping at it.
    ///
    /// # Errors
    /// The first thing that went wrong.
    pub fn remove(&self) -> Result<()> {
        let deadline = Instant::now() + PATIENCE;
        let mut outcome = Ok(());
        for directory in &self.directories {
            let removed = remove_directory(directory, deadline).at("remove", directory);
            if let (Some(parent), Ok(())) = (directory.parent(), &removed) {
                // Others may live there.
                let _ = fs::remove_dir(parent);
            }
            outcome = outcome.and(removed);
        }
        outcome
    }

    /// Removes the cgroup of a silo whose supervisor is gone, killing what is left in it.
    ///
    /// # Errors
    /// The first thing that went wrong.
    pub fn remove_orphan(hierarchies: &Hierarchies, parent: &str, name: &str) -> Result<()> {
        let relative = relative_path(parent, name)?;
        let directories: Vec<PathBuf> = hierarchies
            .directories()
            .into_iter()
            .map(|root| root.join(&relative))
            .filter(|directory| directory.exists())
            .collect();
        let deadline = Instant::now() + PATIENCE;
        kill_everywhere(&directories, deadline);
        let mut outcome = Ok(());
        for directory in &directories {
            outcome = outcome.and(remove_directory(directory, deadline).at("remove", directory));
        }
        outcome
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_v2_cgroup_is_made_limited_and_removed() {
        let root = tempfile::tempdir().unwrap();
        let hierarchies = Hierarchies::V2(root.path().to_owned());
        let cgroup = Cgroup::create(&hierarchies, "porthole", "x", &Limits::default()).unwrap();
        assert!(root.path().join("porthole/x").is_dir());
        cgroup.remove().unwrap();
        assert!(!root.path().join("porthole").exists());
    }

    #[test]
    fn a_limit_that_fails_leaves_no_directory() {
        let root = tempfile::tempdir().unwrap();
        let hierarchies = Hierarchies::V2(root.path().to_owned());
        let limits = Limits {
            pids: Some(5),
            ..Limits::default()
        };
        assert!(Cgroup::create(&hierarchies, "porthole", "x", &limits).is_err());
        assert!(!root.path().join("porthole").exists());
    }
}
