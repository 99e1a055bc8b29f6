//! Which cgroup hierarchies the host has mounted, and where.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};

use crate::error::{Context, ErrorKind, Result, SandboxError};

/// A controller of a silo's resources.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Controller {
    /// Time and weight.
    Cpu,
    /// Accounting of time (v1 only; v2's `cpu` does both).
    CpuAccounting,
    /// Memory.
    Memory,
    /// Tasks.
    Pids,
    /// Stopping and resuming (v1 only; v2 does it without a controller).
    Freezer,
    /// Block devices.
    BlockIo,
}

impl Controller {
    const ALL: [Self; 6] = [
        Self::Cpu,
        Self::CpuAccounting,
        Self::Memory,
        Self::Pids,
        Self::Freezer,
        Self::BlockIo,
    ];

    /// The name as a mount option of v1.
    fn v1_name(self) -> &'static str {
        match self {
            Self::Cpu => "cpu",
            Self::CpuAccounting => "cpuacct",
            Self::Memory => "memory",
            Self::Pids => "pids",
            Self::Freezer => "freezer",
            Self::BlockIo => "blkio",
        }
    }
}

/// The mounted hierarchies.
///
/// Hosts come in three kinds: v1 (a hierarchy for each controller), v2 (one for all), and hybrid
/// (v1 hierarchies, and a v2 tree beside them that holds none of the controllers we use). A
/// hybrid host is a v1 host here: its v2 tree could add nothing but `cgroup.kill`, and the end of
/// a silo's PID namespace already kills all of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Hierarchies {
    /// A directory for each controller; several may share one.
    V1(BTreeMap<Controller, PathBuf>),
    /// The directory of the only hierarchy.
    V2(PathBuf),
}

impl Hierarchies {
    /// Finds what this host has mounted.
    ///
    /// # Errors
    /// When there is no hierarchy that could hold a silo.
    pub fn detect() -> Result<Self> {
        let path = "/proc/self/mountinfo";
        let table = fs::read_to_string(path).at("read", path)?;
        Self::from_mount_table(&table)
    }

    /// Finds the hierarchies in a mount table (`/proc/self/mountinfo`).
    ///
    /// # Errors
    /// When there is no hierarchy that could hold a silo.
    pub fn from_mount_table(table: &str) -> Result<Self> {
        let mounts: Vec<Mount<'_>> = table.lines().filter_map(Mount::parse).collect();
        let v1: BTreeMap<Controller, PathBuf> = Controller::ALL
            .into_iter()
            .filter_map(|controller| {
                let mount = mounts.iter().find(|mount| mount.holds(controller))?;
                Some((controller, PathBuf::from(mount.point)))
            })
            .collect();
        let v2 = mounts.iter().find(|mount| mount.kind == "cgroup2");
        match v2 {
            _ if v1.contains_key(&Controller::Freezer) => Ok(Self::V1(v1)),
            Some(mount) => Ok(Self::V2(PathBuf::from(mount.point))),
            None => Err(SandboxError::new(
                ErrorKind::Unsupported,
                "find",
                "a cgroup hierarchy",
                std::io::Error::other("neither a v1 freezer nor a v2 tree is mounted"),
            )),
        }
    }

    /// The directories that a silo's cgroup is made in, each once.
    pub(super) fn directories(&self) -> Vec<&Path> {
        match self {
            Self::V1(controllers) => {
                let mut all: Vec<&Path> = controllers.values().map(PathBuf::as_path).collect();
                all.sort_unstable();
                all.dedup();
                all
            }
            Self::V2(root) => vec![root],
        }
    }
}

/// The fields of a line of the mount table that matter here.
struct Mount<'a> {
    point: &'a str,
    kind: &'a str,
    options: &'a str,
}

impl<'a> Mount<'a> {
    /// `36 35 98:0 /root /point options optional… - kind source super-options`
    fn parse(line: &'a str) -> Option<Self> {
        let (left, right) = line.split_once(" - ")?;
        let point = left.split(' ').nth(4)?;
        let mut right = right.split(' ');
        let kind = right.next()?;
        let options = right.nth(1)?;
        Some(Self {
            point,
            kind,
            options,
        })
    }

    fn holds(&self, controller: Controller) -> bool {
        self.kind == "cgroup"
            && self
                .options
                .split(',')
                .any(|one| one == controller.v1_name())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HYBRID: &str = "\
        30 24 0:26 / /sys/fs/cgroup ro - tmpfs tmpfs ro,mode=755\n\
        31 30 0:27 / /sys/fs/cgroup/unified rw - cgroup2 cgroup2 rw\n\
        32 30 0:28 / /sys/fs/cgroup/cpu,cpuacct rw shared:9 - cgroup cgroup rw,cpu,cpuacct\n\
        33 30 0:29 / /sys/fs/cgroup/freezer rw shared:10 - cgroup cgroup rw,freezer\n\
        34 30 0:30 / /sys/fs/cgroup/systemd rw - cgroup cgroup rw,name=systemd\n";

    #[test]
    fn a_hybrid_host_is_a_v1_host() {
        let found = Hierarchies::from_mount_table(HYBRID).unwrap();
        let Hierarchies::V1(controllers) = &found else {
            panic!("{found:?}")
        };
        assert_eq!(controllers.len(), 3);
        assert_eq!(
            controllers[&Controller::Cpu],
            controllers[&Controller::CpuAccounting]
        );
        assert_eq!(found.directories().len(), 2);
    }

    #[test]
    fn a_host_with_one_tree_is_a_v2_host() {
        let table = "26 24 0:23 / /sys/fs/cgroup rw shared:4 - cgroup2 cgroup2 rw,nsdelegate\n";
        let found = Hierarchies::from_mount_table(table).unwrap();
        assert_eq!(found, Hierarchies::V2("/sys/fs/cgroup".into()));
    }

    #[test]
    fn a_host_without_any_is_refused() {
        let error = Hierarchies::from_mount_table("1 0 8:1 / / rw - ext4 /dev/sda rw\n");
        assert_eq!(error.unwrap_err().kind(), ErrorKind::Unsupported);
    }
}
