//! Moving trees aside before they are deleted.

use std::io;
use std::path::{Path, PathBuf};

use porthole_files::delete_tree;

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

#[cfg(test)]
mod tests {
    use super::*;

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
