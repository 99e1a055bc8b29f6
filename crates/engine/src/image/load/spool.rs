//! An archive's files on disk: what says which image they make may come last.

use std::collections::BTreeMap;
use std::fs::File;
use std::io::{self, Read};
use std::path::PathBuf;

use porthole_store::{StagingDirectory, Store};
use tar::{Archive, EntryType};

use crate::error::{Error, Result};
use crate::image::decompress::{broken, decompressed};
use crate::image::tar_heads;
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
    directory: StagingDirectory,
}

impl Spool {
    /// Reads a whole archive, plain or compressed.
    pub(super) fn fill(store: &Store, archive: impl Read + Send) -> Result<Self> {
        let directory = store.staging_directory().map_err(stored)?;
        let mut spool = Self {
            entries: BTreeMap::new(),
            directory,
        };
        let (archive, heads) = tar_heads::limited(decompressed(archive)?);
        let mut archive = Archive::new(archive);
        let mut entries = archive.entries().map_err(broken)?;
        let mut number = 0;
        while let Some(mut entry) = heads.next(&mut entries)? {
            if number == MAX_ENTRIES {
                return Err(Error::invalid(format!(
                    "the archive has more than {MAX_ENTRIES} entries"
                )));
            }
            spool.add(&mut entry, number)?;
            tar_heads::rest(entry)?;
            number += 1;
        }
        Ok(spool)
    }

    /// Takes up the `number`th entry, in the place of one before of the same name.
    fn add(&mut self, entry: &mut tar::Entry<'_, impl Read>, number: usize) -> Result<()> {
        let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
        let name = normal(&name, "").ok_or_else(|| bad_name(&name))?;
        let kind = entry.header().entry_type();
        let new = match kind {
            EntryType::Regular | EntryType::Continuous => {
                let path = self.directory.path().join(number.to_string());
                let size = spool(entry, &path)?;
                Entry::File { path, size }
            }
            EntryType::Symlink | EntryType::Link => {
                let target = entry.link_name_bytes().unwrap_or_default();
                let target = String::from_utf8_lossy(&target).into_owned();
                let from = match kind {
                    EntryType::Symlink => name.rsplit_once('/').map_or("", |(from, _)| from),
                    _ => "",
                };
                let target = normal(&target, from).ok_or_else(|| bad_name(&target))?;
                Entry::Link(target)
            }
            EntryType::Directory | EntryType::XGlobalHeader => return Ok(()),
            other => {
                return Err(Error::invalid(format!(
                    "entry {name:?} of type {other:?} is not allowed in an archive of images"
                )));
            }
        };
        if let Some(Entry::File { path, .. }) = self.entries.insert(name, new) {
            std::fs::remove_file(&path)
                .map_err(|error| Error::system("cannot spool the archive").with_source(error))?;
        }
        Ok(())
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
    fn a_later_entry_takes_the_place_of_one_before() {
        let mut archive = tar::Builder::new(Vec::new());
        for (name, content) in [("a", "1"), ("a", "22"), ("b", "333"), ("a", "4444")] {
            let mut header = tar::Header::new_gnu();
            header.set_size(content.len() as u64);
            archive
                .append_data(&mut header, name, content.as_bytes())
                .unwrap();
        }
        let directory = tempfile::tempdir().unwrap();
        let (store, _) = Store::open(directory.path()).unwrap();
        let spool = Spool::fill(&store, &*archive.into_inner().unwrap()).unwrap();
        assert_eq!(spool.document("a").unwrap(), b"4444");
        assert_eq!(spool.document("b").unwrap(), b"333");
        let files = std::fs::read_dir(spool.directory.path()).unwrap();
        assert_eq!(files.count(), 2);
    }

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
