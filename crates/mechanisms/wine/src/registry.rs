//! The registry of an image's layers, merged once and cloned for each container.
//!
//! Layers hold hives; wineserver reads text. The merge of a chain of layers is cached as text under
//! a name of the chain's, so that a container costs a copy of three files.
//!
//! | module | job |
//! |---|---|
//! | `chain` | from the hives of layers to trees and text |
//! | `layer_file` | finding a file in a layer |
//! | `texts` | the files of a container's registry, which it has written |
//! | `partial` | the parts of two texts that differ |
//! | `changes` | the way back: from text to deltas in regf |
//! | `host_roots` | the certificates that the host trusts |
//! | `own` | what is written into every container's registry, and is no change |

mod chain;
mod changes;
mod host_roots;
mod layer_file;
mod own;
mod partial;
mod texts;

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use porthole_files::sync_names;
use porthole_registry::{Key, regf};
use rustix::fs::{Mode, OFlags};

use crate::error::{Error, ErrorKind, IoContext, Result};

pub use chain::Chain;
pub use changes::{Changes, HiveChange, between_chains};
pub use host_roots::HostRoots;
pub use texts::RegistryTexts;

/// `REGISTRY\Machine`.
pub const SYSTEM_FILE: &str = "system.reg";
/// `HKEY_CURRENT_USER`.
pub const USER_FILE: &str = "user.reg";
/// `HKEY_USERS\.Default`.
pub const DEFAULT_USER_FILE: &str = "userdef.reg";
/// All that wineserver reads.
pub const FILES: [&str; 3] = [SYSTEM_FILE, USER_FILE, DEFAULT_USER_FILE];

/// The security descriptors that the text has no place for, in a cached registry.
const DESCRIPTORS_FILE: &str = "security.hiv";

/// How each of them begins.
const HEADER: &[u8; 23] = b"WINE REGISTRY Version 2";

/// Merged registries of layer chains, one directory each.
#[derive(Debug, Clone)]
pub struct RegistryCache {
    directory: PathBuf,
}

/// A merged registry on disk.
#[derive(Debug, Clone)]
pub struct CachedRegistry {
    directory: PathBuf,
}

impl RegistryCache {
    /// The cache in `directory`, which must exist.
    #[must_use]
    pub fn new(directory: impl Into<PathBuf>) -> Self {
        Self {
            directory: directory.into(),
        }
    }

    /// The registry of `chain`; merged now when that has not been done yet. Its directory's name
    /// begins with the topmost layer's.
    ///
    /// # Errors
    /// [`ErrorKind::Malformed`] when there is no layer, the base lacks a hive, or a hive is none;
    /// otherwise a failure of the file system.
    pub fn prepare(&self, chain: &Chain<'_>) -> Result<CachedRegistry> {
        let directory = self.directory.join(chain.name()?);
        if !directory.exists() {
            let merged = chain.merge()?;
            let descriptors = regf::Hive::new("SECURITY", merged.descriptors());
            let descriptors = regf::write(&descriptors).map_err(|error| {
                let message = "the security descriptors fit no hive";
                Error::new(
                    ErrorKind::Malformed,
                    "merge registry in",
                    &directory,
                    message,
                )
                .with_source(error)
            })?;
            let texts = merged.into_texts();
            let texts = texts.iter().map(|(name, text)| (*name, text.as_slice()));
            let files = texts.chain([(DESCRIPTORS_FILE, descriptors.as_slice())]);
            publish(&directory, Durability::Synced, files)?;
        }
        Ok(CachedRegistry { directory })
    }
}

impl CachedRegistry {
    /// Its directory; read-only by agreement.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// The security descriptors of all hives, a subkey each.
    fn descriptors(&self) -> Result<Key> {
        let path = self.directory.join(DESCRIPTORS_FILE);
        let bytes = fs::read(&path).at("read cached registry", &path)?;
        let hive = regf::read(&bytes).map_err(|error| {
            let message = "not a sound hive";
            Error::new(ErrorKind::Malformed, "read cached registry", &path, message)
                .with_source(error)
        })?;
        Ok(hive.root)
    }

    /// Copies it to `target`, which must not exist or be empty, as a container's registry: the guest
    /// agent writes what it says of the container. Either all of it is there afterwards or nothing.
    ///
    /// # Errors
    /// A failure of the file system.
    pub fn clone_into(&self, target: &Path) -> Result<()> {
        let mut files = Vec::with_capacity(FILES.len());
        for name in FILES {
            let path = self.directory.join(name);
            let text = fs::read(&path).at("read cached registry", &path)?;
            files.push((name, text));
        }
        let files = files.iter().map(|(name, text)| (*name, text.as_slice()));
        publish(target, Durability::Unsynced, files)
    }
}

/// Whether `directory`, which a container may have written, holds a whole registry: every file is
/// a regular one that begins as wineserver's files do. It does not after a power cut that came
/// before what had been written was on the disk.
#[must_use]
pub fn is_complete(directory: &Path) -> bool {
    let begins_well = |name: &&str| -> std::io::Result<bool> {
        // Neither follow a link nor wait for the other end of a FIFO.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let path = directory.join(name);
        let mut file = File::from(rustix::fs::open(&path, flags, Mode::empty())?);
        let mut beginning = [0; HEADER.len()];
        let is_file = file.metadata()?.is_file();
        Ok(is_file && file.read_exact(&mut beginning).is_ok() && beginning == *HEADER)
    };
    FILES.iter().all(|name| begins_well(name).unwrap_or(false))
}

/// Whether files survive a power cut from the moment that their directory is in place.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Durability {
    /// The cache: it is trusted for as long as the layers exist.
    Synced,
    /// A container's clone: it is on the way of every start, and to sync it would buy nothing.
    /// Wineserver replaces the same files for as long as the container lives, and never syncs
    /// them. What a power cut leaves of a clone that was just made fails [`is_complete`], and is
    /// made again.
    Unsynced,
}

/// Makes the directory `target` with `files` in it, in one step. A complete one that another
/// process made meanwhile is as good.
fn publish<'a>(
    target: &Path,
    durability: Durability,
    files: impl Iterator<Item = (&'a str, &'a [u8])>,
) -> Result<()> {
    let mut name = target.file_name().unwrap_or_default().to_os_string();
    // Two first containers of one image prepare the same directory at once, in one process.
    static NEXT: std::sync::atomic::AtomicU64 = std::sync::atomic::AtomicU64::new(0);
    let number = NEXT.fetch_add(1, std::sync::atomic::Ordering::Relaxed);
    name.push(format!(".{}-{number}.tmp", std::process::id()));
    let temporary = target.with_file_name(name);
    let _ = fs::remove_dir_all(&temporary);
    let filled = fill(&temporary, durability, files)
        .and_then(|()| put_in_place(&temporary, target, durability));
    if filled.is_err() {
        let _ = fs::remove_dir_all(&temporary);
        if is_complete(target) {
            return Ok(());
        }
    }
    filled
}

fn fill<'a>(
    directory: &Path,
    durability: Durability,
    files: impl Iterator<Item = (&'a str, &'a [u8])>,
) -> Result<()> {
    DirBuilder::new()
        .mode(0o700)
        .create(directory)
        .at("create registry directory", directory)?;
    for (name, text) in files {
        let path = directory.join(name);
        write_file(&path, durability, text).at("write registry", &path)?;
    }
    durability.keep_names(directory)
}

fn put_in_place(temporary: &Path, target: &Path, durability: Durability) -> Result<()> {
    fs::rename(temporary, target).at("put registry in place", target)?;
    durability.keep_names(target.parent().unwrap_or(Path::new("/")))
}

impl Durability {
    /// Syncs what a directory's entries are called, where that is wanted.
    fn keep_names(self, directory: &Path) -> Result<()> {
        match self {
            Self::Synced => sync_names(directory).at("sync registry directory", directory),
            Self::Unsynced => Ok(()),
        }
    }
}

fn write_file(path: &Path, durability: Durability, text: &[u8]) -> std::io::Result<()> {
    let mut file: File = OpenOptions::new()
        .write(true)
        .create_new(true)
        .mode(0o600)
        .open(path)?;
    file.write_all(text)?;
    if durability == Durability::Synced {
        file.sync_all()?;
    }
    Ok(())
}

#[cfg(test)]
mod tests;
