//! Which of Debian's packages a build is made from, and where they are on disk.
//!
//! What a mirror offers is looked up once and written down in the cache, so that a later build uses
//! the same packages (and no network when they are there), until a refresh is asked for.

use std::fs;
use std::path::PathBuf;

use porthole_files::replace_synced;
use serde::{Deserialize, Serialize};

use crate::cache::Cache;
use crate::download::Downloads;
use crate::error::{Error, ErrorKind, IoContext, Result};
use crate::kernel_list::KernelList;
use crate::mirror::{self, Mirror};
use crate::packages::Package;
use crate::pins;
use crate::progress::Progress;

/// The architecture of the kernel package and of 64-bit programs.
pub(crate) const AMD64: &str = "amd64";
/// The architecture of 32-bit programs.
pub(crate) const I386: &str = "i386";
/// The package of Wine's libraries.
pub(crate) const LIBWINE: &str = "libwine";
/// The package of `zlib1.dll`, which Debian's Wine links.
pub(crate) const ZLIB: &str = "libz-mingw-w64";
/// The package of Wine's fonts.
pub(crate) const FONTS: &str = "fonts-wine";

/// Where packages come from.
#[derive(Debug, Clone, Default)]
pub(crate) struct Origin {
    /// The mirror, or nothing: the one that apt uses.
    pub(crate) mirror: Option<String>,
    /// Whether to look for newer packages.
    pub(crate) refresh: bool,
}

/// The packages of a build.
pub(crate) struct Sources {
    lock: Lock,
    downloads: Downloads,
    /// Whether the 32-bit side is part of it.
    with_32_bit: bool,
}

/// What is written down.
#[derive(Debug, Serialize, Deserialize)]
struct Lock {
    mirror: String,
    release_date: String,
    packages: Vec<Package>,
}

impl Sources {
    /// Looks the packages up, in the cache or on the mirror.
    pub(crate) fn resolve(
        cache: &Cache,
        origin: &Origin,
        with_32_bit: bool,
        progress: &dyn Progress,
    ) -> Result<Self> {
        let path = cache.path("packages.json");
        let known = (!origin.refresh).then(|| read_lock(&path)).flatten();
        let known = known.filter(|lock| {
            origin
                .mirror
                .as_ref()
                .is_none_or(|mirror| *mirror == lock.mirror)
        });
        let lock = match known {
            Some(lock) => lock,
            None => {
                let lock = look_up(cache, origin, progress)?;
                let text = serde_json::to_vec_pretty(&lock).expect("a lock is plain data");
                replace_synced(&path, &text, 0o666).at("write", &path)?;
                lock
            }
        };
        let downloads = Downloads::open(cache.path("debs"))?;
        Ok(Self {
            lock,
            downloads,
            with_32_bit,
        })
    }

    /// Downloads the packages that are not there yet.
    pub(crate) fn fetch(&self, progress: &dyn Progress) -> Result<()> {
        let needed = self.lock.packages.iter();
        let needed: Vec<_> = needed
            .filter(|package| self.with_32_bit || package.architecture != I386)
            .collect();
        self.downloads
            .fetch(&Mirror::new(&self.lock.mirror), &needed, progress)
    }

    /// The packages of the kernel package, in the order of its list.
    pub(crate) fn kernel_packages(&self) -> impl Iterator<Item = &Package> {
        let names: Vec<_> = KernelList::load()
            .packages
            .into_iter()
            .map(|package| package.name)
            .collect();
        names.into_iter().map(|name| self.package(&name, AMD64))
    }

    /// Whether the 32-bit side is part of it.
    pub(crate) const fn with_32_bit(&self) -> bool {
        self.with_32_bit
    }

    /// A package that [`Sources::resolve`] looked up.
    pub(crate) fn package(&self, name: &str, architecture: &str) -> &Package {
        let mut packages = self.lock.packages.iter();
        packages
            .find(|package| package.name == name && package.architecture == architecture)
            .expect("every package that is used is looked up, or the lock is not accepted")
    }

    /// The file of a 64-bit or architecture-independent package.
    pub(crate) fn deb(&self, name: &str) -> PathBuf {
        self.downloads.path(self.package(name, AMD64))
    }

    /// The file of a 32-bit package.
    pub(crate) fn deb_32_bit(&self, name: &str) -> PathBuf {
        self.downloads.path(self.package(name, I386))
    }

    /// Debian's version of Wine, for example `10.0~repack-6`.
    pub(crate) fn debian_version(&self) -> &str {
        &self.package(LIBWINE, AMD64).version
    }

    /// Wine's version as its authors number it, for example `10.0`.
    pub(crate) fn wine_version(&self) -> &str {
        upstream(self.debian_version())
    }
}

fn upstream(version: &str) -> &str {
    version.split(['~', '-', '+']).next().unwrap_or(version)
}

/// All packages that builds use, with their architecture.
fn wanted() -> (Vec<String>, Vec<String>) {
    let listed = KernelList::load()
        .packages
        .into_iter()
        .map(|package| package.name);
    let amd64 = listed.chain([ZLIB, FONTS].map(str::to_owned)).collect();
    (amd64, vec![LIBWINE.to_owned()])
}

/// What was written down; nothing when it is not there or of another version of the program.
fn read_lock(path: &std::path::Path) -> Option<Lock> {
    let lock: Lock = serde_json::from_slice(&fs::read(path).ok()?).ok()?;
    let (amd64, i386) = wanted();
    let has = |name: &String, architecture: &str| {
        lock.packages
            .iter()
            .any(|package| package.name == *name && package.architecture == architecture)
    };
    let is_complete =
        amd64.iter().all(|name| has(name, AMD64)) && i386.iter().all(|name| has(name, I386));
    is_complete.then_some(lock)
}

fn look_up(cache: &Cache, origin: &Origin, progress: &dyn Progress) -> Result<Lock> {
    let url = origin.mirror.clone().map_or_else(mirror::configured, Ok)?;
    progress.begin(&format!("reading the index of {url}"), 0);
    let mirror = Mirror::new(&url);
    let scratch = cache.temporary("index")?;
    let release = mirror.release(&mirror::default_keyring()?, &scratch)?;
    let (amd64, i386) = wanted();
    let find = |architecture, names: &[String]| {
        let names: Vec<_> = names.iter().map(String::as_str).collect();
        mirror.find_packages(&release, architecture, &names)
    };
    let mut packages = find(AMD64, &amd64)?;
    match find(I386, &i386) {
        Err(error) if error.kind() == ErrorKind::Untrusted => {
            progress.note(
                "the mirror's i386 index is not the signed one; using the digest in the source",
            );
            packages.push(pinned(&packages).ok_or(error)?);
        }
        found => packages.extend(found?),
    }
    check_versions(&packages)?;
    Ok(Lock {
        mirror: url,
        release_date: release.date,
        packages,
    })
}

/// The 32-bit side that belongs to the 64-bit one of `packages`.
fn pinned(packages: &[Package]) -> Option<Package> {
    let other = packages.iter().find(|package| package.name == LIBWINE)?;
    pins::find(LIBWINE, I386, &other.version)
}

/// Both architectures of Wine must be of one build, as the kernel package and the base must.
fn check_versions(packages: &[Package]) -> Result<()> {
    let mut versions = packages
        .iter()
        .filter(|package| package.name == LIBWINE)
        .map(|package| &package.version);
    let first = versions.next();
    if versions.all(|version| Some(version) == first) {
        return Ok(());
    }
    let message = "the mirror has different versions for 64 and 32 bits; it is being updated, try again later";
    Err(Error::new(
        ErrorKind::Mirror,
        "find package",
        LIBWINE,
        message,
    ))
}

#[cfg(test)]
mod tests {
    use super::upstream;

    #[test]
    fn the_authors_version_is_the_first_part() {
        for (version, expected) in [
            ("10.0~repack-6", "10.0"),
            ("10.0-1", "10.0"),
            ("11.0+dfsg-2", "11.0"),
        ] {
            assert_eq!(upstream(version), expected);
        }
    }
}
