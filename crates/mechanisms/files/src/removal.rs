//! Deleting trees that a container has written.

use std::ffi::CStr;
use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::Path;

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;

/// Deletes a file or a whole tree; what is not there is fine. Never follows a link at or below
/// `path`; what is above it must be the caller's own.
///
/// A container decides how deep its tree is, so this does not recurse, nor hold a descriptor per
/// level: directories below are moved up into `path` until none is left.
///
/// # Errors
/// The operating system's; part of the tree may be gone then.
pub fn delete_tree(path: &Path) -> io::Result<()> {
    delete_tree_at(CWD, path)
}

/// [`delete_tree`] of `name` in an open directory.
///
/// # Errors
/// As there.
pub fn delete_tree_at(parent: impl AsFd, name: impl AsRef<Path>) -> io::Result<()> {
    let (parent, path) = (parent.as_fd(), name.as_ref());
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let top = match rustix::fs::openat(parent, path, flags, Mode::empty()) {
        Ok(top) => top,
        Err(Errno::NOENT) => return Ok(()),
        Err(Errno::NOTDIR | Errno::LOOP) => {
            return Ok(rustix::fs::unlinkat(parent, path, AtFlags::empty())?);
        }
        Err(error) => return Err(error.into()),
    };
    empty(&top)?;
    Ok(rustix::fs::unlinkat(parent, path, AtFlags::REMOVEDIR)?)
}

/// Deletes what is in a directory, as [`delete_tree`] does, but not the directory, which may be a
/// mount point or a link's target; one that is not there is fine. Follows links in `path`.
///
/// # Errors
/// As there.
pub fn empty_directory(path: &Path) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(top) => empty(&top),
        Err(Errno::NOENT) => Ok(()),
        Err(error) => Err(error.into()),
    }
}

fn empty(top: &OwnedFd) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let mut moved = 0_u64;
    loop {
        let below = unlink_files(top)?;
        if below.is_empty() {
            return Ok(());
        }
        for name in below {
            let directory = rustix::fs::openat(top, &*name, flags, Mode::empty())?;
            for inner in unlink_files(&directory)? {
                move_up(&directory, &inner, top, &mut moved)?;
            }
            rustix::fs::unlinkat(top, &*name, AtFlags::REMOVEDIR)?;
        }
    }
}

/// Unlinks everything in a directory but its directories, whose names it returns.
fn unlink_files(directory: &OwnedFd) -> io::Result<Vec<std::ffi::CString>> {
    let mut below = Vec::new();
    for entry in Dir::read_from(directory)? {
        let entry = entry?;
        let name = entry.file_name();
        if name == c"." || name == c".." {
            continue;
        }
        if entry.file_type() == FileType::Directory {
            below.push(name.to_owned());
            continue;
        }
        match rustix::fs::unlinkat(directory, name, AtFlags::empty()) {
            // File systems that do not tell types.
            Err(Errno::ISDIR) => below.push(name.to_owned()),
            other => other?,
        }
    }
    Ok(below)
}

fn move_up(from: &OwnedFd, name: &CStr, top: &OwnedFd, moved: &mut u64) -> io::Result<()> {
    loop {
        let target = format!("removing-{moved}");
        *moved += 1;
        let flags = rustix::fs::RenameFlags::NOREPLACE;
        match rustix::fs::renameat_with(from.as_fd(), name, top.as_fd(), &*target, flags) {
            Err(Errno::EXIST) => {}
            other => return Ok(other?),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn deletes_a_tree_deeper_than_any_path_or_descriptor_limit() {
        // In memory where that can be had: a busy disk takes seconds for it.
        let directory = tempfile::tempdir_in("/dev/shm")
            .or_else(|_| tempfile::tempdir())
            .unwrap();
        let tree = directory.path().join("tree");
        std::fs::create_dir(&tree).unwrap();
        let mut here = rustix::fs::open(&tree, OFlags::RDONLY, Mode::empty()).unwrap();
        for _ in 0..1500 {
            rustix::fs::mkdirat(&here, "deeper", Mode::RWXU).unwrap();
            here = rustix::fs::openat(&here, "deeper", OFlags::RDONLY, Mode::empty()).unwrap();
        }
        delete_tree(&tree).unwrap();
        assert!(!tree.exists());
    }

    #[test]
    fn does_not_follow_links() {
        let directory = tempfile::tempdir().unwrap();
        let (kept, tree) = (directory.path().join("kept"), directory.path().join("tree"));
        std::fs::create_dir(&kept).unwrap();
        std::fs::write(kept.join("file"), "x").unwrap();
        std::fs::create_dir_all(tree.join("removing-0/a/b")).unwrap();
        std::os::unix::fs::symlink(&kept, tree.join("link")).unwrap();
        std::fs::write(tree.join("removing-0/a/file"), "x").unwrap();
        delete_tree(&tree).unwrap();
        let link = directory.path().join("link");
        std::os::unix::fs::symlink(&kept, &link).unwrap();
        delete_tree(&link).unwrap();
        assert!(!tree.exists() && !link.is_symlink() && kept.join("file").exists());
        delete_tree(&tree).unwrap();
    }

    #[test]
    fn a_directory_behind_a_link_is_emptied_and_stays() {
        let directory = tempfile::tempdir().unwrap();
        let (full, link) = (directory.path().join("full"), directory.path().join("link"));
        std::fs::create_dir_all(full.join("a/b")).unwrap();
        std::fs::write(full.join("a/b/file"), "x").unwrap();
        std::os::unix::fs::symlink(&full, &link).unwrap();
        empty_directory(&link).unwrap();
        assert_eq!(std::fs::read_dir(&full).unwrap().count(), 0);
        assert!(link.is_symlink());
        empty_directory(&full.join("none")).unwrap();
    }
}
