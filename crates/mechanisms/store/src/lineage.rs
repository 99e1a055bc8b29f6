//! Which image was made from which, and where blobs are known to be.

use porthole_oci::{Digest, ImageId, Reference};
use rusqlite::{Connection, Transaction};

use crate::error::{Error, Result};
use crate::image_rows::image_ids;
use crate::store::Store;

impl Store {
    /// The images that were made from `image` here: committed containers, steps of builds.
    ///
    /// # Errors
    /// A failure of the database.
    pub fn children(&self, image: ImageId) -> Result<Vec<ImageId>> {
        let sql = "SELECT image FROM parents WHERE parent = ?1 ORDER BY image";
        image_ids(&self.connection(), sql, [image.0.hex()])
    }

    /// The repositories in which a registry is known to have a blob, for pushes that need not send
    /// it. A registry may have removed it since.
    ///
    /// # Errors
    /// A failure of the database.
    pub fn blob_sources(&self, blob: Digest) -> Result<Vec<Reference>> {
        let failed = |error| Error::database("list repositories of blob", blob.to_string(), error);
        let connection = self.connection();
        let mut query = connection
            .prepare_cached(
                "SELECT repository FROM blob_sources WHERE digest = ?1 ORDER BY repository",
            )
            .map_err(failed)?;
        let names = query
            .query_map([blob.hex()], |row| row.get::<_, String>(0))
            .map_err(failed)?;
        names
            .map(|name| Ok(Reference::from_parts(&name.map_err(failed)?, None, None)))
            .collect()
    }

    /// Remembers that the registry has a blob in this repository. It is forgotten with the blob.
    ///
    /// # Errors
    /// A failure of the database.
    pub fn note_blob_source(&self, blob: Digest, repository: &Reference) -> Result<()> {
        self.write(
            "note repository of blob",
            &blob.to_string(),
            |transaction| insert_source(transaction, blob, repository),
        )
    }

    /// Forgets that the registry has a blob in this repository, for it has not.
    ///
    /// # Errors
    /// A failure of the database.
    pub fn forget_blob_source(&self, blob: Digest, repository: &Reference) -> Result<()> {
        self.connection()
            .prepare_cached("DELETE FROM blob_sources WHERE digest = ?1 AND repository = ?2")
            .and_then(|mut statement| statement.execute([blob.hex(), repository.full_repository()]))
            .map(drop)
            .map_err(|error| Error::database("forget repository of blob", blob.to_string(), error))
    }
}

pub(crate) fn insert_source(
    transaction: &Transaction<'_>,
    blob: Digest,
    repository: &Reference,
) -> Result<()> {
    transaction
        .execute(
            "INSERT OR IGNORE INTO blob_sources (digest, repository) VALUES (?1, ?2)",
            [blob.hex(), repository.full_repository()],
        )
        .map(drop)
        .map_err(|error| Error::database("note repository of blob", blob.to_string(), error))
}

/// The image that an image was made from here; it may be gone.
pub(crate) fn parent(connection: &Connection, image: ImageId) -> Result<Option<ImageId>> {
    let sql = "SELECT parent FROM parents WHERE image = ?1";
    Ok(image_ids(connection, sql, [image.0.hex()])?
        .first()
        .copied())
}

pub(crate) fn insert_parent(
    transaction: &Transaction<'_>,
    image: ImageId,
    parent: ImageId,
) -> Result<()> {
    transaction
        .execute(
            "INSERT OR REPLACE INTO parents (image, parent) VALUES (?1, ?2)",
            [image.0.hex(), parent.0.hex()],
        )
        .map(drop)
        .map_err(|error| Error::database("import image", image.to_string(), error))
}
