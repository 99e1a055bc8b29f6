//! What a tree holds, byte for byte: written when it is built, checked by `porthole base verify`.

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::ffi::OsStrExt;
use std::path::Path;

use serde::{Deserialize, Serialize};

use crate::digest;
use crate::error::{Error, ErrorKind, IoContext, Result};

/// The manifest's name, beside the trees that it describes.
pub(crate) const FILE: &str = "manifest.json";

/// All entries of a directory's trees, by path relative to the directory.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Manifest {
    entries: BTreeMap<String, Entry>,
}

/// An entry of a tree.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Entry {
    /// A directory.
    Directory,
    /// A symbolic link and where it leads.
    Link(String),
    /// An ordinary file.
    File {
        /// In bytes.
        size: u64,
        /// In lower-case hexadecimal digits.
        sha256: String,
    },
}

/// A difference between a manifest and its trees.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Difference {
    /// Where, relative to the directory.
    pub path: String,
    /// What is wrong.
    pub what: DifferenceKind,
}

/// What is wrong with an entry of a tree.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum DifferenceKind {
    /// It is not there.
    Missing,
    /// It is there but was not built.
    Extra,
    /// It is not what was built.
    Changed,
}

impl Manifest {
    /// Describes the trees `trees` in `directory`; `seen` is told of the bytes read.
    pub(crate) fn of(directory: &Path, trees: &[&str], seen: &mut dyn FnMut(u64)) -> Result<Self> {
        let mut manifest = Self::default();
        for tree in trees {
            if directory.join(tree).exists() {
                manifest.add(directory, Path::new(tree), seen)?;
            }
        }
        Ok(manifest)
    }

    /// Reads the manifest in `directory`.
    pub(crate) fn read(directory: &Path) -> Result<Self> {
        let path = directory.join(FILE);
        let text = fs::read(&path).at("read manifest", &path)?;
        serde_json::from_slice(&text).map_err(|error| {
            Error::new(
                ErrorKind::Damaged,
                "read manifest",
                path.display().to_string(),
                "not a manifest",
            )
            .with_source(error)
        })
    }

    /// Writes it to `directory`.
    pub(crate) fn write(&self, directory: &Path) -> Result<()> {
        let path = directory.join(FILE);
        let text = serde_json::to_vec(self).expect("a manifest is plain data");
        fs::write(&path, text).at("write manifest", &path)
    }

    /// How the trees in `directory` differ from it.
    pub(crate) fn differences(
        &self,
        directory: &Path,
        seen: &mut dyn FnMut(u64),
    ) -> Result<Vec<Difference>> {
        let trees: std::collections::BTreeSet<_> = self
            .entries
            .keys()
            .filter_map(|path| path.split('/').next())
            .collect();
        let trees: Vec<_> = trees.into_iter().collect();
        let actual = Self::of(directory, &trees, seen)?;
        let mut differences = Vec::new();
        let mut add = |path: &str, what| {
            differences.push(Difference {
                path: path.to_owned(),
                what,
            });
        };
        for (path, entry) in &self.entries {
            match actual.entries.get(path) {
                None => add(path, DifferenceKind::Missing),
                Some(found) if found != entry => add(path, DifferenceKind::Changed),
                Some(_) => {}
            }
        }
        let extra = actual
            .entries
            .keys()
            .filter(|path| !self.entries.contains_key(*path));
        extra.for_each(|path| add(path, DifferenceKind::Extra));
        Ok(differences)
    }

    /// The sum of the files' sizes; a file that has several names counts for each.
    pub(crate) fn size(&self) -> u64 {
        self.entries
            .values()
            .map(|entry| {
                if let Entry::File { size, .. } = entry {
                    *size
                } else {
                    0
                }
            })
            .sum()
    }

    fn add(&mut self, directory: &Path, path: &Path, seen: &mut dyn FnMut(u64)) -> Result<()> {
        let full = directory.join(path);
        let metadata = fs::symlink_metadata(&full).at("look at", &full)?;
        let name = String::from_utf8(path.as_os_str().as_bytes().to_vec()).map_err(|error| {
            Error::malformed("describe", full.display().to_string(), "not UTF-8").with_source(error)
        })?;
        let entry = if metadata.is_dir() {
            for child in fs::read_dir(&full).at("list", &full)? {
                self.add(
                    directory,
                    &path.join(child.at("list", &full)?.file_name()),
                    seen,
                )?;
            }
            Entry::Directory
        } else if metadata.is_symlink() {
            Entry::Link(
                fs::read_link(&full)
                    .at("read link", &full)?
                    .to_string_lossy()
                    .into_owned(),
            )
        } else {
            seen(metadata.len());
            Entry::File {
                size: metadata.len(),
                sha256: digest::of_file(&full).at("read", &full)?,
            }
        };
        self.entries.insert(name, entry);
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn finds_every_difference() {
        let directory = tempfile::tempdir().unwrap();
        let root = directory.path().join("root");
        fs::create_dir_all(root.join("d")).unwrap();
        for name in ["a", "b", "d/c"] {
            fs::write(root.join(name), name).unwrap();
        }
        std::os::unix::fs::symlink("/nowhere", root.join("l")).unwrap();
        let mut bytes = 0;
        let manifest = Manifest::of(directory.path(), &["root", "absent"], &mut |count| {
            bytes += count;
        })
        .unwrap();
        assert_eq!((bytes, manifest.size()), (5, 5));
        manifest.write(directory.path()).unwrap();
        let manifest = Manifest::read(directory.path()).unwrap();
        let differences = || manifest.differences(directory.path(), &mut |_| {}).unwrap();
        assert_eq!(differences(), []);

        fs::write(root.join("a"), "x").unwrap();
        fs::remove_file(root.join("b")).unwrap();
        fs::write(root.join("d/extra"), "").unwrap();
        fs::remove_file(root.join("l")).unwrap();
        std::os::unix::fs::symlink("/elsewhere", root.join("l")).unwrap();
        let found: Vec<_> = differences()
            .into_iter()
            .map(|found| (found.path, found.what))
            .collect();
        let expected = [
            ("root/a", DifferenceKind::Changed),
            ("root/b", DifferenceKind::Missing),
            ("root/l", DifferenceKind::Changed),
            ("root/d/extra", DifferenceKind::Extra),
        ];
        assert_eq!(found, expected.map(|(path, what)| (path.to_owned(), what)));
    }
}
