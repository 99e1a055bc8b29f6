//! From a stream to a blob and a directory, side by side.

use std::io::{self, Read, Write};
use std::path::{Path, PathBuf};

use flate2::{GzBuilder, write::GzEncoder};
use porthole_store::{
    BlobWriter, Digest, LayerBlob, LayerContents, LayerImport, StagedBlob, StagingDirectory, Store,
};

use crate::compression::{Compression, detect};
use crate::error::{Error, ErrorKind, Failure, Result};
use crate::limits::{Limits, SetAside};
use crate::pipe::{CHUNK, pipe};
use crate::settle::{settle, settle_with};
use crate::unpack::{Unpacked, prefer_cause, unpack_plain};

/// How hard a layer is compressed that comes without compression. Part of what makes the blob's
/// digest: another one gives other blobs for layers that are taken in anew.
const LEVEL: u32 = 4;

/// What is known of a layer before it comes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Expected {
    /// The digest of the stream.
    pub blob: Option<Digest>,
    /// The digest of the archive, uncompressed.
    pub diff_id: Option<Digest>,
    /// The most bytes that the stream may have; its size, where that is known.
    pub most_bytes: u64,
}

/// A layer that is on disk as blob and directory, and not yet part of the store; forgotten when
/// dropped.
#[derive(Debug)]
pub struct TakenLayer {
    name: String,
    staging: StagingDirectory,
    blob: LayerBlob,
    blob_size: u64,
    compression: Compression,
    unpacked: Unpacked,
}

impl TakenLayer {
    /// The digest of the archive, uncompressed.
    #[must_use]
    pub const fn diff_id(&self) -> Digest {
        self.unpacked.diff_id
    }

    /// The blob's digest.
    #[must_use]
    pub fn blob_digest(&self) -> Digest {
        self.blob.digest()
    }

    /// The blob's bytes.
    #[must_use]
    pub const fn blob_size(&self) -> u64 {
        self.blob_size
    }

    /// What the blob is compressed with.
    #[must_use]
    pub const fn compression(&self) -> Compression {
        self.compression
    }

    /// Bytes of files.
    #[must_use]
    pub const fn size(&self) -> u64 {
        self.unpacked.size
    }

    /// What is in the blob only.
    #[must_use]
    pub const fn set_aside(&self) -> &SetAside {
        &self.unpacked.set_aside
    }

    /// The layer's directory.
    #[must_use]
    pub fn directory(&self) -> PathBuf {
        directory_in(&self.staging)
    }

    /// Settles the layer on those below; see [`settle()`].
    ///
    /// # Errors
    /// As there.
    pub fn settle(&self, lowers: &[&Path]) -> Result<()> {
        settle(
            &self.name,
            &self.directory(),
            &self.unpacked.unsettled,
            lowers,
        )
    }

    /// As [`settle()`](Self::settle), of a layer that was made for another base than the one below, which
    /// may lack files: hard links to those are left out. Returns how many.
    ///
    /// # Errors
    /// A failure of the file system.
    pub fn settle_on_another_base(&self, lowers: &[&Path]) -> Result<usize> {
        let mut left_out = 0;
        let (directory, unsettled) = (self.directory(), &self.unpacked.unsettled);
        settle_with(&self.name, &directory, unsettled, lowers, |_| {
            left_out += 1;
            Ok(())
        })?;
        Ok(left_out)
    }

    /// As [`settle()`](Self::settle), of a layer whose names come from the union of those below.
    pub(crate) fn settle_spelt(&mut self, lowers: &[&Path]) -> Result<()> {
        self.unpacked.unsettled.is_spelt = true;
        self.settle(lowers)
    }

    /// The layer as a part of an image to import, and what has to live until that is done.
    #[must_use]
    pub fn into_import(self) -> (LayerImport, StagingDirectory) {
        let contents = LayerContents::Unpacked {
            directory: directory_in(&self.staging),
            size: self.unpacked.size,
        };
        let import = LayerImport {
            contents,
            blob: Some(self.blob),
        };
        (import, self.staging)
    }
}

fn directory_in(staging: &StagingDirectory) -> PathBuf {
    staging.path().join("layer")
}

/// Takes a layer in while it streams: writes its blob and hashes it, decompresses it and hashes that,
/// and unpacks it, each on a thread of its own. `layer` is what errors call it.
///
/// A stream that is not compressed becomes a gzip blob, always the same for the same bytes, so that
/// every later push sends what the first one did.
///
/// # Errors
/// Whatever is wrong with the layer, by entry; digests and sizes that are not as expected; a failure
/// of `source`, of the file system or of the store. Nothing is left then.
pub fn take_in(
    store: &Store,
    layer: &str,
    source: impl Read + Send,
    expected: &Expected,
    limits: &Limits,
) -> Result<TakenLayer> {
    let of_source = |error: io::Error| {
        Error::layer(ErrorKind::Origin, layer, "cannot be received").with_source(error)
    };
    let (compression, source) = detect(source).map_err(of_source)?;
    let in_store = |error| of_store(layer, error);
    let staging = store.staging_directory().map_err(in_store)?;
    // Compressed anew, a blob can become a little larger than its source.
    let limit = expected
        .most_bytes
        .saturating_add(expected.most_bytes / 100)
        .saturating_add(1 << 16);
    let writer = store.blob_writer(limit).map_err(in_store)?;
    let directory = make_directory(layer, &staging)?;
    let (blob, unpacked) = run(
        layer,
        compression,
        source,
        writer,
        &directory,
        expected,
        limits,
    )?;
    check(
        layer,
        "uncompressed archive",
        expected.diff_id,
        unpacked.diff_id,
    )?;
    Ok(TakenLayer {
        name: layer.to_owned(),
        staging,
        blob_size: blob.size(),
        blob: LayerBlob::Staged(blob),
        compression: match compression {
            Compression::Plain => Compression::Gzip,
            other => other,
        },
        unpacked,
    })
}

/// Unpacks a blob that the store has, for a layer of another chain.
///
/// # Errors
/// As [`take_in`].
pub fn take_in_stored(
    store: &Store,
    blob: Digest,
    diff_id: Option<Digest>,
    limits: &Limits,
) -> Result<TakenLayer> {
    let name = blob.to_string();
    let in_store = |error| of_store(&name, error);
    let mut stored = store.open_blob(blob).map_err(in_store)?;
    let staging = store.staging_directory().map_err(in_store)?;
    let directory = make_directory(&name, &staging)?;
    let mut beginning = [0; 4];
    let compression = peek(&mut stored.file, &mut beginning)
        .map_err(|error| Failure::io("read the blob", error).of(&name, None))?;
    let unpacked = crate::unpack(&name, &mut stored.file, &directory, limits)?;
    check(&name, "uncompressed archive", diff_id, unpacked.diff_id)?;
    Ok(TakenLayer {
        name: name.clone(),
        staging,
        blob: LayerBlob::Stored(blob),
        blob_size: stored.size,
        compression,
        unpacked,
    })
}

fn run(
    layer: &str,
    compression: Compression,
    source: impl Read + Send,
    writer: BlobWriter,
    directory: &Path,
    expected: &Expected,
    limits: &Limits,
) -> Result<(StagedBlob, Unpacked)> {
    std::thread::scope(|scope| {
        let (to_decoder, from_source) = pipe();
        let (mut to_unpacker, plain) = pipe();
        let receiving =
            scope.spawn(move || receive(layer, compression, source, writer, to_decoder, expected));
        let decoding = scope.spawn(move || {
            let mut decoder = compression.decoder(from_source)?;
            io::copy(&mut decoder, &mut to_unpacker)?;
            // What follows the compressed archive is part of the blob all the same.
            drop(decoder);
            to_unpacker.finish()
        });
        let unpacked = unpack_plain(layer, plain, directory, limits);
        let decoded = decoding
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        let received = receiving
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        match (received, prefer_cause(layer, unpacked, decoded)) {
            (Ok(blob), Ok(unpacked)) => Ok((blob, unpacked)),
            // The others see no more than that the pipe broke.
            (Err(Received::Failed(error)), _) => Err(error),
            (_, Err(error)) => Err(error),
            (Err(Received::NobodyReads), Ok(_)) => Err(Error::layer(
                ErrorKind::Malformed,
                layer,
                "something follows the archive's end",
            )),
        }
    })
}

/// Why a stream was not received to its end.
enum Received {
    Failed(Error),
    NobodyReads,
}

/// Receives the stream: writes the blob and passes it on.
fn receive(
    layer: &str,
    compression: Compression,
    mut source: impl Read,
    writer: BlobWriter,
    mut passed_on: crate::pipe::Sender,
    expected: &Expected,
) -> Result<StagedBlob, Received> {
    let failed = |kind, message: &str, error: io::Error| {
        Received::Failed(Error::layer(kind, layer, message).with_source(error))
    };
    let mut sink = Sink::new(compression, writer);
    let mut buffer = vec![0; CHUNK];
    let mut size = 0_u64;
    loop {
        let read = match source.read(&mut buffer) {
            Ok(0) => break,
            Ok(read) => read,
            Err(error) if error.kind() == io::ErrorKind::Interrupted => continue,
            Err(error) => return Err(failed(ErrorKind::Origin, "cannot be received", error)),
        };
        size += read as u64;
        if size > expected.most_bytes {
            let message = format!("it has more than {} bytes", expected.most_bytes);
            return Err(Received::Failed(Error::layer(
                ErrorKind::TooLarge,
                layer,
                message,
            )));
        }
        sink.write_all(&buffer[..read]).map_err(|error| {
            Received::Failed(Failure::io("write the blob", error).of(layer, None))
        })?;
        passed_on
            .write_all(&buffer[..read])
            .map_err(|_| Received::NobodyReads)?;
    }
    passed_on.finish().map_err(|_| Received::NobodyReads)?;
    let writer = sink
        .finish()
        .map_err(|error| Received::Failed(Failure::io("write the blob", error).of(layer, None)))?;
    let expected = expected.blob.filter(|_| compression != Compression::Plain);
    writer
        .finish(expected)
        .map_err(|error| Received::Failed(of_store(layer, error)))
}

/// Where a blob's bytes go.
enum Sink {
    AsTheyAre(BlobWriter),
    Compressed(Box<GzEncoder<BlobWriter>>),
}

impl Sink {
    fn new(compression: Compression, writer: BlobWriter) -> Self {
        match compression {
            Compression::Plain => {
                let level = flate2::Compression::new(LEVEL);
                Self::Compressed(Box::new(GzBuilder::new().mtime(0).write(writer, level)))
            }
            _ => Self::AsTheyAre(writer),
        }
    }

    fn write_all(&mut self, bytes: &[u8]) -> io::Result<()> {
        match self {
            Self::AsTheyAre(writer) => writer.write_all(bytes),
            Self::Compressed(encoder) => encoder.write_all(bytes),
        }
    }

    fn finish(self) -> io::Result<BlobWriter> {
        match self {
            Self::AsTheyAre(writer) => Ok(writer),
            Self::Compressed(encoder) => encoder.finish(),
        }
    }
}

fn make_directory(layer: &str, staging: &StagingDirectory) -> Result<PathBuf> {
    let directory = directory_in(staging);
    std::fs::create_dir(&directory)
        .map_err(|error| Failure::io("make the layer's directory", error).of(layer, None))?;
    Ok(directory)
}

fn peek(file: &mut std::fs::File, beginning: &mut [u8]) -> io::Result<Compression> {
    use std::os::unix::fs::FileExt;
    let read = file.read_at(beginning, 0)?;
    Ok(Compression::of(&beginning[..read]))
}

pub(crate) fn check(
    layer: &str,
    what: &str,
    expected: Option<Digest>,
    found: Digest,
) -> Result<()> {
    match expected {
        Some(expected) if expected != found => {
            let message = format!("its {what} has the digest {found} instead of {expected}");
            Err(Error::layer(ErrorKind::DigestMismatch, layer, message))
        }
        _ => Ok(()),
    }
}

fn of_store(layer: &str, error: porthole_store::Error) -> Error {
    let kind = match error.kind() {
        porthole_store::ErrorKind::DigestMismatch => ErrorKind::DigestMismatch,
        porthole_store::ErrorKind::NoSpace => ErrorKind::NoSpace,
        _ => ErrorKind::Store,
    };
    let message = match kind {
        ErrorKind::DigestMismatch => "its blob is not the one that was promised",
        ErrorKind::NoSpace => "the file system is full",
        _ => "the image store failed",
    };
    Error::layer(kind, layer, message).with_source(error)
}
