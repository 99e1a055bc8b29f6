//! Images as the database's rows.

use porthole_oci::{Digest, ImageConfig, ImageId, LayerId, Reference};
use rusqlite::{Connection, OptionalExtension, Row};

use crate::error::{Error, ErrorKind, Result};
use crate::images::{Image, ImageLayer};
use crate::lineage;
use crate::root::DataRoot;
use crate::substituted;

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

pub(crate) fn image_ids(
    connection: &Connection,
    sql: &str,
    parameters: impl rusqlite::Params,
) -> Result<Vec<ImageId>> {
    Ok(digests(connection, sql, parameters)?
        .into_iter()
        .map(ImageId)
        .collect())
}

pub(crate) fn find(connection: &Connection, text: &str) -> Result<ImageId> {
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
    Err(missing(OPERATION, &reference?.to_string()))
}

/// The image that a name with tag or digest belongs to.
pub(crate) fn tagged(connection: &Connection, name: &Reference) -> Result<Option<ImageId>> {
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

pub(crate) fn load(connection: &Connection, root: &DataRoot, id: ImageId) -> Result<Image> {
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
        base: substituted::of(connection, id)?,
        parent: lineage::parent(connection, id)?,
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

pub(crate) fn tags_of(connection: &Connection, id: ImageId) -> Result<Vec<Reference>> {
    let sql = "SELECT repository, tag FROM tags WHERE image = ?1 ORDER BY repository, tag";
    names(connection, sql, id, |row| {
        Ok(Reference::from_parts(
            &row.get::<_, String>(0)?,
            Some(row.get(1)?),
            None,
        ))
    })
}

pub(crate) fn digests_of(connection: &Connection, id: ImageId) -> Result<Vec<Reference>> {
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

pub(crate) fn column<T: rusqlite::types::FromSql>(
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

pub(crate) fn missing(operation: &'static str, subject: &str) -> Error {
    let shown: String = subject.chars().take(300).collect();
    Error::new(ErrorKind::NotFound, operation, shown, "no such image")
}
