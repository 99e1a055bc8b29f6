//! Names, digests, manifests and configurations of images, as Docker and OCI have them.
//!
//! Everything here comes from registries and archives, and is hostile: sizes and counts are
//! bounded, and what was read has been checked. JSON is read as Go reads it, which Docker and most
//! makers of images are written in: names of members compare without case, and null is an empty
//! value.
//!
//! - [`Reference`] is a name, [`Digest`] what content is addressed by, and [`SearchTerm`] what a
//!   registry is searched for.
//! - [`Document`] is what a registry answers for a name: a [`Manifest`] or an [`Index`], of which
//!   [`Index::choose`] takes the image for a platform.
//! - [`ImageConfig`] says how containers of an image run, and what its layers are.
//! - [`MicrosoftBase`] says which of them are Microsoft's.

#![forbid(unsafe_code)]

mod config;
mod descriptor;
mod digest;
mod document;
mod error;
mod go_json;
mod index;
mod manifest;
pub mod media_type;
mod microsoft;
mod platform;
mod reference;
mod search;

pub use config::{
    Empty, HistoryEntry, ImageConfig, MAX_CONFIG_SIZE, MAX_LAYERS, RootFs, RunConfig,
};
pub use descriptor::Descriptor;
pub use digest::{Digest, ImageId, LayerId};
pub use document::{Document, MAX_MANIFEST_SIZE};
pub use error::{Error, ErrorKind, Result};
pub use index::{Index, MAX_INDEX_ENTRIES};
pub use manifest::{Format, Manifest};
pub use media_type::{Compression, LayerType};
pub use microsoft::{MicrosoftBase, MicrosoftKind};
pub use platform::{Platform, Wanted, WindowsVersion};
pub use reference::Reference;
pub use search::SearchTerm;
