//! Blobs that are part of the store.

use std::fs::File;
use std::io::Read;

use porthole_oci::Digest;
use rusqlite::{Connection, OptionalExtension, Transaction};
use sha2::Digest as _;

use crate::error::{Error, ErrorKind, IoContext, Result};
use crate::root::DataRoot;
use crate::staging::StagedBlob;
use crate::store::Store;

/// A blob of the store, open for reading.
#[derive(Debug)]
pub struct Blob {
    /// Its digest.
    pub digest: Digest,
    /// How many bytes it has.
    pub size: u64,
    /// Its bytes.
    pub file: File,
}

impl Store {
    /// Opens a blob.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`], or a failure of file system or database.
    pub fn open_blob(&self, digest: Digest) -> Result<Blob> {
        if !exists(&self.connection(), digest)? {
            return Err(Error::new(
                ErrorKind::NotFound,
                "open blob",
                digest.to_string(),
                "the store has no such blob",
            ));
        }
        let path = self.root().blob(digest);
        let file = File::open(&path).at("open blob", &path)?;
        let size = file.metadata().at("open blob", &path)?.len();
        Ok(Blob { digest, size, file })
    }

    /// Reads a blob and checks every byte of it against its digest.
    ///
    /// # Errors
    /// [`ErrorKind::DigestMismatch`], and those of [`Store::open_blob`].
    pub fn verify_blob(&self, digest: Digest) -> Result<()> {
        let mut blob = self.open_blob(digest)?;
        let mut hasher = sha2::Sha256::new();
        let mut buffer = vec![0; 1 << 16];
        loop {
            let read = blob
                .file
                .read(&mut buffer)
                .at("verify blob", self.root().blob(digest))?;
            if read == 0 {
                break;
            }
            hasher.update(&buffer[..read]);
        }
        let found = Digest::from_bytes(hasher.finalize().into());
        if found != digest {
            return Err(Error::new(
                ErrorKind::DigestMismatch,
                "verify blob",
                digest.to_string(),
                format!("the bytes on disk have the digest {found}"),
            ));
        }
        Ok(())
    }
}

pub(crate) fn exists(connection: &Connection, digest: Digest) -> Result<bool> {
    let failed = |error| Error::database("look up blob", digest.to_string(), error);
    let mut query = connection
        .prepare_cached("SELECT 1 FROM blobs WHERE digest = ?1")
        .map_err(failed)?;
    let found = query
        .query_row([digest.hex()], |_| Ok(()))
        .optional()
        .map_err(failed)?;
    Ok(found.is_some())
}

/// Makes a staged blob part of the store, as part of a transaction. One that is there already is
/// left alone.
pub(crate) fn publish(
    transaction: &Transaction<'_>,
    root: &DataRoot,
    blob: &StagedBlob,
) -> Result<()> {
    let digest = blob.digest();
    if exists(transaction, digest)? {
        return Ok(());
    }
    let path = root.blob(digest);
    std::fs::rename(blob.path(), &path).at("publish blob", &path)?;
    let failed = |error| Error::database("publish blob", digest.to_string(), error);
    let size = i64::try_from(blob.size())
        .map_err(|error| failed(rusqlite::Error::ToSqlConversionFailure(error.into())))?;
    transaction
        .execute(
            "INSERT INTO blobs (digest, size) VALUES (?1, ?2)",
            (digest.hex(), size),
        )
        .map_err(failed)?;
    Ok(())
}
