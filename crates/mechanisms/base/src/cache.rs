//! Intermediate results, by what they are made from.
//!
//! A result is a directory `<name>-<key>`, where the key is a digest of all that it depends on. It
//! is made under a temporary name and renamed when it is complete, so one that exists is whole, and
//! a build that was stopped goes on after the last complete one.

use std::fs::{self, File};
use std::os::fd::AsFd;
use std::path::{Path, PathBuf};

use porthole_files::{rename_synced, sync_tree};
use rustix::fs::FlockOperation;

use crate::digest;
use crate::error::{Error, ErrorKind, IoContext, Result};

/// Raised when the same inputs give another result: it is part of every key.
const FORMAT: &str = "1";

/// The cache, locked against other builds.
pub(crate) struct Cache {
    directory: PathBuf,
    /// Holds the lock.
    _lock: File,
}

/// The key of a result that depends on `parts`.
pub(crate) fn key<'a>(parts: impl IntoIterator<Item = &'a str>) -> String {
    digest::of_parts([FORMAT].into_iter().chain(parts))[..16].to_owned()
}

impl Cache {
    /// Opens the cache in `directory`, which is made when it is missing, and deletes what a build
    /// that was stopped left half made.
    pub(crate) fn open(directory: &Path) -> Result<Self> {
        fs::create_dir_all(directory).at("create directory", directory)?;
        let path = directory.join("lock");
        let lock = File::create(&path).at("open lock", &path)?;
        if rustix::fs::flock(lock.as_fd(), FlockOperation::NonBlockingLockExclusive).is_err() {
            let message = "another build is under way";
            return Err(Error::new(
                ErrorKind::Busy,
                "lock",
                path.display().to_string(),
                message,
            ));
        }
        let cache = Self {
            directory: directory.to_owned(),
            _lock: lock,
        };
        let scratch = cache.scratch();
        if scratch.exists() {
            fs::remove_dir_all(&scratch).at("delete half-made result", &scratch)?;
        }
        fs::create_dir_all(&scratch).at("create directory", &scratch)?;
        Ok(cache)
    }

    /// A path in the cache.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.join(name)
    }

    /// The result `name` of `key`; made now, by `make` in an empty directory, when it is missing.
    pub(crate) fn result(
        &self,
        name: &str,
        key: &str,
        make: impl FnOnce(&Path) -> Result<()>,
    ) -> Result<PathBuf> {
        let path = self.path(&format!("{name}-{key}"));
        if !path.exists() {
            let temporary = self.temporary(name)?;
            make(&temporary)?;
            sync_tree(&temporary).at("sync result", &temporary)?;
            rename_synced(&temporary, &path).at("keep result", &path)?;
        }
        Ok(path)
    }

    /// An empty directory that does not outlive the build.
    pub(crate) fn temporary(&self, name: &str) -> Result<PathBuf> {
        let path = self.scratch().join(name);
        if path.exists() {
            fs::remove_dir_all(&path).at("delete half-made result", &path)?;
        }
        fs::create_dir_all(&path).at("create directory", &path)?;
        Ok(path)
    }

    fn scratch(&self) -> PathBuf {
        self.directory.join("tmp")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_result_is_whole_or_absent() {
        let directory = tempfile::tempdir().unwrap();
        let cache = Cache::open(directory.path()).unwrap();
        let failed = cache.result("r", "k", |path| {
            fs::write(path.join("half"), "").unwrap();
            Err(Error::malformed("make", "r", "no luck"))
        });
        assert!(failed.is_err());
        assert!(!cache.path("r-k").exists());
        let write = |path: &Path| fs::write(path.join("whole"), "").at("write", path);
        let path = cache.result("r", "k", write).unwrap();
        assert!(path.join("whole").exists() && !path.join("half").exists());
        cache.result("r", "k", |_| panic!("made twice")).unwrap();
    }

    #[test]
    fn only_one_build_at_a_time() {
        let directory = tempfile::tempdir().unwrap();
        let _cache = Cache::open(directory.path()).unwrap();
        assert_eq!(
            Cache::open(directory.path()).err().unwrap().kind(),
            ErrorKind::Busy
        );
    }
}
