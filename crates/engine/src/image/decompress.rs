//! Archives from clients, which may be compressed.

use std::io::{self, Cursor, Read};

use flate2::read::MultiGzDecoder;
use porthole_layers::Compression;

use crate::error::{Error, Result};

const XZ: &[u8] = b"\xfd7zX";
const BZIP2: &[u8] = b"BZh";

/// What an archive holds, whatever it is compressed with.
///
/// # Errors
/// `InvalidParameter` for what it cannot be compressed with.
pub(crate) fn decompressed<'a>(
    mut archive: impl Read + Send + 'a,
) -> Result<Box<dyn Read + Send + 'a>> {
    let mut beginning = Vec::new();
    archive
        .by_ref()
        .take(4)
        .read_to_end(&mut beginning)
        .map_err(broken)?;
    if beginning.starts_with(XZ) || beginning.starts_with(BZIP2) {
        return Err(Error::invalid(
            "the archive is compressed with xz or bzip2: use gzip or zstd, or none",
        ));
    }
    let compression = Compression::of(&beginning);
    let archive = Cursor::new(beginning).chain(archive);
    Ok(match compression {
        Compression::Plain => Box::new(archive),
        Compression::Gzip => Box::new(MultiGzDecoder::new(archive)),
        Compression::Zstd => Box::new(zstd::Decoder::new(archive).map_err(broken)?),
    })
}

/// An archive that cannot be read.
pub(crate) fn broken(error: io::Error) -> Error {
    Error::invalid(format!("the archive cannot be read: {error}")).with_source(error)
}
