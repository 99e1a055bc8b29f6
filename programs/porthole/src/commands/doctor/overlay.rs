//! ID-mapped overlay mounts, by making one.
#![allow(unsafe_code, reason = "unshare and mount_setattr have no safe wrapper")]

use std::fs;
use std::io;
use std::os::fd::{AsFd, AsRawFd, BorrowedFd};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use porthole_sandbox::{IdMap, IdRange, SILO_BASE};
use rustix::fs::CWD;
use rustix::mount::{
    MountFlags, MountPropagationFlags, MoveMountFlags, OpenTreeFlags, mount, mount_change,
    move_mount, open_tree,
};
use rustix::thread::{UnshareFlags, unshare_unsafe};

use super::finding::{Finding, chain};

const NAMESPACES: &str = "user namespaces";
const OVERLAY: &str = "ID-mapped overlay";

/// Makes a user namespace with a silo's ID map, and a union of a layer that is mounted with it.
pub(super) fn examine(data_root: &Path) -> Vec<Finding> {
    if !rustix::process::geteuid().is_root() {
        return [NAMESPACES, OVERLAY].map(Finding::not_looked_at).into();
    }
    let map = match IdMap::new(IdRange::SILO, IdRange::SILO) {
        Ok(map) => map,
        Err(error) => {
            return vec![Finding::missing(
                NAMESPACES,
                chain(&error),
                "allow them: 'sysctl user.max_user_namespaces=15000', and a kernel with CONFIG_USER_NS",
            )];
        }
    };
    vec![
        Finding::good(NAMESPACES, "one was made"),
        overlay(data_root, &map),
    ]
}

fn overlay(data_root: &Path, map: &IdMap) -> Finding {
    let base = existing_ancestor(data_root);
    match Scratch::create(&base).and_then(|scratch| try_union(&scratch.path, map)) {
        Ok(owner) if owner == SILO_BASE => {
            Finding::good(OVERLAY, format!("one was made below {}", base.display()))
        }
        Ok(owner) => Finding::missing(
            OVERLAY,
            format!("a file of root's belongs to {owner} in the union"),
            "use Linux 5.19 or newer",
        ),
        Err(error) => Finding::missing(
            OVERLAY,
            format!("cannot make one below {}: {error}", base.display()),
            "use Linux 5.19 or newer, and a data root on ext4, xfs or btrfs (an overlay cannot stand on an overlay)",
        ),
    }
}

/// The nearest directory above a path that may not be there yet.
fn existing_ancestor(path: &Path) -> PathBuf {
    path.ancestors()
        .find(|ancestor| ancestor.is_dir())
        .unwrap_or(Path::new("/"))
        .to_owned()
}

/// A directory that is removed when it is dropped.
struct Scratch {
    path: PathBuf,
}

impl Scratch {
    fn create(base: &Path) -> io::Result<Self> {
        let path = base.join(format!(".porthole-doctor-{}", std::process::id()));
        fs::create_dir(&path)?;
        let scratch = Self { path };
        for name in ["layer", "mapped", "upper", "work", "union"] {
            fs::create_dir(scratch.path.join(name))?;
        }
        fs::write(scratch.path.join("layer/file"), "")?;
        Ok(scratch)
    }
}

impl Drop for Scratch {
    fn drop(&mut self) {
        // What stays behind has a name that tells what it is.
        let _ = fs::remove_dir_all(&self.path);
    }
}

/// Mounts a layer with the map, a union over it, and tells who owns a file of root's in it. The
/// mounts live in a mount namespace of their own, which this process enters for good.
fn try_union(scratch: &Path, map: &IdMap) -> io::Result<u32> {
    // SAFETY: unsharing the mount namespace changes no memory and closes no descriptor, and this
    // process has one thread, so that nothing else relies on its former mounts.
    unsafe { unshare_unsafe(UnshareFlags::NEWNS) }?;
    mount_change(
        "/",
        MountPropagationFlags::PRIVATE | MountPropagationFlags::REC,
    )?;
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let tree = open_tree(CWD, scratch.join("layer"), flags)?;
    map_owners(tree.as_fd(), map.as_fd())?;
    let mapped = scratch.join("mapped");
    move_mount(
        &tree,
        "",
        CWD,
        &mapped,
        MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH,
    )?;
    let options = format!(
        "lowerdir={},upperdir={},workdir={}",
        mapped.display(),
        scratch.join("upper").display(),
        scratch.join("work").display()
    );
    let options = std::ffi::CString::new(options)?;
    let union = scratch.join("union");
    mount(
        "overlay",
        &union,
        "overlay",
        MountFlags::empty(),
        Some(options.as_c_str()),
    )?;
    let owner = fs::metadata(union.join("file"))?.uid();
    rustix::mount::unmount(&union, rustix::mount::UnmountFlags::DETACH)?;
    rustix::mount::unmount(&mapped, rustix::mount::UnmountFlags::DETACH)?;
    Ok(owner)
}

fn map_owners(tree: BorrowedFd<'_>, map: BorrowedFd<'_>) -> io::Result<()> {
    let attributes = libc::mount_attr {
        attr_set: libc::MOUNT_ATTR_IDMAP,
        attr_clr: 0,
        propagation: 0,
        userns_fd: u64::try_from(map.as_raw_fd()).map_err(io::Error::other)?,
    };
    // SAFETY: both descriptors and the structure outlive the call; the path is empty, so that the
    // call concerns the tree itself; the size is the structure's.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            tree.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH,
            &raw const attributes,
            size_of::<libc::mount_attr>(),
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}
