//! What a registry answers for a name: a manifest or an index.

use std::collections::BTreeMap;

use serde::de::IgnoredAny;
use serde::{Deserialize, Serialize};

use crate::descriptor::Descriptor;
use crate::digest::Digest;
use crate::error::{Error, ErrorKind, Result};
use crate::go_json;
use crate::index::Index;
use crate::manifest::{Format, Manifest};
use crate::media_type;

/// The largest manifest or index that is accepted, in bytes: as registries have it.
pub const MAX_MANIFEST_SIZE: usize = 4 << 20;

const OPERATION: &str = "read manifest";

/// A manifest or an index.
#[derive(Debug, Clone, PartialEq, Eq)]
#[expect(
    clippy::large_enum_variant,
    reason = "there is one at a time, and it is taken apart at once"
)]
pub enum Document {
    /// Of one image.
    Manifest(Manifest),
    /// Of images for several platforms.
    Index(Index),
}

/// Every member that either kind has, so that a document cannot be both.
#[derive(Default, Deserialize)]
#[serde(rename_all = "camelCase", default)]
struct Members {
    schema_version: u64,
    media_type: String,
    config: Option<Descriptor>,
    layers: Option<Vec<Descriptor>>,
    manifests: Option<Vec<Descriptor>>,
    fs_layers: Option<IgnoredAny>,
    annotations: BTreeMap<String, String>,
}

impl Members {
    /// Whether the document is of a kind that is read, and says one thing of it.
    fn check_kind(&self, sent_as: Option<&str>) -> Result<(), (ErrorKind, String)> {
        let own = Some(self.media_type.as_str()).filter(|own| !own.is_empty());
        let is_schema_1 = self.schema_version == 1
            || self.fs_layers.is_some()
            || own.into_iter().chain(sent_as).any(is_schema_1);
        if is_schema_1 {
            let message = "Docker Image Format v1 and Docker Image manifest version 2, schema 1 support \
                           has been removed. More information at \
                           https://docs.docker.com/go/deprecated-image-specs/";
            return Err((ErrorKind::Unsupported, message.to_owned()));
        }
        if self.schema_version != 2 {
            let message = "its schemaVersion is not 2";
            return Err((ErrorKind::Invalid, message.to_owned()));
        }
        match (own, sent_as) {
            (Some(own), _) if !is_known(own) => {
                let message = format!("unsupported manifest format {own:?}");
                Err((ErrorKind::Unsupported, message))
            }
            (Some(own), Some(sent_as)) if own != sent_as => {
                let message = format!("it was sent as {sent_as} and says that it is {own}");
                Err((ErrorKind::Invalid, message))
            }
            _ => Ok(()),
        }
    }
}

impl Document {
    /// Reads a manifest or an index. `sent_as` is the media type that came with it: of the HTTP
    /// answer or of the descriptor that named it. A document is what its own `mediaType` says; when
    /// that is missing, what it was sent as; when that says nothing either, what its members show.
    /// One that contradicts itself on this is refused, for two readers would see two images in it.
    ///
    /// # Errors
    /// [`ErrorKind::TooLarge`], [`ErrorKind::Unsupported`] for schema 1 and for what is neither,
    /// [`ErrorKind::Invalid`].
    pub fn parse(bytes: &[u8], sent_as: Option<&str>) -> Result<Self> {
        let failed = |kind, message: String| {
            let subject = Digest::of(bytes).to_string();
            Error::new(kind, OPERATION, subject, message)
        };
        let invalid = |message: &str| failed(ErrorKind::Invalid, message.to_owned());
        if bytes.len() > MAX_MANIFEST_SIZE {
            let message = format!("larger than {MAX_MANIFEST_SIZE} bytes");
            return Err(failed(ErrorKind::TooLarge, message));
        }
        let members: Members = go_json::decode(bytes)
            .map_err(|error| invalid(&format!("not a manifest: {error}")).with_source(error))?;
        let sent_as = sent_as.map(essence).filter(|sent_as| is_known(sent_as));
        let sent_as = sent_as.as_deref();
        members
            .check_kind(sent_as)
            .map_err(|(kind, message)| failed(kind, message))?;
        let own = Some(members.media_type.as_str()).filter(|own| !own.is_empty());
        let said = own.or(sent_as).and_then(kind);
        let document = Self::of(members, said).map_err(invalid)?;
        match &document {
            Self::Manifest(manifest) => manifest.check()?,
            Self::Index(index) => index.check()?,
        }
        Ok(document)
    }

    fn of(members: Members, said: Option<(Format, bool)>) -> Result<Self, &'static str> {
        let Members {
            config,
            layers,
            manifests,
            annotations,
            ..
        } = members;
        let is_manifest = config.is_some() || layers.is_some();
        if is_manifest && manifests.is_some() {
            return Err("it is both a manifest and an index");
        }
        let (format, is_index) = said.unwrap_or((Format::Oci, manifests.is_some()));
        match (is_index, config, manifests) {
            (true, _, Some(manifests)) => Ok(Self::Index(Index {
                format,
                manifests,
                annotations,
            })),
            (false, Some(config), _) => Ok(Self::Manifest(Manifest {
                format,
                config,
                layers: layers.unwrap_or_default(),
                annotations,
            })),
            (true, ..) => Err("an index without manifests"),
            (false, ..) => Err("a manifest without configuration"),
        }
    }

    /// The document's media type.
    #[must_use]
    pub const fn media_type(&self) -> &'static str {
        match self {
            Self::Manifest(manifest) => manifest.media_type(),
            Self::Index(index) => index.media_type(),
        }
    }
}

/// A document as bytes.
pub(crate) fn write(operation: &'static str, document: &impl Serialize) -> Result<Vec<u8>> {
    let failed = |kind, message: String| Error::new(kind, operation, "", message);
    let bytes = serde_json::to_vec(document).map_err(|error| {
        failed(ErrorKind::Invalid, "not writable".to_owned()).with_source(error)
    })?;
    if bytes.len() > MAX_MANIFEST_SIZE {
        let message = format!("larger than {MAX_MANIFEST_SIZE} bytes");
        return Err(failed(ErrorKind::TooLarge, message));
    }
    Ok(bytes)
}

/// A media type without its parameters, in lower case.
fn essence(media_type: &str) -> String {
    let end = media_type.find(';').unwrap_or(media_type.len());
    media_type[..end].trim().to_ascii_lowercase()
}

/// The form that a media type says, and whether it is an index's.
fn kind(media_type: &str) -> Option<(Format, bool)> {
    match media_type {
        media_type::DOCKER_MANIFEST => Some((Format::Docker, false)),
        media_type::DOCKER_INDEX => Some((Format::Docker, true)),
        media_type::OCI_MANIFEST => Some((Format::Oci, false)),
        media_type::OCI_INDEX => Some((Format::Oci, true)),
        _ => None,
    }
}

fn is_schema_1(media_type: &str) -> bool {
    matches!(
        media_type,
        media_type::SCHEMA_1 | media_type::SCHEMA_1_SIGNED
    )
}

/// Whether a media type says which kind of document it is; servers of plain files say
/// `application/json` or nothing.
fn is_known(media_type: &str) -> bool {
    kind(media_type).is_some() || is_schema_1(media_type)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::media_type::{
        DOCKER_CONFIG, DOCKER_INDEX, DOCKER_LAYER_GZIP, DOCKER_MANIFEST, OCI_INDEX, OCI_MANIFEST,
    };
    use crate::platform::{Platform, Wanted};

    fn manifest() -> Manifest {
        let mut foreign = Descriptor::of(media_type::DOCKER_FOREIGN_LAYER_GZIP, b"base");
        foreign.urls = vec!["https://mcr.microsoft.com/v2/x".to_owned()];
        Manifest::new(
            Format::Docker,
            Descriptor::of(DOCKER_CONFIG, b"{}"),
            vec![foreign, Descriptor::of(DOCKER_LAYER_GZIP, b"layer")],
        )
    }

    fn entry(os: &str, architecture: &str, version: Option<&str>, bytes: &[u8]) -> Descriptor {
        Descriptor {
            platform: Some(Platform {
                architecture: architecture.to_owned(),
                os: os.to_owned(),
                os_version: version.map(str::to_owned),
                ..Platform::default()
            }),
            ..Descriptor::of(DOCKER_MANIFEST, bytes)
        }
    }

    fn refusal(text: &str, sent_as: Option<&str>) -> (ErrorKind, String) {
        let error = Document::parse(text.as_bytes(), sent_as).unwrap_err();
        (error.kind(), error.message().to_owned())
    }

    #[test]
    fn what_is_written_reads_back() {
        for format in [Format::Docker, Format::Oci] {
            let manifest = Manifest {
                format,
                ..manifest()
            };
            let bytes = manifest.to_bytes().unwrap();
            let read = Document::parse(&bytes, Some(manifest.media_type())).unwrap();
            assert_eq!(read, Document::Manifest(manifest));
            let index = Index::new(format, vec![entry("windows", "amd64", None, &bytes)]);
            let bytes = index.to_bytes().unwrap();
            assert_eq!(
                Document::parse(&bytes, None).unwrap(),
                Document::Index(index)
            );
        }
    }

    #[test]
    fn an_index_like_hello_worlds_gives_the_right_windows_with_no_flag() {
        let index = Index::new(
            Format::Docker,
            vec![
                entry("linux", "amd64", None, b"linux"),
                entry("linux", "arm64", None, b"arm"),
                entry("windows", "amd64", Some("10.0.26100.32690"), b"2025"),
                entry("windows", "amd64", Some("10.0.20348.5020"), b"2022"),
            ],
        );
        let chosen = |version: &str| {
            let wanted = Wanted::windows(version.parse().unwrap());
            index.choose(&wanted).map(|entry| entry.digest)
        };
        assert_eq!(chosen("10.0.20348").unwrap(), Digest::of(b"2022"));
        assert_eq!(chosen("10.0.26100").unwrap(), Digest::of(b"2025"));
        assert_eq!(chosen("10.0.25398").unwrap(), Digest::of(b"2022"));
        assert_eq!(chosen("10.0.17763").unwrap(), Digest::of(b"2022"));
        let linux = Index::new(Format::Oci, index.manifests[..2].to_vec());
        let wanted = Wanted::windows("10.0.20348".parse().unwrap());
        let error = linux.choose(&wanted).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NoMatch);
        assert_eq!(
            error.message(),
            "no matching manifest for windows/amd64 10.0.20348 in the manifest list entries"
        );
        assert_eq!(linux.platforms().len(), 2);
    }

    #[test]
    fn a_single_entry_without_platform_is_taken() {
        let bare = Descriptor::of(OCI_MANIFEST, b"x");
        let wanted = Wanted::windows("10.0.20348".parse().unwrap());
        let one = Index::new(Format::Oci, vec![bare.clone()]);
        assert_eq!(one.choose(&wanted).unwrap().digest, bare.digest);
        let two = Index::new(Format::Oci, vec![bare.clone(), bare]);
        assert!(two.choose(&wanted).is_err());
    }

    #[test]
    fn documents_without_media_type_are_what_they_were_sent_as_or_look_like() {
        let digest = Digest::of(b"x");
        let manifest = format!(
            r#"{{"schemaVersion":2,"config":{{"digest":"{digest}","size":1}},"layers":null}}"#
        );
        let read = |sent_as| {
            Document::parse(manifest.as_bytes(), sent_as)
                .unwrap()
                .media_type()
        };
        assert_eq!(read(None), OCI_MANIFEST);
        assert_eq!(read(Some("application/json")), OCI_MANIFEST);
        assert_eq!(read(Some(DOCKER_MANIFEST)), DOCKER_MANIFEST);
        let with_parameter = format!("{DOCKER_MANIFEST}; charset=utf-8");
        assert_eq!(read(Some(&with_parameter)), DOCKER_MANIFEST);
        let index = r#"{"schemaVersion":2,"manifests":[]}"#;
        let read = Document::parse(index.as_bytes(), None).unwrap();
        assert_eq!(read.media_type(), OCI_INDEX);
    }

    #[test]
    fn documents_that_contradict_themselves_are_refused() {
        let digest = Digest::of(b"x");
        let config = format!(r#""config":{{"digest":"{digest}","size":1}}"#);
        let both = format!(r#"{{"schemaVersion":2,{config},"manifests":[]}}"#);
        let (kind, message) = refusal(&both, None);
        assert_eq!(
            (kind, message.as_str()),
            (ErrorKind::Invalid, "it is both a manifest and an index")
        );
        let manifest = format!(r#"{{"schemaVersion":2,"mediaType":"{OCI_MANIFEST}",{config}}}"#);
        let (kind, message) = refusal(&manifest, Some(DOCKER_INDEX));
        assert_eq!(kind, ErrorKind::Invalid);
        assert!(message.starts_with("it was sent as"), "{message}");
        let wrong = format!(r#"{{"schemaVersion":2,"mediaType":"{OCI_INDEX}",{config}}}"#);
        assert_eq!(refusal(&wrong, None).1, "an index without manifests");
    }

    #[test]
    fn schema_1_and_other_documents_are_refused_by_name() {
        let signed = r#"{"schemaVersion":1,"name":"x","fsLayers":[{"blobSum":"x"}]}"#;
        let (kind, message) = refusal(signed, Some(media_type::SCHEMA_1_SIGNED));
        assert_eq!(kind, ErrorKind::Unsupported);
        assert!(message.contains("schema 1"), "{message}");
        let artifact =
            r#"{"schemaVersion":2,"mediaType":"application/vnd.oci.artifact.manifest.v1+json"}"#;
        assert_eq!(refusal(artifact, None).0, ErrorKind::Unsupported);
        for text in [
            "",
            "[]",
            "{}",
            r#"{"schemaVersion":2}"#,
            r#"{"schemaVersion":3,"manifests":[]}"#,
        ] {
            assert_eq!(refusal(text, None).0, ErrorKind::Invalid, "{text}");
        }
        let digests = [
            r#"{"digest":"sha256:00","size":1}"#,
            r#"{"digest":null,"size":1}"#,
        ];
        for digest in digests {
            let text = format!(r#"{{"schemaVersion":2,"config":{digest}}}"#);
            assert_eq!(refusal(&text, None).0, ErrorKind::Invalid, "{text}");
        }
    }

    #[test]
    fn sizes_and_counts_are_bounded() {
        let huge = " ".repeat(MAX_MANIFEST_SIZE + 1);
        assert_eq!(refusal(&huge, None).0, ErrorKind::TooLarge);
        let layer = Descriptor::of(DOCKER_LAYER_GZIP, b"x");
        let many = Manifest {
            layers: vec![layer; crate::MAX_LAYERS + 1],
            ..manifest()
        };
        let bytes = many.to_bytes().unwrap();
        let error = Document::parse(&bytes, None).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLarge);
        let entry = Descriptor::of(DOCKER_MANIFEST, b"x");
        let many = Index::new(Format::Oci, vec![entry; crate::MAX_INDEX_ENTRIES + 1]);
        let error = Document::parse(&many.to_bytes().unwrap(), None).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::TooLarge);
    }

    #[test]
    fn only_images_are_images() {
        assert!(manifest().check_image().is_ok());
        let mut plugin = manifest();
        plugin.config.media_type = media_type::DOCKER_PLUGIN.to_owned();
        let message = plugin.check_image().unwrap_err().message().to_owned();
        assert_eq!(
            message,
            r#"Encountered remote "application/vnd.docker.plugin.v1+json"(plugin) when fetching"#
        );
        let mut chart = manifest();
        chart.layers[0].media_type = "application/x-helm".to_owned();
        let message = chart.check_image().unwrap_err().message().to_owned();
        assert_eq!(message, "unsupported media type application/x-helm");
        let mut large = manifest();
        large.config.size = 1 << 40;
        assert_eq!(large.check_image().unwrap_err().kind(), ErrorKind::TooLarge);
        let config = crate::ImageConfig::default();
        assert_eq!(
            manifest().check_config(&config).unwrap_err().message(),
            "layers from manifest don't match image configuration"
        );
    }
}
