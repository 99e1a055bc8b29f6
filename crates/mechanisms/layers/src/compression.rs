//! What layers are compressed with.

use std::io::{self, Cursor, Read};

use flate2::read::MultiGzDecoder;

/// What an archive is compressed with, as its first bytes say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Nothing.
    Plain,
    /// gzip.
    Gzip,
    /// Zstandard.
    Zstd,
}

impl Compression {
    /// What the first bytes of an archive say.
    #[must_use]
    pub fn of(beginning: &[u8]) -> Self {
        match beginning {
            [0x1f, 0x8b, ..] => Self::Gzip,
            [0x28, 0xb5, 0x2f, 0xfd, ..] => Self::Zstd,
            // What decoders are to skip, in front of the first frame.
            [0x50..=0x5f, 0x2a, 0x4d, 0x18, ..] => Self::Zstd,
            _ => Self::Plain,
        }
    }

    /// Reads what is compressed so.
    pub(crate) fn decoder<'a>(
        self,
        input: impl Read + Send + 'a,
    ) -> io::Result<Box<dyn Read + Send + 'a>> {
        Ok(match self {
            Self::Plain => Box::new(input),
            Self::Gzip => Box::new(MultiGzDecoder::new(input)),
            Self::Zstd => Box::new(zstd::Decoder::new(input)?),
        })
    }
}

/// Bytes that tell.
const BEGINNING: u64 = 4;

/// Finds out what an archive is compressed with; gives it back with nothing taken away.
pub(crate) fn detect<R: Read + Send>(
    mut archive: R,
) -> io::Result<(Compression, impl Read + Send + use<R>)> {
    let mut beginning = Vec::new();
    archive
        .by_ref()
        .take(BEGINNING)
        .read_to_end(&mut beginning)?;
    let compression = Compression::of(&beginning);
    Ok((compression, Cursor::new(beginning).chain(archive)))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn unpacked(archive: &[u8]) -> io::Result<(Compression, Vec<u8>)> {
        let (compression, archive) = detect(archive)?;
        let mut bytes = Vec::new();
        compression.decoder(archive)?.read_to_end(&mut bytes)?;
        Ok((compression, bytes))
    }

    #[test]
    fn the_first_bytes_tell() {
        let text = b"Files/ and more".repeat(1000);
        let gzip = |text: &[u8]| {
            let mut bytes = Vec::new();
            let mut encoder = flate2::read::GzEncoder::new(text, flate2::Compression::fast());
            encoder.read_to_end(&mut bytes).unwrap();
            bytes
        };
        let zstd = |text: &[u8]| zstd::encode_all(text, 1).unwrap();
        assert_eq!(unpacked(&text).unwrap(), (Compression::Plain, text.clone()));
        // Several members make one archive.
        let twice = [gzip(&text[..100]), gzip(&text[100..])].concat();
        assert_eq!(unpacked(&twice).unwrap(), (Compression::Gzip, text.clone()));
        let twice = [zstd(&text[..100]), zstd(&text[100..])].concat();
        assert_eq!(unpacked(&twice).unwrap(), (Compression::Zstd, text.clone()));
        for cut in [&gzip(&text)[..30], &zstd(&text)[..12]] {
            assert!(unpacked(cut).is_err());
        }
        assert_eq!(unpacked(b"").unwrap(), (Compression::Plain, Vec::new()));
    }
}
