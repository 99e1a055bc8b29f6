//! Local images: list, inspect, history, tag, remove.

pub(crate) mod base;
pub(crate) mod blobs;
pub(crate) mod config;
pub(crate) mod decompress;
pub(crate) mod draft;
pub mod import;
pub(crate) mod inspect;
pub(crate) mod instruction;
pub(crate) mod intake;
pub(crate) mod list;
pub(crate) mod load;
pub mod progress;
pub(crate) mod prune;
pub mod pull;
pub(crate) mod push;
pub mod registry;
pub(crate) mod remove;
pub(crate) mod save;
pub(crate) mod tag;
mod tar_heads;
pub(crate) mod transfer;

use std::collections::BTreeMap;

use porthole_oci::{Digest, ImageConfig, Platform, Reference};
use porthole_store::Image;
use time::OffsetDateTime;

use crate::container::config::ContainerConfig;
use crate::context::Context;
use crate::error::{Error, ErrorKind};
use crate::event::ObjectKind;

/// An image in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageSummary {
    /// `sha256:…`.
    pub id: String,
    /// Its names, `repository:tag`.
    pub repo_tags: Vec<String>,
    /// Its names by digest, `repository@sha256:…`.
    pub repo_digests: Vec<String>,
    /// When it was made.
    pub created: OffsetDateTime,
    /// Bytes of its layers, unpacked.
    pub size: u64,
    /// Bytes of the layers that other images have too; none where nobody asked.
    pub shared_size: Option<u64>,
    /// The image that it was made from here; empty for none.
    pub parent: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Containers made from it.
    pub containers: u64,
}

/// Everything about an image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ImageDetails {
    /// `sha256:…`.
    pub id: String,
    /// Its names, `repository:tag`.
    pub repo_tags: Vec<String>,
    /// Its names by digest.
    pub repo_digests: Vec<String>,
    /// When it was made.
    pub created: OffsetDateTime,
    /// Who made it, in words.
    pub author: String,
    /// A comment.
    pub comment: String,
    /// The image that it was made from here; empty for none.
    pub parent: String,
    /// The processor architecture, `amd64`.
    pub architecture: String,
    /// The operating system, `windows`.
    pub os: String,
    /// The Windows version, for example `10.0.20348.1`.
    pub os_version: String,
    /// Bytes of its layers, unpacked.
    pub size: u64,
    /// What a container of it runs.
    pub config: ContainerConfig,
    /// Directories that hold data, of which containers make volumes.
    pub volumes: Vec<String>,
    /// Instructions for images that are built from this one.
    pub on_build: Vec<String>,
    /// Digests of its layers' uncompressed tars, the base first.
    pub diff_ids: Vec<String>,
    /// Directory of the topmost layer.
    pub directory: String,
    /// When it got a name last.
    pub last_tagged: Option<OffsetDateTime>,
}

/// One step in an image's history, the newest first.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HistoryEntry {
    /// The image's ID for the newest step, `<missing>` for the others.
    pub id: String,
    /// When.
    pub created: OffsetDateTime,
    /// The command that made it.
    pub created_by: String,
    /// Names of the image, for the newest step.
    pub tags: Vec<String>,
    /// Bytes of its layer.
    pub size: u64,
    /// A comment.
    pub comment: String,
}

/// How to remove an image.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RemoveImage {
    /// Also when stopped containers use it or it has several names.
    pub force: bool,
}

/// What a removal did, in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum RemovedImage {
    /// A name was taken away.
    Untagged(String),
    /// An image or a layer was deleted.
    Deleted(String),
}

/// What Porthole says beside Docker's sentence that nothing fits.
pub(crate) const ONLY_WINDOWS: &str = "Porthole runs Windows images, those of windows/amd64";

/// The name of a manifest in a repository.
pub(crate) fn by_digest(name: &Reference, digest: Digest) -> Reference {
    Reference::from_parts(&name.full_repository(), None, Some(digest))
}

/// What an image runs on.
pub(crate) fn platform_of(config: &ImageConfig) -> Platform {
    Platform {
        architecture: config.architecture.clone(),
        os: config.os.clone(),
        os_version: config.os_version.clone(),
        ..Platform::default()
    }
}

/// A layer that cannot be taken in, written or compared.
pub(crate) fn layer_failed(error: porthole_layers::Error) -> Error {
    use porthole_layers::ErrorKind as Kind;
    let kind = match error.kind() {
        Kind::Malformed | Kind::TooLarge | Kind::DigestMismatch => ErrorKind::InvalidParameter,
        _ => ErrorKind::System,
    };
    Error::new(kind, error.to_string()).with_source(error)
}

/// Tells those who watch what happened to an image or one of its names.
pub(crate) fn publish(context: &Context, image: &Image, action: &str, name: &str) {
    let mut attributes: BTreeMap<String, String> = image.config.config.labels.clone();
    attributes.insert("name".to_owned(), name.to_owned());
    context
        .events
        .publish(ObjectKind::Image, action, &image.id.to_string(), attributes);
}
