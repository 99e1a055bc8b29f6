//! Bases of Microsoft's that images stand on: they are neither fetched nor run, and a base of
//! Porthole's takes their place.

use porthole_oci::{Descriptor, Digest, ImageId, MicrosoftKind, Reference};
use rusqlite::{Connection, OptionalExtension, Row, Transaction};

use crate::error::{Error, Result};
use crate::image_rows::hex_column;

/// The leading layers of an image that are not in the store, for they are Microsoft's.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubstitutedBase {
    /// Which base it is.
    pub kind: MicrosoftKind,
    /// Where the image comes from, if it comes from a registry; its tag and digest do not matter.
    pub repository: Option<Reference>,
    /// The layers, the lowest first; at least one.
    pub layers: Vec<SubstitutedLayer>,
}

/// A layer that is not in the store.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SubstitutedLayer {
    /// The digest of its uncompressed archive.
    pub diff_id: Digest,
    /// What the image's manifest says of it, for a push; nothing where there is no manifest.
    pub descriptor: Option<Descriptor>,
}

const OPERATION: &str = "read base of image";

const fn name(kind: MicrosoftKind) -> &'static str {
    match kind {
        MicrosoftKind::Nanoserver => "nanoserver",
        MicrosoftKind::Servercore => "servercore",
    }
}

fn kind(name: &str) -> MicrosoftKind {
    match name {
        "nanoserver" => MicrosoftKind::Nanoserver,
        _ => MicrosoftKind::Servercore,
    }
}

/// Records the base of an image; one that is recorded already is replaced.
pub(crate) fn insert(
    transaction: &Transaction<'_>,
    image: ImageId,
    base: &SubstitutedBase,
) -> Result<()> {
    let failed = |error| Error::database("import image", image.to_string(), error);
    let repository = base.repository.as_ref().map(Reference::full_repository);
    transaction
        .execute(
            "INSERT INTO substituted_bases (image, kind, repository) VALUES (?1, ?2, ?3)
             ON CONFLICT (image) DO UPDATE SET repository = COALESCE(excluded.repository, repository)",
            (image.0.hex(), name(base.kind), repository),
        )
        .map_err(failed)?;
    for (position, layer) in (0_i64..).zip(&base.layers) {
        let descriptor = layer
            .descriptor
            .as_ref()
            .map(serde_json::to_string)
            .transpose()
            .map_err(|error| failed(rusqlite::Error::ToSqlConversionFailure(error.into())))?;
        let digest = layer
            .descriptor
            .as_ref()
            .map(|descriptor| descriptor.digest.hex());
        transaction
            .execute(
                "INSERT INTO substituted_layers (image, position, diff_id, digest, descriptor)
                 VALUES (?1, ?2, ?3, ?4, ?5)
                 ON CONFLICT (image, position) DO UPDATE SET
                    digest = COALESCE(excluded.digest, digest),
                    descriptor = COALESCE(excluded.descriptor, descriptor)",
                (
                    image.0.hex(),
                    position,
                    layer.diff_id.hex(),
                    digest,
                    descriptor,
                ),
            )
            .map_err(failed)?;
    }
    Ok(())
}

/// The base of an image, if it stands on one that is not here.
pub(crate) fn of(connection: &Connection, image: ImageId) -> Result<Option<SubstitutedBase>> {
    let failed = |error| Error::database(OPERATION, image.to_string(), error);
    let base: Option<(String, Option<String>)> = connection
        .prepare_cached("SELECT kind, repository FROM substituted_bases WHERE image = ?1")
        .and_then(|mut query| {
            query
                .query_row([image.0.hex()], |row| Ok((row.get(0)?, row.get(1)?)))
                .optional()
        })
        .map_err(failed)?;
    let Some((kind_name, repository)) = base else {
        return Ok(None);
    };
    let mut query = connection
        .prepare_cached(
            "SELECT diff_id, descriptor FROM substituted_layers WHERE image = ?1 ORDER BY position",
        )
        .map_err(failed)?;
    let layers = query
        .query_map([image.0.hex()], layer)
        .and_then(Iterator::collect::<rusqlite::Result<_>>)
        .map_err(failed)?;
    Ok(Some(SubstitutedBase {
        kind: kind(&kind_name),
        repository: repository.map(|name| Reference::from_parts(&name, None, None)),
        layers,
    }))
}

fn layer(row: &Row<'_>) -> rusqlite::Result<SubstitutedLayer> {
    let descriptor: Option<String> = row.get(1)?;
    let descriptor = descriptor
        .map(|text| serde_json::from_str(&text))
        .transpose()
        .map_err(|error| {
            let text = rusqlite::types::Type::Text;
            rusqlite::Error::FromSqlConversionFailure(1, text, Box::new(error))
        })?;
    Ok(SubstitutedLayer {
        diff_id: hex_column(row, 0)?,
        descriptor,
    })
}
