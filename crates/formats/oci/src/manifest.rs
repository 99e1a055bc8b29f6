//! Manifests: which configuration and which layers make an image.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::config::{ImageConfig, MAX_CONFIG_SIZE, MAX_LAYERS};
use crate::descriptor::Descriptor;
use crate::error::{Error, ErrorKind, Result};
use crate::media_type::{self, LayerType};

/// Whose form a document has.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Format {
    /// Docker's: schema 2 and manifest lists.
    Docker,
    /// OCI's.
    Oci,
}

/// A manifest: the configuration and the layers of one image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Manifest {
    /// Its form.
    pub format: Format,
    /// The configuration.
    pub config: Descriptor,
    /// The layers, base first.
    pub layers: Vec<Descriptor>,
    /// Notes.
    pub annotations: BTreeMap<String, String>,
}

impl Manifest {
    /// A manifest of Docker's or OCI's form.
    #[must_use]
    pub const fn new(format: Format, config: Descriptor, layers: Vec<Descriptor>) -> Self {
        Self {
            format,
            config,
            layers,
            annotations: BTreeMap::new(),
        }
    }

    /// The media type of a manifest of this form.
    #[must_use]
    pub const fn media_type(&self) -> &'static str {
        match self.format {
            Format::Docker => media_type::DOCKER_MANIFEST,
            Format::Oci => media_type::OCI_MANIFEST,
        }
    }

    /// The manifest as bytes; the same each time.
    ///
    /// # Errors
    /// [`ErrorKind::TooLarge`] when nobody would accept it.
    pub fn to_bytes(&self) -> Result<Vec<u8>> {
        #[derive(Serialize)]
        #[serde(rename_all = "camelCase")]
        struct Written<'a> {
            schema_version: u32,
            media_type: &'a str,
            config: &'a Descriptor,
            layers: &'a [Descriptor],
            #[serde(skip_serializing_if = "BTreeMap::is_empty")]
            annotations: &'a BTreeMap<String, String>,
        }
        let written = Written {
            schema_version: 2,
            media_type: self.media_type(),
            config: &self.config,
            layers: &self.layers,
            annotations: &self.annotations,
        };
        crate::document::write("write manifest", &written)
    }

    /// Whether it is of an image, all of whose layers can be read, rather than of something else that
    /// registries hold.
    ///
    /// # Errors
    /// [`ErrorKind::Unsupported`], with the sentences of Docker; [`ErrorKind::TooLarge`] for the
    /// configuration.
    pub fn check_image(&self) -> Result<()> {
        let unsupported = |message: String| {
            let subject = self.config.digest.to_string();
            Err(Error::new(
                ErrorKind::Unsupported,
                "read manifest",
                subject,
                message,
            ))
        };
        let config = self.config.media_type.as_str();
        match config {
            // The last two are what old clients wrote.
            media_type::DOCKER_CONFIG
            | media_type::OCI_CONFIG
            | "application/octet-stream"
            | "" => {}
            other => {
                let class = match other {
                    media_type::DOCKER_PLUGIN => "plugin",
                    _ => "unknown",
                };
                return unsupported(format!(
                    "Encountered remote {config:?}({class}) when fetching"
                ));
            }
        }
        if self.config.size > MAX_CONFIG_SIZE as u64 {
            return Err(Error::new(
                ErrorKind::TooLarge,
                "read manifest",
                self.config.digest.to_string(),
                format!("image configuration of {} bytes", self.config.size),
            ));
        }
        let other = self
            .layers
            .iter()
            .find(|layer| LayerType::of(&layer.media_type).is_none());
        match other {
            Some(layer) => unsupported(format!("unsupported media type {}", layer.media_type)),
            None => Ok(()),
        }
    }

    /// Whether the manifest and `config`, which it names, are of one image.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] with Docker's sentence when they have different numbers of layers.
    pub fn check_config(&self, config: &ImageConfig) -> Result<()> {
        if self.layers.len() == config.rootfs.diff_ids.len() {
            return Ok(());
        }
        Err(Error::new(
            ErrorKind::Invalid,
            "read image configuration",
            self.config.digest.to_string(),
            "layers from manifest don't match image configuration",
        ))
    }

    pub(crate) fn check(&self) -> Result<()> {
        if self.layers.len() > MAX_LAYERS {
            return Err(Error::new(
                ErrorKind::TooLarge,
                "read manifest",
                self.config.digest.to_string(),
                format!("more than {MAX_LAYERS} layers"),
            ));
        }
        Ok(())
    }
}
