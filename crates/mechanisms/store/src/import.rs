//! Bringing an image into the store, in one transaction.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use porthole_files::{sync_names, sync_tree};
use porthole_oci::{Digest, ImageConfig, ImageId, LayerId, Reference};
use rusqlite::{OptionalExtension, Transaction};

use crate::blobs;
use crate::error::{Error, ErrorKind, IoContext, Result};
use crate::image_rows;
use crate::images;
use crate::lineage;
use crate::recovery;
use crate::removal::MovedAside;
use crate::root::DataRoot;
use crate::staging::StagedBlob;
use crate::store::Store;
use crate::substituted::{self, SubstitutedBase};

const OPERATION: &str = "import image";

/// An image to bring into the store.
#[derive(Debug, Default)]
pub struct ImageImport {
    /// Its configuration, byte for byte; its digest becomes the image's ID.
    pub config: Vec<u8>,
    /// Its manifest, byte for byte, if it has one.
    pub manifest: Option<Vec<u8>>,
    /// What lies below its layers and stays out of the store, for it is Microsoft's.
    pub base: Option<SubstitutedBase>,
    /// Its layers, base first: with those of `base`, as many as the configuration names.
    pub layers: Vec<LayerImport>,
    /// Names with tags that it gets; taken from the images that have them.
    pub tags: Vec<Reference>,
    /// Repositories in which its manifest was found (their tag and digest do not matter).
    pub repositories: Vec<Reference>,
    /// The image that it was made from here, by a commit or a build.
    pub parent: Option<ImageId>,
    /// Repositories in which blobs of it are known to be, for later pushes.
    pub sources: Vec<(Digest, Reference)>,
}

impl ImageImport {
    /// An image of nothing but a configuration and layers.
    #[must_use]
    pub fn new(config: Vec<u8>, layers: Vec<LayerImport>) -> Self {
        Self {
            config,
            layers,
            ..Self::default()
        }
    }
}

/// A layer of an image to bring in.
#[derive(Debug)]
pub struct LayerImport {
    /// Where its files are.
    pub contents: LayerContents,
    /// Its archive, as the manifest names it. A layer that is [`LayerContents::Present`] without one
    /// has that of the other images with this layer.
    pub blob: Option<LayerBlob>,
}

/// A layer's archive.
#[derive(Debug)]
pub enum LayerBlob {
    /// It is new.
    Staged(StagedBlob),
    /// The store has it.
    Stored(Digest),
}

impl LayerBlob {
    /// Its digest.
    #[must_use]
    pub const fn digest(&self) -> Digest {
        match self {
            Self::Staged(blob) => blob.digest(),
            Self::Stored(digest) => *digest,
        }
    }
}

impl From<StagedBlob> for LayerBlob {
    fn from(blob: StagedBlob) -> Self {
        Self::Staged(blob)
    }
}

/// Where a layer's files are.
#[derive(Debug)]
pub enum LayerContents {
    /// In a directory on the store's file system, which is moved into the store.
    Unpacked {
        /// The directory; holds `Files` and the like.
        directory: PathBuf,
        /// Bytes, as shown to people.
        size: u64,
    },
    /// In the store already, as a layer of another image.
    Present,
}

impl Store {
    /// Brings an image in: layers, blobs, configuration, names, all or nothing. The layers' files
    /// are on disk when this returns. Importing again what is there only adds names and blobs: its
    /// manifest and its base stay.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when the layers are not those of the configuration,
    /// [`ErrorKind::NotFound`] for a layer that is not [`LayerContents::Present`] after all, or a
    /// failure of file system or database.
    pub fn import_image(&self, import: &ImageImport) -> Result<ImageId> {
        let id = ImageId(Digest::of(&import.config));
        let config = ImageConfig::parse(&import.config)?;
        check_layers(import, &config, id)?;
        for layer in &import.layers {
            if let LayerContents::Unpacked { directory, .. } = &layer.contents {
                sync_tree(directory).at("sync layer", directory)?;
            }
        }
        let mut garbage = MovedAside::default();
        let result = self.write(OPERATION, &id.to_string(), |transaction| {
            Importer {
                transaction,
                root: self.root(),
                id,
                garbage: &mut garbage,
            }
            .run(import, &config)
        });
        garbage.delete();
        if result.is_err() {
            // Files that were put in place have no record now.
            if let Err(error) = recovery::sweep(self) {
                tracing::warn!(%error, "what was imported in part is left for recovery");
            }
        }
        result.map(|()| id)
    }
}

/// The layers must be those that the configuration names.
fn check_layers(import: &ImageImport, config: &ImageConfig, id: ImageId) -> Result<()> {
    let base = import.base.iter().flat_map(|base| &base.layers);
    let substituted: Vec<Digest> = base.map(|layer| layer.diff_id).collect();
    let expected = &config.rootfs.diff_ids;
    let total = substituted.len() + import.layers.len();
    let message = if total != expected.len() {
        format!("{total} layers for a configuration of {}", expected.len())
    } else if !expected.starts_with(&substituted) {
        "a base that is not the one of the configuration".to_owned()
    } else {
        return Ok(());
    };
    Err(Error::new(
        ErrorKind::Invalid,
        OPERATION,
        id.to_string(),
        message,
    ))
}

struct Importer<'a> {
    transaction: &'a Transaction<'a>,
    root: &'a DataRoot,
    id: ImageId,
    garbage: &'a mut MovedAside,
}

impl Importer<'_> {
    fn run(&mut self, import: &ImageImport, config: &ImageConfig) -> Result<()> {
        let substituted = import.base.as_ref().map_or(0, |base| base.layers.len());
        let known = self.known_base()?;
        if known.is_none_or(|known| known == substituted) {
            self.insert_contents(import, config, substituted)?;
        }
        self.insert_names(import)?;
        let directories = [self.root.layers(), self.root.blobs()];
        directories
            .iter()
            .try_for_each(|path| sync_names(path).at("sync directory", path))
    }

    /// How many layers the base has of an image that is here. Documents that tell less of an image can
    /// leave its base unrecognised; what is here stays as it was.
    fn known_base(&self) -> Result<Option<usize>> {
        let count = "SELECT (SELECT COUNT(*) FROM substituted_layers WHERE image = id)
             FROM images WHERE id = ?1";
        let known: Option<i64> = self
            .transaction
            .query_row(count, [self.id.0.hex()], |row| row.get(0))
            .optional()
            .map_err(|error| Error::database(OPERATION, self.id.to_string(), error))?;
        Ok(known.map(|count| usize::try_from(count).unwrap_or(0)))
    }

    fn insert_contents(
        &mut self,
        import: &ImageImport,
        config: &ImageConfig,
        substituted: usize,
    ) -> Result<()> {
        self.insert_image(import)?;
        if let Some(base) = &import.base {
            substituted::insert(self.transaction, self.id, base)?;
        }
        let ids = config.layer_ids();
        let layers = ids.iter().zip(&config.rootfs.diff_ids).skip(substituted);
        let layers = import.layers.iter().zip(layers);
        let first = i64::try_from(substituted).unwrap_or(i64::MAX);
        for (position, (layer, (id, diff_id))) in (first..).zip(layers) {
            self.place_layer(&layer.contents, *id, *diff_id)?;
            let blob = self.place_blob(layer.blob.as_ref(), *id)?;
            self.insert_layer(position, *id, blob)?;
        }
        Ok(())
    }

    fn insert_names(&self, import: &ImageImport) -> Result<()> {
        if let Some(parent) = import.parent {
            lineage::insert_parent(self.transaction, self.id, parent)?;
        }
        for (blob, repository) in &import.sources {
            lineage::insert_source(self.transaction, *blob, repository)?;
        }
        import
            .tags
            .iter()
            .try_for_each(|name| images::set_tag(self.transaction, self.id, name))?;
        self.insert_digests(import)
    }

    fn insert_image(&self, import: &ImageImport) -> Result<()> {
        let manifest_digest = import
            .manifest
            .as_deref()
            .map(|manifest| Digest::of(manifest).hex());
        let now = SystemTime::now()
            .duration_since(UNIX_EPOCH)
            .unwrap_or_default()
            .as_nanos();
        self.execute(
            "INSERT INTO images (id, config, manifest, manifest_digest, imported) VALUES (?1, ?2, ?3, ?4, ?5)
             ON CONFLICT (id) DO UPDATE SET manifest = COALESCE(manifest, excluded.manifest),
                manifest_digest = COALESCE(manifest_digest, excluded.manifest_digest)",
            (
                self.id.0.hex(),
                &import.config,
                &import.manifest,
                manifest_digest,
                i64::try_from(now).unwrap_or(i64::MAX),
            ),
        )
    }

    fn place_layer(
        &mut self,
        contents: &LayerContents,
        id: LayerId,
        diff_id: Digest,
    ) -> Result<()> {
        if image_rows::layer_exists(self.transaction, id)? {
            return Ok(());
        }
        let LayerContents::Unpacked { directory, size } = contents else {
            return Err(Error::new(
                ErrorKind::NotFound,
                OPERATION,
                id.to_string(),
                "no such layer",
            ));
        };
        let target = self.root.layer(id);
        // No record names it, so whatever is there is garbage.
        self.garbage.add(&target)?;
        std::fs::rename(directory, &target).at("move layer into the store", directory)?;
        let size = i64::try_from(*size).unwrap_or(i64::MAX);
        self.execute(
            "INSERT INTO layers (id, diff_id, size) VALUES (?1, ?2, ?3)",
            (id.to_string(), diff_id.hex(), size),
        )
    }

    /// Makes a layer's archive part of the store; of a layer without one, that of other images.
    fn place_blob(&self, blob: Option<&LayerBlob>, layer: LayerId) -> Result<Option<Digest>> {
        const KNOWN: &str =
            "SELECT blob FROM image_layers WHERE layer = ?1 AND blob IS NOT NULL LIMIT 1";
        match blob {
            Some(LayerBlob::Staged(blob)) => {
                blobs::publish(self.transaction, self.root, blob)?;
                Ok(Some(blob.digest()))
            }
            Some(LayerBlob::Stored(digest)) if blobs::exists(self.transaction, *digest)? => {
                Ok(Some(*digest))
            }
            Some(LayerBlob::Stored(digest)) => Err(Error::new(
                ErrorKind::NotFound,
                OPERATION,
                digest.to_string(),
                "no such blob",
            )),
            None => {
                let known = image_rows::digests(self.transaction, KNOWN, [layer.to_string()])?;
                Ok(known.first().copied())
            }
        }
    }

    fn insert_layer(&self, position: i64, id: LayerId, blob: Option<Digest>) -> Result<()> {
        self.execute(
            "INSERT INTO image_layers (image, position, layer, blob) VALUES (?1, ?2, ?3, ?4)
             ON CONFLICT (image, position) DO UPDATE SET blob = COALESCE(excluded.blob, blob)",
            (
                self.id.0.hex(),
                position,
                id.to_string(),
                blob.map(|digest| digest.hex()),
            ),
        )
    }

    fn insert_digests(&self, import: &ImageImport) -> Result<()> {
        let Some(manifest) = &import.manifest else {
            return Ok(());
        };
        let digest = Digest::of(manifest).hex();
        import.repositories.iter().try_for_each(|name| {
            self.execute(
                "INSERT OR REPLACE INTO digests (repository, digest, image) VALUES (?1, ?2, ?3)",
                [name.full_repository(), digest.clone(), self.id.0.hex()],
            )
        })
    }

    fn execute(&self, sql: &str, parameters: impl rusqlite::Params) -> Result<()> {
        self.transaction
            .execute(sql, parameters)
            .map(drop)
            .map_err(|error| Error::database(OPERATION, self.id.to_string(), error))
    }
}
