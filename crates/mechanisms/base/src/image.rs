//! Makes an image of a finished layer and brings it into the store.

use std::io::{self, Write};
use std::path::Path;
use std::str::FromStr;
use std::time::{Duration, SystemTime};

use flate2::{Compression, GzBuilder};
use porthole_store::{
    BlobWriter, Digest, HistoryEntry, ImageConfig, ImageId, ImageImport, LayerContents,
    LayerImport, Reference, RootFs, RunConfig, StagedBlob, Store,
};
use porthole_wine::{OsVersion, build};
use sha2::{Digest as _, Sha256};

use crate::error::{Error, ErrorKind, Result};
use crate::options::BaseKind;
use crate::progress::Progress;

/// The label that says what a base was made from.
pub(crate) const INPUTS_LABEL: &str = "io.porthole.base-inputs";

/// The most bytes that a base's archive may have: a guard against a mistake, not a promise.
const BLOB_LIMIT: u64 = 4 << 30;

/// What an image says of itself.
pub(crate) struct Description<'a> {
    pub(crate) kind: BaseKind,
    pub(crate) os_version: &'a OsVersion,
    pub(crate) wine_build: String,
    pub(crate) debian_version: &'a str,
    pub(crate) inputs: &'a str,
    pub(crate) time: SystemTime,
}

/// What came of an import.
pub(crate) struct Imported {
    pub(crate) id: ImageId,
    /// Bytes of the files; each counts once, however many names it has.
    pub(crate) unpacked: u64,
    /// Bytes of the compressed archive.
    pub(crate) compressed: u64,
}

/// Archives the layer in `directory` and brings it into the store as the image that
/// `description` says, in one transaction. The directory is moved into the store.
pub(crate) fn import(
    store: &Store,
    directory: &Path,
    total: u64,
    description: &Description<'_>,
    progress: &dyn Progress,
) -> Result<Imported> {
    progress.begin("packing the image", total);
    let mut unpacked = 0;
    let (diff_id, blob) = pack(store, directory, &mut |count| {
        unpacked += count;
        progress.advance(count);
    })?;
    let compressed = blob.size();
    let config =
        serde_json::to_vec(&description.config(diff_id)).expect("a configuration is plain data");
    let layers = vec![LayerImport {
        contents: LayerContents::Unpacked {
            directory: directory.to_owned(),
            size: unpacked,
        },
        blob: Some(blob.into()),
    }];
    let import = ImageImport {
        tags: vec![reference(description.kind)],
        ..ImageImport::new(config, layers)
    };
    progress.begin("storing the image", 0);
    let id = store
        .import_image(&import)
        .map_err(|error| from_store("import", description.kind, error))?;
    Ok(Imported {
        id,
        unpacked,
        compressed,
    })
}

/// The name of a base's image.
pub(crate) fn reference(kind: BaseKind) -> Reference {
    Reference::from_str(kind.repository())
        .expect("the name is well-formed")
        .or_latest()
}

/// A failure of the store.
pub(crate) fn from_store(
    operation: &'static str,
    kind: BaseKind,
    error: porthole_store::Error,
) -> Error {
    let (kind_of_error, message) = match error.kind() {
        porthole_store::ErrorKind::NoSpace => (ErrorKind::NoSpace, "the file system is full"),
        _ => (ErrorKind::Store, "the image store failed"),
    };
    Error::new(kind_of_error, operation, kind.repository(), message).with_source(error)
}

/// The archive's digest before compression, and the compressed archive.
fn pack(
    store: &Store,
    directory: &Path,
    seen: &mut dyn FnMut(u64),
) -> Result<(Digest, StagedBlob)> {
    let failed = |error| {
        Error::new(
            ErrorKind::Store,
            "pack",
            directory.display().to_string(),
            "the image store failed",
        )
        .with_source(error)
    };
    let blob = store.blob_writer(BLOB_LIMIT).map_err(failed)?;
    let compressor = GzBuilder::new()
        .mtime(0)
        .write(blob, Compression::default());
    let hashing = Hashing {
        output: compressor,
        hasher: Sha256::new(),
    };
    let packed = porthole_layers::pack_layer(directory, &[], hashing, seen);
    let (Hashing { output, hasher }, _) = packed.map_err(|error| from_layers(directory, error))?;
    let blob: BlobWriter = output.finish().map_err(|error| {
        let kind = if error.kind() == io::ErrorKind::StorageFull {
            ErrorKind::NoSpace
        } else {
            ErrorKind::Io
        };
        Error::new(
            kind,
            "pack",
            directory.display().to_string(),
            "the archive cannot be written",
        )
        .with_source(error)
    })?;
    let blob = blob.finish(None).map_err(failed)?;
    Ok((Digest::from_bytes(hasher.finalize().into()), blob))
}

/// A failure to pack the layer.
fn from_layers(directory: &Path, error: porthole_layers::Error) -> Error {
    let (kind, message) = match error.kind() {
        porthole_layers::ErrorKind::NoSpace => (ErrorKind::NoSpace, "the file system is full"),
        porthole_layers::ErrorKind::Io => (ErrorKind::Io, "the archive cannot be written"),
        _ => (ErrorKind::Malformed, "it cannot be archived"),
    };
    Error::new(kind, "pack", directory.display().to_string(), message).with_source(error)
}

struct Hashing<W> {
    output: W,
    hasher: Sha256,
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let count = self.output.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        Ok(count)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}

impl Description<'_> {
    fn config(&self, diff_id: Digest) -> ImageConfig {
        let created = Some(rfc3339(self.time));
        let labels = [
            (build::LABEL, self.wine_build.as_str()),
            (INPUTS_LABEL, self.inputs),
            ("org.opencontainers.image.title", self.kind.repository()),
        ];
        let history = HistoryEntry {
            created: created.clone(),
            created_by: Some(format!("porthole base build {}", self.kind)),
            comment: Some(format!(
                "Wine build {}, made from Debian's Wine {}",
                self.wine_build, self.debian_version
            )),
            ..HistoryEntry::default()
        };
        ImageConfig {
            created,
            architecture: "amd64".to_owned(),
            os: "windows".to_owned(),
            os_version: Some(self.os_version.to_string()),
            config: RunConfig {
                user: self.kind.account().name().to_owned(),
                cmd: Some(vec![r"C:\Windows\System32\cmd.exe".to_owned()]),
                labels: labels
                    .map(|(name, value)| (name.to_owned(), value.to_owned()))
                    .into(),
                ..RunConfig::default()
            },
            rootfs: RootFs {
                diff_ids: vec![diff_id],
                ..RootFs::default()
            },
            history: vec![history],
            ..ImageConfig::default()
        }
    }
}

/// A time in the notation of image configurations; seconds only.
fn rfc3339(time: SystemTime) -> String {
    let seconds = time
        .duration_since(SystemTime::UNIX_EPOCH)
        .unwrap_or(Duration::ZERO)
        .as_secs();
    let (days, rest) = (seconds / 86_400, seconds % 86_400);
    let (year, month, day) = civil(days);
    format!(
        "{year:04}-{month:02}-{day:02}T{:02}:{:02}:{:02}Z",
        rest / 3600,
        rest / 60 % 60,
        rest % 60
    )
}

/// The date of a day counted from 1970-01-01.
fn civil(mut days: u64) -> (u64, u64, u64) {
    let is_leap = |year: u64| {
        year.is_multiple_of(4) && (!year.is_multiple_of(100) || year.is_multiple_of(400))
    };
    let mut year = 1970;
    while days >= 365 + u64::from(is_leap(year)) {
        days -= 365 + u64::from(is_leap(year));
        year += 1;
    }
    let lengths = [
        31,
        28 + u64::from(is_leap(year)),
        31,
        30,
        31,
        30,
        31,
        31,
        30,
        31,
        30,
        31,
    ];
    let mut month = 1;
    for length in lengths {
        if days < length {
            break;
        }
        days -= length;
        month += 1;
    }
    (year, month, days + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn times_are_written_as_images_do() {
        for (seconds, text) in [
            (0, "1970-01-01T00:00:00Z"),
            (951_782_400, "2000-02-29T00:00:00Z"),
            (1_750_928_461, "2025-06-26T09:01:01Z"),
        ] {
            assert_eq!(
                rfc3339(SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)),
                text
            );
        }
    }

    #[test]
    fn an_image_says_what_it_is() {
        let description = Description {
            kind: BaseKind::Nanoserver,
            os_version: &OsVersion::default(),
            wine_build: "10.0/1/wow64".to_owned(),
            debian_version: "10.0~repack-6",
            inputs: "key",
            time: SystemTime::UNIX_EPOCH,
        };
        let config = description.config(Digest::of(b"layer"));
        assert_eq!(
            (config.os.as_str(), config.os_version.as_deref()),
            ("windows", Some("10.0.20348.2700"))
        );
        assert_eq!(config.config.user, "ContainerUser");
        assert_eq!(config.config.labels[build::LABEL], "10.0/1/wow64");
        assert!(
            config.history[0]
                .comment
                .as_ref()
                .unwrap()
                .contains("10.0/1/wow64")
        );
        assert_eq!(
            reference(BaseKind::Nanoserver).to_string(),
            "porthole/nanoserver:latest"
        );
    }
}
