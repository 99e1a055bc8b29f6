//! Images: finding, tagging and removing them.

use std::path::PathBuf;
use std::time::{SystemTime, UNIX_EPOCH};

use porthole_oci::{Digest, ImageConfig, ImageId, LayerId, Reference};
use rusqlite::Transaction;

use crate::error::{Error, ErrorKind, Result};
use crate::image_rows::{
    column, digests, digests_of, find, image_ids, layer_exists, layer_ids, load, missing, tagged,
    tags_of,
};
use crate::removal::MovedAside;
use crate::root::DataRoot;
use crate::store::Store;
use crate::substituted::SubstitutedBase;

/// The values that say when an image got a name.
const LAST_TAGGED: &str = "image-last-tagged";

/// An image of the store.
#[derive(Debug, Clone, PartialEq)]
pub struct Image {
    /// Its ID.
    pub id: ImageId,
    /// Its configuration.
    pub config: ImageConfig,
    /// The digest of its manifest, when it has one.
    pub manifest_digest: Option<Digest>,
    /// Its names with tags, sorted.
    pub tags: Vec<Reference>,
    /// Its names with digests, sorted.
    pub digests: Vec<Reference>,
    /// Its layers that are here, base first.
    pub layers: Vec<ImageLayer>,
    /// What lies below its layers and is not here, for it is Microsoft's.
    pub base: Option<SubstitutedBase>,
    /// The image that it was made from here; it may be gone.
    pub parent: Option<ImageId>,
    /// When it came into the store: nanoseconds since 1970-01-01 UTC.
    pub imported: i64,
}

impl Image {
    /// Bytes of all unpacked layers.
    #[must_use]
    pub fn size(&self) -> u64 {
        self.layers.iter().map(|layer| layer.size).sum()
    }
}

/// A layer of an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageLayer {
    /// Its ID.
    pub id: LayerId,
    /// The digest of its uncompressed archive.
    pub diff_id: Digest,
    /// Bytes, unpacked.
    pub size: u64,
    /// Its archive as the image's manifest names it, when the store has it.
    pub blob: Option<Digest>,
    /// Its directory.
    pub directory: PathBuf,
}

/// What became of an image that lost a tag.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Untagged {
    /// The image.
    pub image: ImageId,
    /// How many names it still has.
    pub remaining: usize,
}

/// What went with an image.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RemovedImage {
    /// The names that it had, tags first.
    pub names: Vec<Reference>,
    /// Layers that nothing else needed, the topmost first.
    pub layers: Vec<LayerId>,
}

const REMOVE: &str = "remove image";

impl Store {
    /// All images, the last imported first.
    ///
    /// # Errors
    /// A failure of the database.
    pub fn images(&self) -> Result<Vec<Image>> {
        let connection = self.connection();
        let ids = image_ids(
            &connection,
            "SELECT id FROM images ORDER BY imported DESC, id",
            [],
        )?;
        ids.into_iter()
            .map(|id| load(&connection, self.root(), id))
            .collect()
    }

    /// The image with this ID.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`], or a failure of the database.
    pub fn image(&self, id: ImageId) -> Result<Image> {
        load(&self.connection(), self.root(), id)
    }

    /// The image that `text` names: an ID, a digest of its manifest behind its repository, a tag
    /// (`latest` when none is given), or the beginning of an ID, in this order.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`], [`ErrorKind::Ambiguous`] for a short ID of several,
    /// [`ErrorKind::Invalid`] when `text` can name no image, or a failure of the database.
    pub fn find_image(&self, text: &str) -> Result<Image> {
        let connection = self.connection();
        let id = find(&connection, text)?;
        load(&connection, self.root(), id)
    }

    /// An image's configuration, byte for byte.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`], or a failure of the database.
    pub fn image_config(&self, id: ImageId) -> Result<Vec<u8>> {
        column(
            &self.connection(),
            "SELECT config FROM images WHERE id = ?1",
            id,
        )
    }

    /// An image's manifest, byte for byte, when it has one.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`], or a failure of the database.
    pub fn image_manifest(&self, id: ImageId) -> Result<Option<Vec<u8>>> {
        column(
            &self.connection(),
            "SELECT manifest FROM images WHERE id = ?1",
            id,
        )
    }

    /// Gives an image a name; returns the image that had it before, if another.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`], [`ErrorKind::Invalid`] for a reference without a tag, or a failure
    /// of the database.
    pub fn tag(&self, image: ImageId, name: &Reference) -> Result<Option<ImageId>> {
        self.write("tag image", &name.to_string(), |transaction| {
            layer_ids(transaction, image)?;
            let before = tagged(transaction, name)?;
            set_tag(transaction, image, name)?;
            Ok(before.filter(|before| *before != image))
        })
    }

    /// Gives an image the name under which a registry has it by digest: that of its manifest, or of
    /// an index that leads to it.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`], [`ErrorKind::Invalid`] for a reference without a digest, or a failure
    /// of the database.
    pub fn name_by_digest(&self, image: ImageId, name: &Reference) -> Result<()> {
        const OPERATION: &str = "name image by digest";
        let subject = name.to_string();
        let Some(digest) = name.digest() else {
            let message = "a name needs a digest";
            return Err(Error::new(ErrorKind::Invalid, OPERATION, subject, message));
        };
        self.write(OPERATION, &subject, |transaction| {
            layer_ids(transaction, image)?;
            transaction
                .execute(
                    "INSERT OR REPLACE INTO digests (repository, digest, image) VALUES (?1, ?2, ?3)",
                    [name.full_repository(), digest.hex(), image.0.hex()],
                )
                .map(drop)
                .map_err(|error| Error::database(OPERATION, &subject, error))
        })
    }

    /// When an image got a name with a tag last: nanoseconds since 1970-01-01 UTC.
    ///
    /// # Errors
    /// A failure of the database.
    pub fn last_tagged(&self, image: ImageId) -> Result<Option<i64>> {
        let value = self.value(LAST_TAGGED, &image.0.hex())?;
        let value = value.and_then(|value| value.try_into().ok());
        Ok(value.map(i64::from_le_bytes))
    }

    /// Whether a layer is here.
    ///
    /// # Errors
    /// A failure of the database.
    pub fn has_layer(&self, layer: LayerId) -> Result<bool> {
        layer_exists(&self.connection(), layer)
    }

    /// Takes a name, with tag or with digest, from its image; the image stays.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`], or a failure of the database.
    pub fn untag(&self, name: &Reference) -> Result<Untagged> {
        const OPERATION: &str = "untag image";
        let subject = name.to_string();
        self.write(OPERATION, &subject, |transaction| {
            let failed = |error| Error::database(OPERATION, &subject, error);
            let image = tagged(transaction, name)?.ok_or_else(|| missing(OPERATION, &subject))?;
            let repository = name.full_repository();
            match name.digest() {
                Some(digest) => transaction.execute(
                    "DELETE FROM digests WHERE repository = ?1 AND digest = ?2",
                    [repository, digest.hex()],
                ),
                None => transaction.execute(
                    "DELETE FROM tags WHERE repository = ?1 AND tag = ?2",
                    [repository, name.tag().unwrap_or_default().to_owned()],
                ),
            }
            .map_err(failed)?;
            let remaining =
                tags_of(transaction, image)?.len() + digests_of(transaction, image)?.len();
            Ok(Untagged { image, remaining })
        })
    }

    /// Removes an image with all its names, and its layers and blobs that nothing else needs. A
    /// container keeps the layers that it was made from; whether one forbids the removal is for
    /// the caller to say.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`], or a failure of file system or database; then the image is still
    /// there.
    pub fn remove_image(&self, id: ImageId) -> Result<RemovedImage> {
        self.remove(id, |_| Ok(()))
    }

    /// The same, unless a container was made from it.
    ///
    /// # Errors
    /// Those of [`Self::remove_image`], and [`ErrorKind::InUse`].
    pub fn remove_unused_image(&self, id: ImageId) -> Result<RemovedImage> {
        self.remove(id, |transaction| {
            let users = "SELECT EXISTS (SELECT 1 FROM containers WHERE image = ?1)";
            let is_used = transaction
                .query_row(users, [id.0.hex()], |row| row.get(0))
                .map_err(|error| Error::database(REMOVE, id.to_string(), error))?;
            match is_used {
                true => Err(Error::new(
                    ErrorKind::InUse,
                    REMOVE,
                    id.to_string(),
                    "a container was made from it",
                )),
                false => Ok(()),
            }
        })
    }

    fn remove(
        &self,
        id: ImageId,
        check: impl FnOnce(&Transaction<'_>) -> Result<()>,
    ) -> Result<RemovedImage> {
        let mut aside = MovedAside::default();
        let removed = self.write(REMOVE, &id.to_string(), |transaction| {
            check(transaction)?;
            let mut layers = layer_ids(transaction, id)?;
            let mut names = tags_of(transaction, id)?;
            names.append(&mut digests_of(transaction, id)?);
            transaction
                .execute("DELETE FROM images WHERE id = ?1", [id.0.hex()])
                .and_then(|_| {
                    let sql = "DELETE FROM entries WHERE namespace = ?1 AND key = ?2";
                    transaction.execute(sql, [LAST_TAGGED, &id.0.hex()])
                })
                .map_err(|error| Error::database(REMOVE, id.to_string(), error))?;
            remove_unreferenced(transaction, self.root(), &mut aside)?;
            layers.reverse();
            let mut gone = Vec::new();
            for layer in layers {
                if !layer_exists(transaction, layer)? {
                    gone.push(layer);
                }
            }
            Ok(RemovedImage {
                names,
                layers: gone,
            })
        })?;
        aside.delete();
        Ok(removed)
    }

    /// The layers that a container keeps in the store, base first: those of its image, which may
    /// itself be gone.
    ///
    /// # Errors
    /// A failure of the database.
    pub fn container_layers(&self, id: &str) -> Result<Vec<LayerId>> {
        crate::containers::layers_of(&self.connection(), id)
    }
}

/// Forgets the layers and blobs that nothing refers to, and moves their files aside.
pub(crate) fn remove_unreferenced(
    transaction: &Transaction<'_>,
    root: &DataRoot,
    aside: &mut MovedAside,
) -> Result<()> {
    const LAYERS: &str = "DELETE FROM layers WHERE id NOT IN (SELECT layer FROM image_layers)
        AND id NOT IN (SELECT layer FROM container_layers) RETURNING id";
    const BLOBS: &str = "DELETE FROM blobs WHERE digest NOT IN
        (SELECT blob FROM image_layers WHERE blob IS NOT NULL) RETURNING digest";
    const SOURCES: &str = "DELETE FROM blob_sources WHERE digest NOT IN (SELECT digest FROM blobs)
        AND digest NOT IN (SELECT digest FROM substituted_layers WHERE digest IS NOT NULL)";
    for layer in digests(transaction, LAYERS, [])? {
        aside.add(&root.layer(LayerId(layer)))?;
        for registry in root.registries_of(LayerId(layer))? {
            aside.add(&registry)?;
        }
    }
    for blob in digests(transaction, BLOBS, [])? {
        aside.add(&root.blob(blob))?;
    }
    transaction
        .execute(SOURCES, [])
        .map_err(|error| Error::database("remove unreferenced", "sources of blobs", error))?;
    Ok(())
}

pub(crate) fn set_tag(
    transaction: &Transaction<'_>,
    image: ImageId,
    name: &Reference,
) -> Result<()> {
    let Some(tag) = name.tag().filter(|_| name.digest().is_none()) else {
        return Err(Error::new(
            ErrorKind::Invalid,
            "tag image",
            name.to_string(),
            "a name needs a tag and no digest",
        ));
    };
    transaction
        .execute(
            "INSERT OR REPLACE INTO tags (repository, tag, image) VALUES (?1, ?2, ?3)",
            [name.full_repository(), tag.to_owned(), image.0.hex()],
        )
        .and_then(|_| {
            let now = SystemTime::now()
                .duration_since(UNIX_EPOCH)
                .unwrap_or_default();
            let now = i64::try_from(now.as_nanos()).unwrap_or(i64::MAX);
            transaction.execute(
                "INSERT OR REPLACE INTO entries (namespace, key, value) VALUES (?1, ?2, ?3)",
                (LAST_TAGGED, image.0.hex(), now.to_le_bytes()),
            )
        })
        .map_err(|error| Error::database("tag image", name.to_string(), error))?;
    Ok(())
}
