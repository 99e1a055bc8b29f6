//! Media types of manifests, configurations and layers, Docker's and OCI's.

/// A manifest of one image: Docker's schema 2.
pub const DOCKER_MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
/// A list of manifests, one for each platform: Docker's.
pub const DOCKER_INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
/// A manifest of one image: OCI's.
pub const OCI_MANIFEST: &str = "application/vnd.oci.image.manifest.v1+json";
/// A list of manifests, one for each platform: OCI's.
pub const OCI_INDEX: &str = "application/vnd.oci.image.index.v1+json";
/// Docker's schema 1, which is refused.
pub const SCHEMA_1: &str = "application/vnd.docker.distribution.manifest.v1+json";
/// The same, signed.
pub const SCHEMA_1_SIGNED: &str = "application/vnd.docker.distribution.manifest.v1+prettyjws";

/// An image's configuration: Docker's.
pub const DOCKER_CONFIG: &str = "application/vnd.docker.container.image.v1+json";
/// An image's configuration: OCI's.
pub const OCI_CONFIG: &str = "application/vnd.oci.image.config.v1+json";
/// The configuration of a plugin of Docker, which is no image.
pub const DOCKER_PLUGIN: &str = "application/vnd.docker.plugin.v1+json";

/// A layer: Docker's, with `.gzip` behind it as it is usually sent.
pub const DOCKER_LAYER_GZIP: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";
/// A layer that registries do not hold: Docker's, compressed.
pub const DOCKER_FOREIGN_LAYER_GZIP: &str =
    "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";
/// A layer: OCI's, compressed by gzip.
pub const OCI_LAYER_GZIP: &str = "application/vnd.oci.image.layer.v1.tar+gzip";
/// A layer: OCI's, compressed by zstd.
pub const OCI_LAYER_ZSTD: &str = "application/vnd.oci.image.layer.v1.tar+zstd";
/// A layer: OCI's, not compressed.
pub const OCI_LAYER: &str = "application/vnd.oci.image.layer.v1.tar";

/// What is accepted as a manifest or as a list of them: for the `Accept` of a request.
pub const ACCEPTED_MANIFESTS: [&str; 4] = [DOCKER_MANIFEST, DOCKER_INDEX, OCI_INDEX, OCI_MANIFEST];

/// How a layer is compressed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Compression {
    /// Not at all.
    None,
    /// By gzip.
    Gzip,
    /// By zstd.
    Zstd,
}

/// What a layer's media type says.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct LayerType {
    /// How it is compressed.
    pub compression: Compression,
    /// Whether registries are not to hold it: Docker's "foreign", OCI's "nondistributable".
    pub is_foreign: bool,
}

impl LayerType {
    /// What `media_type` says of a layer; nothing for what is no layer.
    #[must_use]
    pub fn of(media_type: &str) -> Option<Self> {
        const TREES: [(&str, bool); 4] = [
            ("application/vnd.docker.image.rootfs.diff.tar", false),
            ("application/vnd.docker.image.rootfs.foreign.diff.tar", true),
            (OCI_LAYER, false),
            (
                "application/vnd.oci.image.layer.nondistributable.v1.tar",
                true,
            ),
        ];
        let lower = media_type.to_ascii_lowercase();
        TREES.into_iter().find_map(|(tree, is_foreign)| {
            let compression = match lower.strip_prefix(tree)? {
                "" => Compression::None,
                ".gzip" | "+gzip" => Compression::Gzip,
                ".zstd" | "+zstd" => Compression::Zstd,
                _ => return None,
            };
            Some(Self {
                compression,
                is_foreign,
            })
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn layers_say_their_compression_and_whether_they_are_foreign() {
        let table = [
            (DOCKER_LAYER_GZIP, Compression::Gzip, false),
            (DOCKER_FOREIGN_LAYER_GZIP, Compression::Gzip, true),
            (OCI_LAYER_GZIP, Compression::Gzip, false),
            (OCI_LAYER_ZSTD, Compression::Zstd, false),
            (OCI_LAYER, Compression::None, false),
            (
                "application/vnd.oci.image.layer.nondistributable.v1.tar+zstd",
                Compression::Zstd,
                true,
            ),
        ];
        for (media_type, compression, is_foreign) in table {
            let expected = LayerType {
                compression,
                is_foreign,
            };
            assert_eq!(LayerType::of(media_type), Some(expected), "{media_type}");
        }
        for other in [
            "",
            DOCKER_CONFIG,
            "application/vnd.oci.image.layer.v1.tar+lz4",
        ] {
            assert_eq!(LayerType::of(other), None, "{other}");
        }
    }
}
