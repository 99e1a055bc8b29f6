//! Images: finding, tagging and removing them.

use std::path::PathBuf;

use rusqlite::{Connection, OptionalExtension, Row, Transaction};

use crate::config::ImageConfig;
use crate::digest::{Digest, ImageId, LayerId};
use crate::error::{Error, ErrorKind, Result};
use crate::reference::Reference;
use crate::removal::MovedAside;
use crate::root::DataRoot;
use crate::store::Store;

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
    /// Its layers, base first.
    pub layers: Vec<ImageLayer>,
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
        const OPERATION: &str = "remove image";
        let mut aside = MovedAside::default();
        let removed = self.write(OPERATION, &id.to_string(), |transaction| {
            let mut layers = layer_ids(transaction, id)?;
            let mut names = tags_of(transaction, id)?;
            names.append(&mut digests_of(transaction, id)?);
            transaction
                .execute("DELETE FROM images WHERE id = ?1", [id.0.hex()])
                .map_err(|error| Error::database(OPERATION, id.to_string(), error))?;
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
    for layer in digests(transaction, LAYERS, [])? {
        aside.add(&root.layer(LayerId(layer)))?;
        aside.add(&root.registry(LayerId(layer)))?;
    }
    for blob in digests(transaction, BLOBS, [])? {
        aside.add(&root.blob(blob))?;
    }
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
        .map_err(|error| Error::database("tag image", name.to_string(), error))?;
    Ok(())
}

/// The layers of an image, base first; an error when there is no such image.
pub(crate) fn layer_ids(connection: &Connection, id: ImageId) -> Result<Vec<LayerId>> {
    let known = "SELECT id FROM images WHERE id = ?1";
    if image_ids(connection, known, [id.0.hex()])?.is_empty() {
        return Err(missing("find image", &id.to_string()));
    }
    let layers = "SELECT layer FROM image_layers WHERE image = ?1 ORDER BY position";
    Ok(digests(connection, layers, [id.0.hex()])?
        .into_iter()
        .map(LayerId)
        .collect())
}

pub(crate) fn layer_exists(connection: &Connection, id: LayerId) -> Result<bool> {
    Ok(!digests(
        connection,
        "SELECT id FROM layers WHERE id = ?1",
        [id.to_string()],
    )?
    .is_empty())
}

/// The digest in a column of hexadecimal text.
pub(crate) fn hex_column(row: &Row<'_>, index: usize) -> rusqlite::Result<Digest> {
    let text: String = row.get(index)?;
    Digest::from_hex(&text).map_err(|error| {
        rusqlite::Error::FromSqlConversionFailure(index, rusqlite::types::Type::Text, error.into())
    })
}

/// The digests in the first column of a query's rows.
pub(crate) fn digests(
    connection: &Connection,
    sql: &str,
    parameters: impl rusqlite::Params,
) -> Result<Vec<Digest>> {
    let failed = |error| Error::database("query", sql, error);
    let mut query = connection.prepare_cached(sql).map_err(failed)?;
    let rows = query
        .query_map(parameters, |row| hex_column(row, 0))
        .map_err(failed)?;
    rows.collect::<rusqlite::Result<_>>().map_err(failed)
}

fn image_ids(
    connection: &Connection,
    sql: &str,
    parameters: impl rusqlite::Params,
) -> Result<Vec<ImageId>> {
    Ok(digests(connection, sql, parameters)?
        .into_iter()
        .map(ImageId)
        .collect())
}

fn find(connection: &Connection, text: &str) -> Result<ImageId> {
    const OPERATION: &str = "find image";
    let hex = text.strip_prefix("sha256:").unwrap_or(text);
    if let Ok(digest) = Digest::from_hex(hex) {
        let by_id = image_ids(
            connection,
            "SELECT id FROM images WHERE id = ?1",
            [digest.hex()],
        )?;
        return by_id
            .first()
            .copied()
            .ok_or_else(|| missing(OPERATION, text));
    }
    let reference = text.parse::<Reference>().map(Reference::or_latest);
    if let Ok(reference) = &reference
        && let Some(image) = tagged(connection, reference)?
    {
        return Ok(image);
    }
    let is_hex = |text: &str| {
        text.bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
    };
    if !hex.is_empty() && hex.len() < 64 && is_hex(hex) {
        // `g` follows every hexadecimal digit.
        let sql = "SELECT id FROM images WHERE id >= ?1 AND id < ?1 || 'g' LIMIT 2";
        match image_ids(connection, sql, [hex])?.as_slice() {
            [] => {}
            [image] => return Ok(*image),
            _ => {
                return Err(Error::new(
                    ErrorKind::Ambiguous,
                    OPERATION,
                    text,
                    "several images begin so",
                ));
            }
        }
        return Err(missing(OPERATION, text));
    }
    reference.and_then(|reference| Err(missing(OPERATION, &reference.to_string())))
}

/// The image that a name with tag or digest belongs to.
fn tagged(connection: &Connection, name: &Reference) -> Result<Option<ImageId>> {
    let repository = name.full_repository();
    let images = match (name.digest(), name.tag()) {
        (Some(digest), _) => image_ids(
            connection,
            "SELECT image FROM digests WHERE repository = ?1 AND digest = ?2",
            [repository, digest.hex()],
        )?,
        (None, Some(tag)) => image_ids(
            connection,
            "SELECT image FROM tags WHERE repository = ?1 AND tag = ?2",
            [repository.as_str(), tag],
        )?,
        (None, None) => Vec::new(),
    };
    Ok(images.first().copied())
}

fn load(connection: &Connection, root: &DataRoot, id: ImageId) -> Result<Image> {
    let failed = |error| Error::database("read image", id.to_string(), error);
    let row = connection
        .prepare_cached("SELECT config, manifest_digest, imported FROM images WHERE id = ?1")
        .and_then(|mut query| {
            query
                .query_row([id.0.hex()], |row| {
                    let manifest_digest = match row.get_ref(1)? {
                        rusqlite::types::ValueRef::Null => None,
                        _ => Some(hex_column(row, 1)?),
                    };
                    Ok((row.get::<_, Vec<u8>>(0)?, manifest_digest, row.get(2)?))
                })
                .optional()
        })
        .map_err(failed)?;
    let (config, manifest_digest, imported) =
        row.ok_or_else(|| missing("read image", &id.to_string()))?;
    Ok(Image {
        id,
        config: ImageConfig::parse(&config)?,
        manifest_digest,
        tags: tags_of(connection, id)?,
        digests: digests_of(connection, id)?,
        layers: layers_of(connection, root, id)?,
        imported,
    })
}

fn layers_of(connection: &Connection, root: &DataRoot, id: ImageId) -> Result<Vec<ImageLayer>> {
    const SQL: &str = "SELECT layers.id, diff_id, size, blob FROM image_layers
        JOIN layers ON layers.id = layer WHERE image = ?1 ORDER BY position";
    let failed = |error| Error::database("read layers of image", id.to_string(), error);
    let mut query = connection.prepare_cached(SQL).map_err(failed)?;
    let rows = query
        .query_map([id.0.hex()], |row| {
            let layer = LayerId(hex_column(row, 0)?);
            let has_blob = !matches!(row.get_ref(3)?, rusqlite::types::ValueRef::Null);
            Ok(ImageLayer {
                id: layer,
                diff_id: hex_column(row, 1)?,
                size: row.get::<_, i64>(2)?.unsigned_abs(),
                blob: has_blob.then(|| hex_column(row, 3)).transpose()?,
                directory: root.layer(layer),
            })
        })
        .map_err(failed)?;
    rows.collect::<rusqlite::Result<_>>().map_err(failed)
}

fn tags_of(connection: &Connection, id: ImageId) -> Result<Vec<Reference>> {
    let sql = "SELECT repository, tag FROM tags WHERE image = ?1 ORDER BY repository, tag";
    names(connection, sql, id, |row| {
        Ok(Reference::from_parts(
            &row.get::<_, String>(0)?,
            Some(row.get(1)?),
            None,
        ))
    })
}

fn digests_of(connection: &Connection, id: ImageId) -> Result<Vec<Reference>> {
    let sql = "SELECT repository, digest FROM digests WHERE image = ?1 ORDER BY repository, digest";
    names(connection, sql, id, |row| {
        Ok(Reference::from_parts(
            &row.get::<_, String>(0)?,
            None,
            Some(hex_column(row, 1)?),
        ))
    })
}

fn names(
    connection: &Connection,
    sql: &str,
    id: ImageId,
    read: impl FnMut(&Row<'_>) -> rusqlite::Result<Reference>,
) -> Result<Vec<Reference>> {
    let failed = |error| Error::database("read names of image", id.to_string(), error);
    let mut query = connection.prepare_cached(sql).map_err(failed)?;
    let rows = query.query_map([id.0.hex()], read).map_err(failed)?;
    rows.collect::<rusqlite::Result<_>>().map_err(failed)
}

fn column<T: rusqlite::types::FromSql>(
    connection: &Connection,
    sql: &str,
    id: ImageId,
) -> Result<T> {
    connection
        .prepare_cached(sql)
        .and_then(|mut query| query.query_row([id.0.hex()], |row| row.get(0)).optional())
        .map_err(|error| Error::database("read image", id.to_string(), error))?
        .ok_or_else(|| missing("read image", &id.to_string()))
}

fn missing(operation: &'static str, subject: &str) -> Error {
    let shown: String = subject.chars().take(300).collect();
    Error::new(ErrorKind::NotFound, operation, shown, "no such image")
}
