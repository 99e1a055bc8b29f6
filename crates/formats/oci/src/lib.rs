//! Names, digests, manifests and configurations of images, as Docker and OCI have them.
//!
//! Everything here comes from registries and archives, and is hostile: sizes and counts are
//! bounded, and what was read has been checked. JSON is read as Go reads it, which Docker and most
//! makers of images are written in: names of members compare without case, and null is an empty
//! value.

#![forbid(unsafe_code)]

mod config;
mod digest;
mod error;
mod reference;

pub use config::{
    Empty, HistoryEntry, ImageConfig, MAX_CONFIG_SIZE, MAX_LAYERS, RootFs, RunConfig,
};
pub use digest::{Digest, ImageId, LayerId};
pub use error::{Error, ErrorKind, Result};
pub use reference::Reference;
