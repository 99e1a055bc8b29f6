//! Detached mount trees and where they are attached.

use std::fs;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::CWD;
use rustix::mount::{
    FsMountFlags, FsOpenFlags, MountAttrFlags, MoveMountFlags, OpenTreeFlags, fsconfig_create,
    fsconfig_set_string, fsmount, fsopen, move_mount, open_tree,
};

use super::{PLAIN, required};
use crate::error::{Context, Result};
use crate::id_map::IdMap;
use crate::sys::{MountAttributes, set_mount_attributes};

const NO_SPECIAL_FILES: u64 = libc::MOUNT_ATTR_NOSUID | libc::MOUNT_ATTR_NODEV;

/// A detached mount of `path`, its owners mapped by `map`.
pub(super) fn mapped_tree(path: &Path, map: &IdMap, read_only: bool) -> Result<OwnedFd> {
    let tree = clone_tree(path)?;
    map_owners(&tree, map, read_only).at("mount with an ID map", path)?;
    Ok(tree)
}

/// Maps the owners of a detached mount.
pub(super) fn map_owners(tree: &OwnedFd, map: &IdMap, read_only: bool) -> std::io::Result<()> {
    let read_only = if read_only {
        libc::MOUNT_ATTR_RDONLY
    } else {
        0
    };
    let set = NO_SPECIAL_FILES | read_only;
    set_mount_attributes(
        tree.as_fd(),
        &MountAttributes {
            set,
            id_map: Some(map.as_fd()),
        },
    )
}

/// A detached read-only mount of `path`.
pub(super) fn read_only_tree(path: &Path) -> Result<OwnedFd> {
    let tree = clone_tree(path)?;
    let attributes = MountAttributes {
        set: NO_SPECIAL_FILES | libc::MOUNT_ATTR_RDONLY,
        id_map: None,
    };
    set_mount_attributes(tree.as_fd(), &attributes).at("mount read-only", path)?;
    Ok(tree)
}

/// A detached mount of `path`, without what is mounted below it.
pub(super) fn clone_tree(path: &Path) -> Result<OwnedFd> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    open_tree(CWD, required(path, "not an absolute path")?, flags).at("open", path)
}

/// Attaches a detached tree to an existing directory or file.
pub(super) fn place(tree: BorrowedFd<'_>, target: &Path) -> Result<()> {
    move_mount(
        tree,
        "",
        CWD,
        target,
        MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH,
    )
    .at("mount on", target)
}

/// Attaches a detached tree to a directory that is made for it.
pub(super) fn place_new(tree: BorrowedFd<'_>, target: &Path) -> Result<()> {
    fs::create_dir(target).at("create", target)?;
    place(tree, target)
}

/// Attaches a detached tree to what a descriptor stands for.
pub(super) fn place_at(tree: BorrowedFd<'_>, target: BorrowedFd<'_>, name: &Path) -> Result<()> {
    let flags = MoveMountFlags::MOVE_MOUNT_F_EMPTY_PATH | MoveMountFlags::MOVE_MOUNT_T_EMPTY_PATH;
    move_mount(tree, "", target, "", flags).at("mount on", name)
}

/// Makes a bind mount that is read-only and holds no special files.
pub(super) fn bind_read_only(source: &Path, target: &Path) -> Result<()> {
    let flags = OpenTreeFlags::OPEN_TREE_CLONE | OpenTreeFlags::OPEN_TREE_CLOEXEC;
    let tree = open_tree(CWD, source, flags).at("open", source)?;
    let set = NO_SPECIAL_FILES | libc::MOUNT_ATTR_NOEXEC | libc::MOUNT_ATTR_RDONLY;
    set_mount_attributes(tree.as_fd(), &MountAttributes { set, id_map: None })
        .at("make read-only", source)?;
    place(tree.as_fd(), target)
}

/// Mounts a tmpfs with the given options.
pub(super) fn mount_tmpfs(target: &Path, options: &str) -> Result<()> {
    let options = std::ffi::CString::new(options).at("mount a tmpfs on", target)?;
    rustix::mount::mount("tmpfs", target, "tmpfs", PLAIN, Some(options.as_c_str()))
        .at("mount a tmpfs on", target)
}

/// A detached tmpfs with these options, for files of the silo's.
pub(super) fn tmpfs_with(options: &[(&str, String)]) -> rustix::io::Result<OwnedFd> {
    let context = fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
    for (name, value) in options {
        fsconfig_set_string(&context, *name, value.as_str())?;
    }
    fsconfig_create(&context)?;
    let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID | MountAttrFlags::MOUNT_ATTR_NODEV;
    fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes)
}

/// A detached tmpfs of at most `size` (for example `1m`), to be used from both sides of a silo's
/// border: through the descriptor outside, where it is attached inside.
///
/// # Errors
/// When the kernel refuses.
pub fn tmpfs(size: &str) -> Result<OwnedFd> {
    let make = || {
        let context = fsopen("tmpfs", FsOpenFlags::FSOPEN_CLOEXEC)?;
        fsconfig_set_string(&context, "size", size)?;
        fsconfig_set_string(&context, "mode", "0755")?;
        fsconfig_create(&context)?;
        let attributes = MountAttrFlags::MOUNT_ATTR_NOSUID
            | MountAttrFlags::MOUNT_ATTR_NODEV
            | MountAttrFlags::MOUNT_ATTR_NOEXEC;
        fsmount(&context, FsMountFlags::FSMOUNT_CLOEXEC, attributes)
    };
    make().context("make", "a tmpfs")
}
