//! The record of what setup did, written after each change: what is cut short can be undone too.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::os::unix::fs::PermissionsExt as _;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// What setup did.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Manifest {
    /// Files with the SHA-256 of what was written.
    pub(super) files: BTreeMap<PathBuf, String>,
    /// The file that is being written, and the SHA-256 of what it will be.
    #[serde(default)]
    pub(super) intended: Option<(PathBuf, String)>,
    /// Directories that were not there, in the order of their making.
    pub(super) directories: Vec<PathBuf>,
    /// Whether the group was made.
    pub(super) group: bool,
    /// Users that the docker context was made for.
    pub(super) contexts: BTreeSet<String>,
    /// Whether the service was enabled.
    pub(super) service: bool,
    #[serde(skip)]
    path: PathBuf,
}

impl Manifest {
    /// Reads it; an empty one if there is none.
    pub(super) fn load(path: &Path) -> Result<Self> {
        let mut manifest = match fs::read(path) {
            Ok(text) => serde_json::from_slice(&text)
                .with_context(|| format!("{} is no record of setup", path.display()))?,
            Err(error) if error.kind() == ErrorKind::NotFound => Self::default(),
            Err(error) => {
                return Err(error).with_context(|| format!("cannot read {}", path.display()));
            }
        };
        path.clone_into(&mut manifest.path);
        Ok(manifest)
    }

    /// Whether setup has done anything.
    pub(super) fn is_empty(&self) -> bool {
        self.all_files().next().is_none()
            && self.contexts.is_empty()
            && !self.group
            && !self.service
    }

    /// The files that were written, and the one that may have been.
    pub(super) fn all_files(&self) -> impl Iterator<Item = &PathBuf> {
        let intended = self.intended.iter().map(|(path, _)| path);
        let intended = intended.filter(|path| !self.files.contains_key(*path));
        self.files.keys().chain(intended)
    }

    /// Whether setup has written a file, in this or another version, or was about to.
    pub(super) fn owns(&self, path: &Path) -> bool {
        self.all_files().any(|file| file == path)
    }

    /// Whether a file's content is what setup wrote, or was about to write.
    pub(super) fn is_as_written(&self, path: &Path, content: &[u8]) -> bool {
        let digest = digest(content);
        let intended = |(file, meant): &(PathBuf, String)| file == path && *meant == digest;
        self.files.get(path) == Some(&digest) || self.intended.as_ref().is_some_and(intended)
    }

    /// Before a file is written: cut short, it is known whose it is.
    pub(super) fn intend(&mut self, path: &Path, content: &[u8]) -> Result<()> {
        self.intended = Some((path.to_owned(), digest(content)));
        self.save()
    }

    /// A file is as setup writes it.
    pub(super) fn written(&mut self, path: &Path, content: &[u8]) -> Result<()> {
        self.files.insert(path.to_owned(), digest(content));
        self.intended = None;
        self.save()
    }

    /// A file is gone, or no longer ours.
    pub(super) fn forget(&mut self, path: &Path) -> Result<()> {
        self.files.remove(path);
        self.intended.take_if(|(file, _)| file == path);
        self.save()
    }

    /// Writes it.
    pub(super) fn save(&mut self) -> Result<()> {
        let path = self.path.clone();
        self.make_parents(&path)?;
        let text = serde_json::to_vec_pretty(self)?;
        porthole_files::replace_synced(&self.path, &text, 0o644)
            .with_context(|| format!("cannot write {}", self.path.display()))
    }

    /// Makes the directories above a path that are missing, to be removed with what is in them.
    pub(super) fn make_parents(&mut self, path: &Path) -> Result<()> {
        let parent = path.parent().unwrap_or(Path::new("/"));
        let missing: Vec<PathBuf> = parent
            .ancestors()
            .take_while(|ancestor| !ancestor.exists())
            .map(Path::to_owned)
            .collect();
        let failed = || format!("cannot make {}", parent.display());
        fs::create_dir_all(parent).with_context(failed)?;
        for directory in missing.into_iter().rev() {
            // The process's mask has no say in what others may read here.
            let mode = fs::Permissions::from_mode(0o755);
            fs::set_permissions(&directory, mode).with_context(failed)?;
            self.directories.push(directory);
        }
        Ok(())
    }

    /// Removes it: all is undone.
    pub(super) fn delete(&self) -> Result<()> {
        match fs::remove_file(&self.path) {
            Err(error) if error.kind() != ErrorKind::NotFound => {
                Err(error).with_context(|| format!("cannot remove {}", self.path.display()))
            }
            _ => Ok(()),
        }
    }
}

/// The SHA-256 of a file's content, in hexadecimal digits.
fn digest(content: &[u8]) -> String {
    hex::encode(Sha256::digest(content))
}
