//! Archives that come compressed, told by how they begin.

use std::io::{self, BufReader, Cursor, Read};

use flate2::bufread::MultiGzDecoder;
use liblzma::bufread::XzDecoder;
use liblzma::stream::{CONCATENATED, Stream};
use porthole_protocol::archive::FailureKind;

use crate::error::{Context, Error, Result};

/// Bytes of memory that unpacking of one archive may take.
const MOST_MEMORY: u64 = 128 << 20;

/// The binary logarithm of the same, for zstd.
const WINDOW: u32 = 27;

/// The archive without compression.
pub(crate) fn unpacked<'a>(mut input: impl Read + 'a) -> Result<Box<dyn Read + 'a>> {
    let mut start = Vec::new();
    let read = input.by_ref().take(6).read_to_end(&mut start);
    read.at("read", "the archive")?;
    let kind = start.clone();
    let input = BufReader::new(Cursor::new(start).chain(input));
    Ok(match kind.as_slice() {
        [0x1f, 0x8b, 0x08, ..] => Box::new(MultiGzDecoder::new(input)),
        [0xfd, b'7', b'z', b'X', b'Z', 0] => {
            let decoder = Stream::new_stream_decoder(MOST_MEMORY, CONCATENATED);
            let decoder = decoder
                .map_err(io::Error::from)
                .at("unpack", "the archive")?;
            Box::new(XzDecoder::new_stream(input, decoder))
        }
        [0x28, 0xb5, 0x2f, 0xfd, ..] => {
            let decoder = zstd::stream::read::Decoder::with_buffer(input);
            let mut decoder = decoder.at("unpack", "the archive")?;
            decoder.window_log_max(WINDOW).at("unpack", "the archive")?;
            Box::new(decoder)
        }
        [b'B', b'Z', b'h', ..] => {
            return Err(Error::new(
                FailureKind::BadArchive,
                "archives that bzip2 has compressed are not supported: use gzip, xz or zstd",
            ));
        }
        _ => Box::new(input),
    })
}
