//! The registry of an image's layers, merged once and cloned for each container.
//!
//! Layers hold hives; wineserver reads text. The merge of a chain of layers is cached as text under
//! the chain's ID, so that a container costs a copy of three files.

mod chain;
mod identity;
mod layer_file;

use std::fs::{self, DirBuilder, File, OpenOptions};
use std::io::{Read, Write};
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use porthole_files::sync_names;
use rustix::fs::{Mode, OFlags};

use crate::error::{Error, ErrorKind, IoContext, Result};

pub use identity::Identity;

/// `REGISTRY\Machine`.
pub const SYSTEM_FILE: &str = "system.reg";
/// `HKEY_CURRENT_USER`.
pub const USER_FILE: &str = "user.reg";
/// `HKEY_USERS\.Default`.
pub const DEFAULT_USER_FILE: &str = "userdef.reg";
/// All that wineserver reads.
pub const FILES: [&str; 3] = [SYSTEM_FILE, USER_FILE, DEFAULT_USER_FILE];

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

    /// The registry of the chain `chain_id`; merged now when that has not been done yet.
    ///
    /// `layers` are the layers' directories (which hold `Files` and `Hives`), the base first. What
    /// is in them is not trusted.
    ///
    /// # Errors
    /// [`ErrorKind::Malformed`] when the ID is no name, the base lacks a hive, or a hive is none;
    /// otherwise a failure of the file system.
    pub fn prepare(&self, chain_id: &str, layers: &[&Path]) -> Result<CachedRegistry> {
        let directory = self.directory.join(chain_id);
        if chain_id.is_empty() || chain_id.starts_with('.') || chain_id.contains('/') {
            let message = format!("{chain_id:?} is not the ID of a chain");
            return Err(Error::new(
                ErrorKind::Malformed,
                "merge registry in",
                &self.directory,
                message,
            ));
        }
        if !directory.exists() {
            let texts = chain::merge(layers)?;
            publish(
                &directory,
                Durability::Synced,
                texts.iter().map(|(name, text)| (*name, text.as_slice())),
            )?;
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

    /// Copies it to `target`, which must not exist or be empty, as the registry of the container that
    /// `identity` says. Either all of it is there afterwards or nothing.
    ///
    /// # Errors
    /// A failure of the file system.
    pub fn clone_for(&self, target: &Path, identity: &Identity) -> Result<()> {
        self.copy(target, &identity.sections())
    }

    /// As [`CachedRegistry::clone_for`], for nobody in particular: the guest agent writes what is
    /// missing.
    ///
    /// # Errors
    /// A failure of the file system.
    pub fn clone_into(&self, target: &Path) -> Result<()> {
        self.copy(target, b"")
    }

    /// Copies the files, with `sections` at the end of `system.reg`.
    fn copy(&self, target: &Path, sections: &[u8]) -> Result<()> {
        let mut files = Vec::with_capacity(FILES.len());
        for name in FILES {
            let path = self.directory.join(name);
            let mut text = fs::read(&path).at("read cached registry", &path)?;
            if name == SYSTEM_FILE {
                text.extend_from_slice(sections);
            }
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
mod tests {
    use porthole_registry::{Key, Value, regf, text};

    use super::*;

    fn write(path: &Path, bytes: &[u8]) {
        fs::create_dir_all(path.parent().unwrap()).unwrap();
        fs::write(path, bytes).unwrap();
    }

    fn base_layer(layer: &Path) {
        for name in ["SYSTEM", "SAM", "SECURITY", "DEFAULT", "SOFTWARE"] {
            let mut root = Key::default();
            root.create(r"Microsoft\Thing")
                .set_value("Of", Value::string(name));
            let bytes = regf::write(&regf::Hive::new(name, root)).unwrap();
            write(
                &layer.join("Files/Windows/System32/config").join(name),
                &bytes,
            );
        }
        let user = regf::write(&regf::Hive::new("NTUSER.DAT", Key::default())).unwrap();
        write(&layer.join("Files/Users/Default/NTUSER.DAT"), &user);
    }

    fn delta_layer(layer: &Path) {
        let mut root = Key::default();
        root.create(r"Microsoft\Thing")
            .set_value("Of", Value::string("delta"));
        let bytes = regf::write(&regf::Hive::delta("Software_Delta", root)).unwrap();
        write(&layer.join("Hives/Software_Delta"), &bytes);
    }

    fn software_of(directory: &Path) -> String {
        let bytes = fs::read(directory.join(SYSTEM_FILE)).unwrap();
        let tree = text::read(&bytes).unwrap().tree;
        tree.value_at(r"Software\Microsoft\Thing", "Of")
            .unwrap()
            .as_string()
            .unwrap()
    }

    #[test]
    fn merges_once_and_clones() {
        let data = tempfile::tempdir().unwrap();
        let (base, top) = (data.path().join("base"), data.path().join("top"));
        base_layer(&base);
        delta_layer(&top);
        let cache = RegistryCache::new(data.path());
        let plain = cache.prepare("one", &[&base]).unwrap();
        assert_eq!(software_of(plain.directory()), "SOFTWARE");
        let merged = cache.prepare("two", &[&base, &top]).unwrap();
        assert_eq!(software_of(merged.directory()), "delta");

        fs::remove_dir_all(&base).unwrap();
        let again = cache.prepare("two", &[&base, &top]).unwrap();
        let target = data.path().join("container");
        fs::create_dir(&target).unwrap();
        again.clone_into(&target).unwrap();
        assert_eq!(software_of(&target), "delta");
    }

    #[test]
    fn a_clone_that_a_power_cut_or_its_container_broke_is_not_complete() {
        let data = tempfile::tempdir().unwrap();
        let base = data.path().join("base");
        base_layer(&base);
        let cached = RegistryCache::new(data.path())
            .prepare("one", &[&base])
            .unwrap();
        let target = data.path().join("container");
        assert!(!is_complete(&target));
        cached.clone_into(&target).unwrap();
        assert!(is_complete(&target));
        let user = target.join(USER_FILE);
        let whole = fs::read(&user).unwrap();
        fs::write(&user, b"").unwrap();
        assert!(!is_complete(&target));
        fs::write(&user, vec![0; whole.len()]).unwrap();
        assert!(!is_complete(&target));
        fs::remove_file(&user).unwrap();
        std::os::unix::fs::symlink(cached.directory().join(USER_FILE), &user).unwrap();
        assert!(!is_complete(&target));
    }

    #[test]
    fn a_base_without_hives_or_with_links_is_refused() {
        let data = tempfile::tempdir().unwrap();
        let base = data.path().join("base");
        let cache = RegistryCache::new(data.path());
        base_layer(&base);
        let hive = base.join("Files/Windows/System32/config/SAM");
        fs::rename(&hive, data.path().join("outside")).unwrap();
        assert_eq!(
            cache.prepare("c", &[&base]).unwrap_err().kind(),
            ErrorKind::Malformed
        );
        std::os::unix::fs::symlink(data.path().join("outside"), &hive).unwrap();
        assert!(cache.prepare("c", &[&base]).is_err());
        assert!(!data.path().join("c").exists());
        assert!(cache.prepare("../c", &[&base]).is_err());
    }
}
