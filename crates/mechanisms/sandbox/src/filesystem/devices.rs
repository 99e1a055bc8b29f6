//! `/dev` and `/sys`: the least that programs ask for.

use std::fs;
use std::os::fd::AsFd;
use std::path::Path;

use rustix::fs::CWD;
use rustix::mount::{MountFlags, OpenTreeFlags, open_tree};

use super::attach;
use crate::error::{Context, Result};
use crate::sys::{MountAttributes, set_mount_attributes};

/// Nodes bound from the host's `/dev`. None of them leads to a device.
const NODES: [&str; 5] = ["null", "zero", "full", "random", "urandom"];

/// The host's description of its processors, which `GetLogicalProcessorInformation` reads.
const PROCESSORS: &str = "/sys/devices/system/cpu";

/// Mounts a read-only `/dev` that holds [`NODES`] only.
pub(super) fn populate(target: &Path) -> Result<()> {
    attach::mount_tmpfs(target, "mode=0755,size=64k")?;
    for name in NODES {
        let node = target.join(name);
        fs::File::create(&node).at("create", &node)?;
        let source = Path::new("/dev").join(name);
        let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
        let tree = open_tree(CWD, &source, flags).at("open", &source)?;
        let set = libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NOEXEC;
        set_mount_attributes(tree.as_fd(), &MountAttributes { set, id_map: None })
            .at("restrict", &source)?;
        attach::place(tree.as_fd(), &node)?;
    }
    rustix::mount::mount_remount(
        target,
        MountFlags::BIND | MountFlags::RDONLY | MountFlags::NOSUID | MountFlags::NOEXEC,
        "",
    )
    .at("make read-only", target)
}

/// Shows the processors' description and nothing else of `/sys`, where the kernel package has a
/// place for it; without it programs learn the number of processors but not their topology.
pub(super) fn show_processors(target: &Path) -> Result<()> {
    if !target.is_dir() || !Path::new(PROCESSORS).is_dir() {
        return Ok(());
    }
    attach::mount_tmpfs(target, "mode=0755,size=64k")?;
    let place = target.join("devices/system/cpu");
    fs::create_dir_all(&place).at("create", &place)?;
    attach::bind_read_only(Path::new(PROCESSORS), &place)?;
    rustix::mount::mount_remount(
        target,
        MountFlags::BIND | MountFlags::RDONLY | super::PLAIN | MountFlags::NOEXEC,
        "",
    )
    .at("make read-only", target)
}
