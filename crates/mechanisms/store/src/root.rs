//! The layout of the data root.

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use porthole_oci::{Digest, LayerId};

use crate::error::{IoContext, Result};

/// Paths below a data root.
#[derive(Debug, Clone)]
pub struct DataRoot {
    path: PathBuf,
}

impl DataRoot {
    /// The layout below `path`; nothing is touched.
    #[must_use]
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into() }
    }

    /// The root itself.
    #[must_use]
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The kernel packages.
    #[must_use]
    pub fn kernels(&self) -> PathBuf {
        self.path.join("kernels")
    }

    /// The unpacked layers.
    #[must_use]
    pub fn layers(&self) -> PathBuf {
        self.path.join("layers")
    }

    /// An unpacked layer.
    #[must_use]
    pub fn layer(&self, id: LayerId) -> PathBuf {
        self.layers().join(id.to_string())
    }

    /// The cached merged registries.
    #[must_use]
    pub fn registries(&self) -> PathBuf {
        self.path.join("registry")
    }

    /// The cached merged registries of the chains that end in `id`: their names begin with it.
    ///
    /// # Errors
    /// The directory cannot be read.
    pub(crate) fn registries_of(&self, id: LayerId) -> Result<Vec<PathBuf>> {
        let (directory, id) = (self.registries(), id.to_string());
        let mut found = Vec::new();
        for entry in std::fs::read_dir(&directory).at("list directory", &directory)? {
            let name = entry.at("list directory", &directory)?.file_name();
            if name.as_encoded_bytes().starts_with(id.as_bytes()) {
                found.push(directory.join(name));
            }
        }
        Ok(found)
    }

    /// The containers.
    #[must_use]
    pub fn containers(&self) -> PathBuf {
        self.path.join("containers")
    }

    /// The cache of base builds.
    #[must_use]
    pub fn base_cache(&self) -> PathBuf {
        self.path.join("cache").join("base")
    }

    /// A blob's file.
    #[must_use]
    pub fn blob(&self, digest: Digest) -> PathBuf {
        self.blobs().join(digest.hex())
    }

    pub(crate) fn blobs(&self) -> PathBuf {
        self.path.join("blobs").join("sha256")
    }

    pub(crate) fn staging(&self) -> PathBuf {
        self.path.join("tmp")
    }

    /// The database; a root without it has held nothing yet.
    #[must_use]
    pub fn database(&self) -> PathBuf {
        self.path.join("porthole.db")
    }

    pub(crate) fn lock(&self) -> PathBuf {
        self.path.join("porthole.lock")
    }

    /// Makes the directories that are missing. Only the root may be passed through by others
    /// (0711), so that a path below it can be handed out by descriptor; nothing else is open.
    pub(crate) fn create(&self) -> Result<()> {
        make_directory(&self.path, 0o711)?;
        let inner = [
            self.path.join("blobs"),
            self.blobs(),
            self.kernels(),
            self.layers(),
            self.registries(),
            self.containers(),
            self.path.join("cache"),
            self.base_cache(),
            self.staging(),
        ];
        inner
            .iter()
            .try_for_each(|path| make_directory(path, 0o700))
    }
}

fn make_directory(path: &Path, mode: u32) -> Result<()> {
    let mut builder = std::fs::DirBuilder::new();
    builder
        .recursive(true)
        .mode(mode)
        .create(path)
        .at("create directory", path)
}
