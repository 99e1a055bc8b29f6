//! From a blob back to the archive that it is.

use std::io::{self, Write};

use porthole_store::{Blob, Digest};

use crate::compression::detect;
use crate::error::{Failure, Result};
use crate::intake::check;
use crate::metered::Metered;

/// Writes a blob of the store as the archive that it is, uncompressed.
///
/// # Errors
/// [`DigestMismatch`](crate::ErrorKind::DigestMismatch) when it is not the archive of this digest, after it was written; a
/// failure of the store or of `output`.
pub fn write_plain(blob: Blob, diff_id: Digest, output: impl Write) -> Result<u64> {
    let name = blob.digest.to_string();
    let failed = |error: io::Error| Failure::io("write the archive", error).of(&name, None);
    let (compression, file) = detect(blob.file).map_err(failed)?;
    let mut plain = compression.decoder(file).map_err(failed)?;
    let mut metered = Metered::new(output, u64::MAX);
    io::copy(&mut plain, &mut metered).map_err(failed)?;
    metered.flush().map_err(failed)?;
    let (found, size) = metered.finish();
    check(&name, "uncompressed archive", Some(diff_id), found)?;
    Ok(size)
}
