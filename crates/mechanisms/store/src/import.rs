//! Bringing an image into the store, in one transaction.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use porthole_files::{sync_names, sync_tree};
use porthole_oci::{Digest, ImageConfig, ImageId, LayerId, Reference};
use rusqlite::Transaction;

use crate::blobs;
use crate::error::{Error, ErrorKind, IoContext, Result};
use crate::image_rows;
use crate::images;
use crate::recovery;
use crate::removal::MovedAside;
use crate::root::DataRoot;
use crate::staging::StagedBlob;
use crate::store::Store;

const OPERATION: &str = "import image";

/// An image to bring into the store.
#[derive(Debug)]
pub struct ImageImport {
    /// Its configuration, byte for byte; its digest becomes the image's ID.
    pub config: Vec<u8>,
    /// Its manifest, byte for byte, if it has one.
    pub manifest: Option<Vec<u8>>,
    /// Its layers, base first: as many as the configuration names.
    pub layers: Vec<LayerImport>,
    /// Names with tags that it gets; taken from the images that have them.
    pub tags: Vec<Reference>,
    /// Repositories in which its manifest was found (their tag and digest do not matter).
    pub repositories: Vec<Reference>,
}

/// A layer of an image to bring in.
#[derive(Debug)]
pub struct LayerImport {
    /// Where its files are.
    pub contents: LayerContents,
    /// Its archive, as the manifest names it.
    pub blob: Option<StagedBlob>,
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
    /// are on disk when this returns. Importing again what is there only adds names and blobs.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] when the layers are not those of the configuration,
    /// [`ErrorKind::NotFound`] for a layer that is not [`LayerContents::Present`] after all, or a
    /// failure of file system or database.
    pub fn import_image(&self, import: &ImageImport) -> Result<ImageId> {
        let id = ImageId(Digest::of(&import.config));
        let config = ImageConfig::parse(&import.config)?;
        let expected = config.rootfs.diff_ids.len();
        if import.layers.len() != expected {
            let message = format!(
                "{} layers for a configuration of {expected}",
                import.layers.len()
            );
            return Err(Error::new(
                ErrorKind::Invalid,
                OPERATION,
                id.to_string(),
                message,
            ));
        }
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

struct Importer<'a> {
    transaction: &'a Transaction<'a>,
    root: &'a DataRoot,
    id: ImageId,
    garbage: &'a mut MovedAside,
}

impl Importer<'_> {
    fn run(&mut self, import: &ImageImport, config: &ImageConfig) -> Result<()> {
        self.insert_image(import)?;
        let ids = config.layer_ids();
        let layers = import
            .layers
            .iter()
            .zip(ids.iter().zip(&config.rootfs.diff_ids));
        for (position, (layer, (id, diff_id))) in (0_i64..).zip(layers) {
            self.place_layer(&layer.contents, *id, *diff_id)?;
            if let Some(blob) = &layer.blob {
                blobs::publish(self.transaction, self.root, blob)?;
            }
            self.insert_layer(position, *id, layer.blob.as_ref().map(StagedBlob::digest))?;
        }
        import
            .tags
            .iter()
            .try_for_each(|name| images::set_tag(self.transaction, self.id, name))?;
        self.insert_digests(import)?;
        let directories = [self.root.layers(), self.root.blobs()];
        directories
            .iter()
            .try_for_each(|path| sync_names(path).at("sync directory", path))
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
             ON CONFLICT (id) DO UPDATE SET manifest = COALESCE(excluded.manifest, manifest),
                manifest_digest = COALESCE(excluded.manifest_digest, manifest_digest)",
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
