//! Deleting trees, and moving them aside first.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags};
use rustix::io::Errno;

use crate::error::{Error, IoContext, Result};

/// What a name gets while what it names is being removed.
pub(crate) const SUFFIX: &str = "-removing";

/// Files and directories that were moved aside within a transaction. Dropped before
/// [`MovedAside::delete`], it moves them back.
#[derive(Debug, Default)]
pub(crate) struct MovedAside {
    paths: Vec<PathBuf>,
}

impl MovedAside {
    /// Moves `path` aside; what is not there needs no moving.
    pub(crate) fn add(&mut self, path: &Path) -> Result<()> {
        let aside = aside(path);
        // Left over from a removal that could not delete everything.
        delete_tree(&aside).at("delete leftover", &aside)?;
        match std::fs::rename(path, &aside) {
            Ok(()) => self.paths.push(path.to_owned()),
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(Error::io("move aside", path, error)),
        }
        Ok(())
    }

    /// Deletes everything, after the transaction has committed. What cannot be deleted is left for
    /// recovery: to the store it is gone.
    pub(crate) fn delete(mut self) {
        for path in self.paths.drain(..) {
            delete_or_leave(&aside(&path));
        }
    }
}

/// Deletes a tree; what cannot be deleted is left for recovery.
pub(crate) fn delete_or_leave(path: &Path) {
    if let Err(error) = delete_tree(path) {
        tracing::warn!(path = %path.display(), %error, "left for recovery");
    }
}

impl Drop for MovedAside {
    fn drop(&mut self) {
        for path in &self.paths {
            if let Err(error) = std::fs::rename(aside(path), path) {
                tracing::error!(path = %path.display(), %error, "left for recovery");
            }
        }
    }
}

/// The name of `path` while it is being removed.
pub(crate) fn aside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(SUFFIX);
    name.into()
}

/// Deletes a file or a whole tree; what is not there is fine. Never follows a link.
///
/// A container decides how deep its tree is, so this does not recurse, nor hold a descriptor per
/// level: directories below are moved up into `path` until none is left.
pub(crate) fn delete_tree(path: &Path) -> io::Result<()> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let top = match rustix::fs::open(path, flags, Mode::empty()) {
        Ok(top) => top,
        Err(Errno::NOENT) => return Ok(()),
        Err(Errno::NOTDIR | Errno::LOOP) => return std::fs::remove_file(path),
        Err(error) => return Err(error.into()),
    };
    let mut moved = 0_u64;
    loop {
        let below = unlink_files(&top)?;
        if below.is_empty() {
            break;
        }
        for name in below {
            let directory = rustix::fs::openat(&top, &*name, flags, Mode::empty())?;
            for inner in unlink_files(&directory)? {
                move_up(&directory, &inner, &top, &mut moved)?;
            }
            rustix::fs::unlinkat(&top, &*name, AtFlags::REMOVEDIR)?;
        }
    }
    rustix::fs::unlinkat(CWD, path, AtFlags::REMOVEDIR)?;
    Ok(())
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

fn move_up(
    from: &OwnedFd,
    name: &std::ffi::CStr,
    top: &OwnedFd,
    moved: &mut u64,
) -> io::Result<()> {
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
    fn moves_back_unless_deleted() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("x");
        std::fs::create_dir(&path).unwrap();
        let mut moved = MovedAside::default();
        moved.add(&path).unwrap();
        assert!(!path.exists());
        drop(moved);
        assert!(path.exists());
        let mut moved = MovedAside::default();
        moved.add(&path).unwrap();
        moved.delete();
        assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), 0);
    }
}
