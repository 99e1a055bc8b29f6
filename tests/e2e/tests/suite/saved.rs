//! What `docker save` writes, looked into.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::Read as _;
use std::path::PathBuf;

use anyhow::{Context as _, Result, ensure};
use flate2::read::MultiGzDecoder;
use porthole_e2e::docker::Docker;
use serde_json::Value;
use tempfile::TempDir;

use crate::made_images::text;

/// An archive of images.
pub(crate) struct Saved {
    directory: TempDir,
}

/// An image's topmost layer.
pub(crate) struct TopLayer {
    /// The bytes of its file, as a registry has them.
    pub(crate) blob: Vec<u8>,
    /// Its archive.
    pub(crate) archive: Vec<u8>,
}

/// An entry of a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct LayerEntry {
    pub(crate) kind: tar::EntryType,
    pub(crate) content: Vec<u8>,
    pub(crate) records: BTreeMap<String, String>,
}

impl Saved {
    pub(crate) fn of(docker: &Docker, names: &[&str]) -> Result<Self> {
        let saved = Self {
            directory: tempfile::tempdir()?,
        };
        let file = saved.file();
        docker.ok([&["save", "-o", text(&file)?][..], names].concat())?;
        tar::Archive::new(File::open(&file)?).unpack(saved.directory.path().join("contents"))?;
        Ok(saved)
    }

    /// The archive.
    pub(crate) fn file(&self) -> PathBuf {
        self.directory.path().join("images.tar")
    }

    fn contained(&self, name: &str) -> PathBuf {
        self.directory.path().join("contents").join(name)
    }

    /// Docker's table of contents, an entry for each image.
    pub(crate) fn contents(&self) -> Result<Vec<Value>> {
        Ok(serde_json::from_slice(&fs::read(
            self.contained("manifest.json"),
        )?)?)
    }

    /// The topmost layer of an image that is alone in the archive.
    pub(crate) fn top_layer(&self) -> Result<TopLayer> {
        let contents = self.contents()?;
        ensure!(contents.len() == 1, "{contents:?}");
        let file = contents[0]["Layers"]
            .as_array()
            .and_then(|layers| layers.last())
            .and_then(Value::as_str)
            .context("no layers")?;
        let blob = fs::read(self.contained(file))?;
        let mut archive = Vec::new();
        if blob.starts_with(&[0x1f, 0x8b]) {
            MultiGzDecoder::new(&*blob).read_to_end(&mut archive)?;
        } else {
            archive.clone_from(&blob);
        }
        Ok(TopLayer { blob, archive })
    }
}

impl TopLayer {
    /// The topmost layer of an image.
    pub(crate) fn of(docker: &Docker, image: &str) -> Result<Self> {
        Saved::of(docker, &[image])?.top_layer()
    }

    /// All that it holds, by name.
    pub(crate) fn entries(&self) -> Result<BTreeMap<String, LayerEntry>> {
        let mut found = BTreeMap::new();
        for entry in tar::Archive::new(&*self.archive).entries()? {
            let mut entry = entry?;
            let name = String::from_utf8_lossy(&entry.path_bytes()).into_owned();
            let mut records = BTreeMap::new();
            if let Some(extensions) = entry.pax_extensions()? {
                for extension in extensions {
                    let extension = extension?;
                    let value = String::from_utf8_lossy(extension.value_bytes()).into_owned();
                    records.insert(extension.key()?.to_owned(), value);
                }
            }
            let mut content = Vec::new();
            entry.read_to_end(&mut content)?;
            let kind = entry.header().entry_type();
            let name = name.trim_end_matches('/').to_owned();
            found.insert(
                name,
                LayerEntry {
                    kind,
                    content,
                    records,
                },
            );
        }
        Ok(found)
    }
}
