//! An archive's files on disk: what says which image they make may come last.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

use porthole_store::{StagingDirectory, Store};
use tar::{Archive, EntryType};

use crate::error::{Error, Result};
use crate::image::decompress::{broken, decompressed};
use crate::records::stored;

/// Entries of an archive at most: 127 layers of three files each, for many images.
const MAX_ENTRIES: usize = 100_000;

/// Bytes of a document at most.
const MAX_DOCUMENT: u64 = 16 << 20;

/// Links that lead from one entry to the next at most.
const MAX_LINKS: usize = 8;

/// What an entry of the archive is.
#[derive(Debug)]
enum Entry {
    /// A file, spooled.
    File { path: PathBuf, size: u64 },
    /// Another name.
    Link(String),
}

/// The files of an archive, until this is dropped.
#[derive(Debug)]
pub(super) struct Spool {
    entries: BTreeMap<String, Entry>,
    _directory: StagingDirectory,
}

impl Spool {
    /// Reads a whole archive, plain or compressed.
    pub(super) fn fill(store: &Store, archive: impl Read + Send) -> Result<Self> {
        let directory = store.staging_directory().map_err(stored)?;
        let mut entries = BTreeMap::new();
        let mut archive = Archive::new(decompressed(archive)?);
        for entry in archive.entries().map_err(broken)? {
            let mut entry = entry.map_err(broken)?;
            if entries.len() == MAX_ENTRIES {
                return Err(Error::invalid(format!(
                    "the archive has more than {MAX_ENTRIES} entries"
                )));
            }
            let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            let name = normal(&name, "").ok_or_else(|| bad_name(&name))?;
            let kind = entry.header().entry_type();
            match kind {
                EntryType::Regular | EntryType::Continuous => {
                    let path = directory.path().join(entries.len().to_string());
                    let size = spool(&mut entry, &path)?;
                    entries.insert(name, Entry::File { path, size });
                }
                EntryType::Symlink | EntryType::Link => {
                    let target = entry.link_name_bytes().unwrap_or_default();
                    let target = String::from_utf8_lossy(&target).into_owned();
                    let from = match kind {
                        EntryType::Symlink => name.rsplit_once('/').map_or("", |(from, _)| from),
                        _ => "",
                    };
                    let target = normal(&target, from).ok_or_else(|| bad_name(&target))?;
                    entries.insert(name, Entry::Link(target));
                }
                EntryType::Directory | EntryType::XGlobalHeader => {}
                other => {
                    return Err(Error::invalid(format!(
                        "entry {name:?} of type {other:?} is not allowed in an archive of images"
                    )));
                }
            }
        }
        Ok(Self {
            entries,
            _directory: directory,
        })
    }

    /// Whether there is a file of this name.
    pub(super) fn has(&self, name: &str) -> bool {
        self.find(name).is_some()
    }

    /// A file and its size.
    pub(super) fn open(&self, name: &str) -> Result<(File, u64)> {
        let (path, size) = self
            .find(name)
            .ok_or_else(|| Error::invalid(format!("the archive has no {name:?}")))?;
        let file = File::open(path)
            .map_err(|error| Error::system("cannot read the archive").with_source(error))?;
        Ok((file, size))
    }

    /// All of a document.
    pub(super) fn document(&self, name: &str) -> Result<Vec<u8>> {
        let (file, size) = self.open(name)?;
        if size > MAX_DOCUMENT {
            return Err(Error::invalid(format!(
                "{name:?} is larger than {MAX_DOCUMENT} bytes"
            )));
        }
        let mut bytes = Vec::new();
        file.take(MAX_DOCUMENT)
            .read_to_end(&mut bytes)
            .map_err(|error| Error::system("cannot read the archive").with_source(error))?;
        Ok(bytes)
    }

    fn find(&self, name: &str) -> Option<(&PathBuf, u64)> {
        let mut name = normal(name, "")?;
        for _ in 0..=MAX_LINKS {
            match self.entries.get(&name)? {
                Entry::File { path, size } => return Some((path, *size)),
                Entry::Link(target) => name.clone_from(target),
            }
        }
        None
    }
}

fn spool(entry: &mut impl Read, path: &PathBuf) -> Result<u64> {
    let failed = |error: io::Error| match error.kind() {
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => {
            Error::system("cannot spool the archive: the file system is full").with_source(error)
        }
        _ => broken(error),
    };
    let mut file = File::create_new(path)
        .map_err(|error| Error::system("cannot spool the archive").with_source(error))?;
    io::copy(entry, &mut file).map_err(failed)
}

/// A name in the archive, from the directory `from`; none for one that leads out of it.
fn normal(name: &str, from: &str) -> Option<String> {
    let mut parts: Vec<&str> = from.split('/').filter(|part| !part.is_empty()).collect();
    for part in name.split('/') {
        match part {
            "" | "." => {}
            ".." => drop(parts.pop()?),
            part => parts.push(part),
        }
    }
    (!name.starts_with('/')).then(|| parts.join("/"))
}

fn bad_name(name: &str) -> Error {
    Error::invalid(format!("entry {name:?} leads out of the archive"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_stay_in_the_archive() {
        for (name, from, expected) in [
            ("./a//b", "", Some("a/b")),
            ("../x.tar", "layer", Some("x.tar")),
            ("../../x", "layer", None),
            ("/etc/passwd", "", None),
            ("a/../b", "", Some("b")),
        ] {
            assert_eq!(normal(name, from).as_deref(), expected, "{name}");
        }
    }
}
