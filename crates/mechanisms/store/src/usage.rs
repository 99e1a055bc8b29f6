//! How much space a container takes.

use std::collections::HashSet;
use std::ffi::OsStr;
use std::os::fd::OwnedFd;
use std::os::unix::ffi::OsStrExt;
use std::path::{Path, PathBuf};

use rustix::fs::{AtFlags, CWD, Dir, FileType, Mode, OFlags, ResolveFlags};
use rustix::io::Errno;

use crate::error::{Error, IoContext, Result};
use crate::store::Store;

/// How much space a container takes, in bytes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct ContainerSize {
    /// The files that it made or changed.
    pub own: u64,
    /// The layers beneath, unpacked; other containers share them.
    pub layers: u64,
}

impl Store {
    /// How much space a container takes. While it runs, the sum is of one moment for no two files.
    ///
    /// # Errors
    /// A failure of file system or database; also a tree that is too deep for one path, which only
    /// a program makes that means to.
    pub fn container_size(&self, id: &str) -> Result<ContainerSize> {
        let upper = self.container_directory(id).upper();
        Ok(ContainerSize {
            own: tree_size(&upper).at("measure", upper)?,
            layers: self.size_of_layers(id)?,
        })
    }

    fn size_of_layers(&self, id: &str) -> Result<u64> {
        const SIZES: &str = "SELECT layers.size FROM container_layers
            JOIN layers ON layers.id = container_layers.layer WHERE container_layers.container = ?1";
        let failed = |error| Error::database("measure", id, error);
        let connection = self.connection();
        let mut query = connection.prepare_cached(SIZES).map_err(failed)?;
        let sizes = query
            .query_map([id], |row| row.get::<_, i64>(0))
            .map_err(failed)?;
        let sizes = sizes
            .collect::<rusqlite::Result<Vec<_>>>()
            .map_err(failed)?;
        Ok(sizes
            .into_iter()
            .map(|size| u64::try_from(size).unwrap_or_default())
            .fold(0, u64::saturating_add))
    }
}

/// Bytes of the regular files below a directory; one with several names counts once.
///
/// The container that owns the tree may change it meanwhile: every directory is resolved beneath
/// the top and through no link, and what has gone since it was listed is left out.
pub(crate) fn tree_size(top: &Path) -> Result<u64, Errno> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let beneath = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS | ResolveFlags::NO_XDEV;
    let top = rustix::fs::openat(CWD, top, flags, Mode::empty())?;
    let mut tree = Tree::default();
    tree.add(&top, Path::new(""))?;
    while let Some(path) = tree.waiting.pop() {
        match rustix::fs::openat2(&top, &path, flags, Mode::empty(), beneath) {
            Ok(directory) => tree.add(&directory, &path)?,
            Err(Errno::NOENT | Errno::NOTDIR | Errno::LOOP) => {}
            Err(error) => return Err(error),
        }
    }
    Ok(tree.size)
}

/// What of a tree has been seen.
#[derive(Default)]
struct Tree {
    size: u64,
    /// Files with several names.
    linked: HashSet<u64>,
    /// Directories to look into.
    waiting: Vec<PathBuf>,
}

impl Tree {
    fn add(&mut self, directory: &OwnedFd, path: &Path) -> Result<(), Errno> {
        for entry in Dir::read_from(directory)? {
            let entry = entry?;
            let name = entry.file_name();
            if name == c"." || name == c".." {
                continue;
            }
            let stat = match rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW) {
                Ok(stat) => stat,
                Err(Errno::NOENT) => continue,
                Err(error) => return Err(error),
            };
            match FileType::from_raw_mode(stat.st_mode) {
                FileType::Directory => self
                    .waiting
                    .push(path.join(OsStr::from_bytes(name.to_bytes()))),
                FileType::RegularFile if stat.st_nlink == 1 || self.linked.insert(stat.st_ino) => {
                    let size = u64::try_from(stat.st_size).unwrap_or_default();
                    self.size = self.size.saturating_add(size);
                }
                _ => {}
            }
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn files_count_once_and_links_lead_nowhere() {
        let outside = tempfile::tempdir().expect("a directory");
        std::fs::write(outside.path().join("big"), [0; 4096]).expect("a file");
        let top = tempfile::tempdir().expect("a directory");
        let at = |name: &str| top.path().join(name);
        assert_eq!(tree_size(top.path()), Ok(0));
        std::fs::create_dir_all(at("a/b/c")).expect("directories");
        std::fs::write(at("a/b/c/ten"), [0; 10]).expect("a file");
        std::fs::write(at("five"), [0; 5]).expect("a file");
        std::fs::hard_link(at("five"), at("a/five")).expect("a link");
        std::os::unix::fs::symlink(outside.path(), at("a/out")).expect("a link");
        std::os::unix::fs::symlink(outside.path().join("big"), at("big")).expect("a link");
        assert_eq!(tree_size(top.path()), Ok(15));
        assert_eq!(tree_size(&at("nothing")), Err(Errno::NOENT));
    }
}
