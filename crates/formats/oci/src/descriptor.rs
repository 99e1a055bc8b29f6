//! Descriptors: what a document says of another document or a layer.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::digest::Digest;
use crate::media_type::LayerType;
use crate::platform::Platform;

/// What a document says of another one, or of a layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "camelCase")]
pub struct Descriptor {
    /// What it is.
    #[serde(default)]
    pub media_type: String,
    /// Its digest, as it is transferred.
    pub digest: Digest,
    /// Its size in bytes, as it is transferred.
    pub size: u64,
    /// Where else it may be had: of layers that registries do not hold.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub urls: Vec<String>,
    /// Notes.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub annotations: BTreeMap<String, String>,
    /// What it runs on: of an index's manifests.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub platform: Option<Platform>,
}

impl Descriptor {
    /// A descriptor of `bytes`.
    #[must_use]
    pub fn of(media_type: impl Into<String>, bytes: &[u8]) -> Self {
        Self::new(media_type, Digest::of(bytes), bytes.len() as u64)
    }

    /// A descriptor without more than it must have.
    #[must_use]
    pub fn new(media_type: impl Into<String>, digest: Digest, size: u64) -> Self {
        Self {
            media_type: media_type.into(),
            digest,
            size,
            urls: Vec::new(),
            annotations: BTreeMap::new(),
            platform: None,
        }
    }

    /// Whether it is a layer that registries are not to hold.
    #[must_use]
    pub fn is_foreign_layer(&self) -> bool {
        LayerType::of(&self.media_type).is_some_and(|layer| layer.is_foreign)
    }
}
