//! Indexes: images for several platforms under one name, and the entries of an OCI image layout.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::descriptor::Descriptor;
use crate::error::{Error, ErrorKind, Result};
use crate::manifest::Format;
use crate::media_type;
use crate::platform::{Platform, Wanted};

/// The most entries that an index may have.
pub const MAX_INDEX_ENTRIES: usize = 1024;

/// An index: Docker calls it a manifest list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Index {
    /// Its form.
    pub format: Format,
    /// Manifests, or further indexes.
    pub manifests: Vec<Descriptor>,
    /// Notes.
    pub annotations: BTreeMap<String, String>,
}

impl Index {
    /// An index of Docker's or OCI's form.
    #[must_use]
    pub const fn new(format: Format, manifests: Vec<Descriptor>) -> Self {
        Self {
            format,
            manifests,
            annotations: BTreeMap::new(),
        }
    }

    /// The media type of an index of this form.
    #[must_use]
    pub const fn media_type(&self) -> &'static str {
        match self.format {
            Format::Docker => media_type::DOCKER_INDEX,
            Format::Oci => media_type::OCI_INDEX,
        }
    }

    /// The index as bytes; the same each time. This is also the `index.json` of an OCI layout.
    ///
    /// # Errors
    /// [`ErrorKind::TooLarge`] when nobody would accept it.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Written<'a> {
            schema_version: u32,
            media_type: &'a str,
            manifests: &'a [Descriptor],
            #[serde(skip_serializing_if = "BTreeMap::is_empty")]
            annotations: &'a BTreeMap<String, String>,
        }
        let written = Written {
            schema_version: 2,
            media_type: self.media_type(),
            manifests: &self.manifests,
            annotations: &self.annotations,
        };
        crate::document::write("write index", &written)
    }

    /// The entry that fits `wanted` best. One that says no platform is taken when it is the only
    /// entry; its configuration has to tell.
    ///
    /// # Errors
    /// [`ErrorKind::NoMatch`] with Docker's sentence.
    pub fn choose(&self, wanted: &Wanted) -> Result<&Descriptor> {
        let fits = |entry: &&Descriptor| {
            let platform = entry.platform.as_ref();
            platform.and_then(|platform| wanted.rank(platform))
        };
        let best = self
            .manifests
            .iter()
            .filter(|entry| fits(entry).is_some())
            .min_by_key(fits);
        let only = match &self.manifests[..] {
            [only] if only.platform.is_none() => Some(only),
            _ => None,
        };
        best.or(only).ok_or_else(|| {
            Error::new(
                ErrorKind::NoMatch,
                "choose image",
                wanted.to_string(),
                format!("no matching manifest for {wanted} in the manifest list entries"),
            )
        })
    }

    /// The platforms of its images, without those of attestations.
    #[must_use]
    pub fn platforms(&self) -> Vec<Platform> {
        let platforms = self
            .manifests
            .iter()
            .filter_map(|entry| entry.platform.clone());
        platforms
            .filter(|platform| platform.os != "unknown")
            .collect()
    }

    pub(crate) fn check(&self) -> Result<()> {
        if self.manifests.len() > MAX_INDEX_ENTRIES {
            return Err(Error::new(
                ErrorKind::TooLarge,
                "read index",
                format!("{} entries", self.manifests.len()),
                format!("more than {MAX_INDEX_ENTRIES} entries"),
            ));
        }
        Ok(())
    }
}
