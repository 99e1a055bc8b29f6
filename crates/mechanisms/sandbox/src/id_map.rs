//! User namespaces as ID maps: of the silo itself, and of the mounts that it sees.

use std::fs;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::fs::{Mode, OFlags};
use rustix::process::{Pid, Signal, WaitOptions, pidfd_send_signal, waitpid};

use crate::error::{Context, Result};
use crate::plan::Identity;
use crate::sys::{self, Cloned};

/// The host's ID for ID 0 of every silo.
///
/// All silos share one range: what keeps two of them apart is their other namespaces, and a
/// range of its own for each would have to be allocated and released across crashes.
pub const SILO_BASE: u32 = 100_000;

/// How many IDs a silo has.
pub const SILO_IDS: u32 = 65_536;

/// A continuous range of IDs and what it becomes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct IdRange {
    /// The first ID: inside the namespace, or on the disk of an ID-mapped mount.
    pub first: u32,
    /// The host's ID that it becomes.
    pub becomes: u32,
    /// How many.
    pub count: u32,
}

impl IdRange {
    /// The range that makes a silo's IDs, and that its layers are mounted with: what root owns on
    /// disk, ID 0 of the silo owns.
    pub const SILO: Self = Self {
        first: 0,
        becomes: SILO_BASE,
        count: SILO_IDS,
    };

    /// One ID that becomes one of the silo's.
    #[must_use]
    pub const fn single(on_disk: u32, inside: u32) -> Self {
        Self {
            first: on_disk,
            becomes: SILO_BASE + inside,
            count: 1,
        }
    }

    fn line(self) -> String {
        format!("{} {} {}\n", self.first, self.becomes, self.count)
    }
}

/// A user namespace with the given map, kept alive by its descriptor alone.
#[derive(Debug)]
pub struct IdMap {
    namespace: OwnedFd,
    /// The process that it was born in, killed and not yet reaped.
    holder: i32,
}

impl IdMap {
    /// Makes a user namespace with one range each for users and groups.
    ///
    /// # Errors
    /// When the kernel refuses the namespace or the map.
    pub fn new(users: IdRange, groups: IdRange) -> Result<Self> {
        let operation = "make a user namespace for";
        let subject = || format!("{users:?}");
        // A namespace needs a process to be born in; it does nothing and is killed at once.
        match sys::clone(libc::CLONE_NEWUSER, None).context(operation, subject())? {
            Cloned::Child => wait_to_be_killed(),
            Cloned::Parent { pid, pidfd } => {
                let namespace = write_maps(pid, users, groups);
                let killed = pidfd_send_signal(&pidfd, Signal::KILL);
                let namespace = namespace.context(operation, subject());
                // From here on the holder is reaped, whatever else fails.
                let map = namespace.map(|namespace| Self {
                    namespace,
                    holder: pid,
                });
                if map.is_err() {
                    reap(pid);
                }
                killed.context(operation, subject())?;
                map
            }
        }
    }
}

impl Drop for IdMap {
    /// Reaps the holder here rather than where it is killed: its death takes a while on a busy
    /// machine, and nobody needs it before.
    fn drop(&mut self) {
        reap(self.holder);
    }
}

fn reap(pid: i32) {
    // A child that cannot be waited for has been reaped.
    let _ = waitpid(Pid::from_raw(pid), WaitOptions::empty());
}

impl AsFd for IdMap {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.namespace.as_fd()
    }
}

/// The maps that every silo of one identity needs, which can be made before it is known what else
/// the silo is.
#[derive(Debug)]
pub struct SiloMaps {
    silo: IdMap,
    root_to_user: Option<IdMap>,
}

impl SiloMaps {
    /// Makes them.
    ///
    /// # Errors
    /// As [`IdMap::new`].
    pub fn new(identity: Identity) -> Result<Self> {
        let root_to_user = match identity {
            Identity::Administrator => None,
            Identity::User => {
                let range = IdRange::single(0, identity.id());
                Some(IdMap::new(range, range)?)
            }
        };
        let silo = IdMap::new(IdRange::SILO, IdRange::SILO)?;
        Ok(Self { silo, root_to_user })
    }

    /// The silo's own: its user namespace, and the map of its layers.
    pub(crate) fn of_silo(&self) -> &IdMap {
        &self.silo
    }

    /// What root owns on disk, the silo's user owns.
    pub(crate) fn of_root_to_user(&self) -> &IdMap {
        self.root_to_user.as_ref().unwrap_or(&self.silo)
    }
}

fn wait_to_be_killed() -> ! {
    // A parent that dies before it kills us must not leave us behind.
    if rustix::process::set_parent_process_death_signal(Some(Signal::KILL)).is_err() {
        sys::exit_now(1);
    }
    loop {
        std::thread::park();
    }
}

fn write_maps(pid: i32, users: IdRange, groups: IdRange) -> std::io::Result<OwnedFd> {
    fs::write(format!("/proc/{pid}/uid_map"), users.line())?;
    fs::write(format!("/proc/{pid}/gid_map"), groups.line())?;
    let path = format!("/proc/{pid}/ns/user");
    Ok(rustix::fs::open(
        path,
        OFlags::RDONLY | OFlags::CLOEXEC,
        Mode::empty(),
    )?)
}
