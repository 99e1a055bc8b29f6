//! The record of what setup did, written after each change: what is cut short can be undone too.

use std::collections::{BTreeMap, BTreeSet};
use std::fs;
use std::io::ErrorKind;
use std::path::{Path, PathBuf};

use anyhow::{Context, Result};
use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

/// What setup did.
#[derive(Debug, Default, Serialize, Deserialize)]
pub(super) struct Manifest {
    /// Files with the SHA-256 of what was written.
    pub(super) files: BTreeMap<PathBuf, String>,
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
        self.files.is_empty() && self.contexts.is_empty() && !self.group && !self.service
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
        fs::create_dir_all(parent).with_context(|| format!("cannot make {}", parent.display()))?;
        self.directories.extend(missing.into_iter().rev());
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
pub(super) fn digest(content: &[u8]) -> String {
    hex::encode(Sha256::digest(content))
}
