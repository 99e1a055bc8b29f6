//! Images made by hand: layers as archives, configurations, manifests, and their ways into a
//! registry and into an archive for `docker load`.

use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use flate2::Compression;
use flate2::write::GzEncoder;
use porthole_e2e::registry::Registry;
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use tar::{Builder, EntryType, Header};

use crate::archive::fed;

pub(crate) const MANIFEST: &str = "application/vnd.docker.distribution.manifest.v2+json";
pub(crate) const INDEX: &str = "application/vnd.docker.distribution.manifest.list.v2+json";
const CONFIG: &str = "application/vnd.docker.container.image.v1+json";
const LAYER: &str = "application/vnd.docker.image.rootfs.diff.tar.gzip";
const FOREIGN_LAYER: &str = "application/vnd.docker.image.rootfs.foreign.diff.tar.gzip";

/// `sha256:…`.
pub(crate) fn digest(bytes: &[u8]) -> String {
    let hash = Sha256::digest(bytes);
    let hex: String = hash.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("sha256:{hex}")
}

/// The archive of a layer, entry by entry.
pub(crate) struct LayerArchive(Builder<Vec<u8>>);

impl LayerArchive {
    /// One with its two trees.
    pub(crate) fn new() -> Self {
        Self(Builder::new(Vec::new()))
            .entry(EntryType::Directory, "Files", "", b"")
            .entry(EntryType::Directory, "Hives", "", b"")
    }

    pub(crate) fn file(self, name: &str, content: &[u8]) -> Self {
        self.entry(EntryType::Regular, name, "", content)
    }

    /// Any entry, allowed or not.
    pub(crate) fn entry(self, kind: EntryType, name: &str, link: &str, content: &[u8]) -> Self {
        self.sized(kind, name, link, content.len() as u64, content)
    }

    /// One that says that it has another size than it has.
    pub(crate) fn sized(
        mut self,
        kind: EntryType,
        name: &str,
        link: &str,
        size: u64,
        content: &[u8],
    ) -> Self {
        let mut header = Header::new_gnu();
        header.set_entry_type(kind);
        header.set_mode(if kind == EntryType::Directory {
            0o755
        } else {
            0o644
        });
        header.set_mtime(1_600_000_000);
        header.set_size(size);
        header.as_old_mut().name[..name.len()].copy_from_slice(name.as_bytes());
        header.as_old_mut().linkname[..link.len()].copy_from_slice(link.as_bytes());
        header.set_cksum();
        // Writing to memory does not fail.
        let _ = self.0.append(&header, content);
        self
    }

    pub(crate) fn finish(self) -> Vec<u8> {
        self.0.into_inner().unwrap_or_default()
    }
}

/// A layer of an image.
#[derive(Debug, Clone)]
pub(crate) struct MadeLayer {
    diff_id: String,
    blob: Vec<u8>,
    media_type: &'static str,
    /// Where it is to be had, if it is foreign.
    url: Option<String>,
    /// Whether the registry has it.
    is_there: bool,
}

impl MadeLayer {
    /// An ordinary one, compressed.
    pub(crate) fn new(archive: &[u8]) -> Result<Self> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
        std::io::copy(&mut &*archive, &mut encoder)?;
        Ok(Self {
            diff_id: digest(archive),
            blob: encoder.finish()?,
            media_type: LAYER,
            url: None,
            is_there: true,
        })
    }

    /// One of Microsoft's bases, which no registry of these tests has.
    pub(crate) fn of_a_base(name: &str) -> Result<Self> {
        let archive = LayerArchive::new().file("Files/base.txt", name.as_bytes());
        Ok(Self {
            is_there: false,
            ..Self::new(&archive.finish())?
        })
    }

    /// The same as a foreign layer.
    pub(crate) fn foreign(self, repository: &str) -> Self {
        let address = format!(
            "https://mcr.microsoft.com/v2/{repository}/blobs/{}",
            self.digest()
        );
        Self {
            media_type: FOREIGN_LAYER,
            url: Some(address),
            ..self
        }
    }

    pub(crate) fn digest(&self) -> String {
        digest(&self.blob)
    }

    /// What a registry has of it.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.blob
    }

    fn descriptor(&self) -> Value {
        let mut descriptor = json!({
            "mediaType": self.media_type, "size": self.blob.len(), "digest": self.digest(),
        });
        if let Some(address) = &self.url {
            descriptor["urls"] = json!([address]);
        }
        descriptor
    }
}

/// An image.
#[derive(Debug, Clone)]
pub(crate) struct MadeImage {
    config: Value,
    pub(crate) layers: Vec<MadeLayer>,
}

impl MadeImage {
    /// One of Windows. Layers, base first; each entry of `history` has made one.
    pub(crate) fn new(version: &str, history: &[&str], layers: Vec<MadeLayer>) -> Self {
        let history: Vec<_> = history
            .iter()
            .map(|step| json!({ "created": "2022-05-04T05:40:44Z", "created_by": step }))
            .collect();
        let diff_ids: Vec<_> = layers.iter().map(|layer| &layer.diff_id).collect();
        let config = json!({
            "architecture": "amd64", "os": "windows", "os.version": version,
            "created": "2022-05-05T14:11:16Z",
            "config": { "Cmd": ["cmd"] },
            "history": history,
            "rootfs": { "type": "layers", "diff_ids": diff_ids },
        });
        Self { config, layers }
    }

    /// Changes a field of what containers run.
    pub(crate) fn with(mut self, field: &str, value: Value) -> Self {
        self.config["config"][field] = value;
        self
    }

    fn config_bytes(&self) -> Vec<u8> {
        self.config.to_string().into_bytes()
    }

    /// The image's ID.
    pub(crate) fn id(&self) -> String {
        digest(&self.config_bytes())
    }

    pub(crate) fn manifest(&self) -> Vec<u8> {
        let config = self.config_bytes();
        let layers: Vec<_> = self.layers.iter().map(MadeLayer::descriptor).collect();
        let manifest = json!({
            "schemaVersion": 2, "mediaType": MANIFEST,
            "config": { "mediaType": CONFIG, "size": config.len(), "digest": digest(&config) },
            "layers": layers,
        });
        manifest.to_string().into_bytes()
    }

    /// Puts it into a registry under a tag, without the layers that are not there.
    pub(crate) fn put(&self, registry: &Registry, repository: &str, tag: &str) -> Result<()> {
        put_blob(registry, repository, &self.config_bytes())?;
        for layer in self.layers.iter().filter(|layer| layer.url.is_none()) {
            put_blob(registry, repository, &layer.blob)?;
        }
        put_manifest(registry, repository, tag, MANIFEST, &self.manifest())?;
        // A registry takes no manifest of an ordinary layer that it has not.
        for layer in &self.layers {
            if !layer.is_there && layer.url.is_none() {
                fs::remove_file(registry.blob_file(&layer.digest()))?;
            }
        }
        Ok(())
    }

    /// Writes it as `docker save` of old did: one archive with the layers, uncompressed.
    pub(crate) fn archived(name: &str, config: &Value, layers: &[&[u8]]) -> Vec<u8> {
        let files: Vec<_> = (0..layers.len())
            .map(|position| format!("{position}/layer.tar"))
            .collect();
        let contents = json!([{ "Config": "config.json", "RepoTags": [name], "Layers": files }]);
        let mut archive = LayerArchive(Builder::new(Vec::new()))
            .file("config.json", config.to_string().as_bytes())
            .file("manifest.json", contents.to_string().as_bytes());
        for (file, layer) in files.iter().zip(layers) {
            archive = archive.file(file, layer);
        }
        archive.finish()
    }
}

/// The configuration of an image of Windows with these layers' archives.
pub(crate) fn config_of(layers: &[&[u8]]) -> Value {
    let diff_ids: Vec<_> = layers.iter().map(|layer| digest(layer)).collect();
    json!({
        "architecture": "amd64", "os": "windows", "os.version": "10.0.20348.1",
        "created": "2022-05-05T14:11:16Z", "config": { "Cmd": ["cmd"] },
        "rootfs": { "type": "layers", "diff_ids": diff_ids },
    })
}

fn curl(arguments: &[&str], body: &[u8]) -> Result<String> {
    let mut command = Command::new("curl");
    command.args(["-sS", "--fail-with-body"]).args(arguments);
    let output = fed(&mut command, body)?;
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(
        output.status.success(),
        "curl {arguments:?}: {said}{errors}"
    );
    Ok(said)
}

/// Uploads a blob.
pub(crate) fn put_blob(registry: &Registry, repository: &str, bytes: &[u8]) -> Result<()> {
    let begin = format!("http://{}/v2/{repository}/blobs/uploads/", registry.host());
    let head = curl(&["-X", "POST", "-D", "-", "-o", "/dev/null", &begin], b"")?;
    let location = head
        .lines()
        .find_map(|line| line.strip_prefix("Location: "))
        .with_context(|| format!("no place to upload to in {head}"))?;
    let separator = if location.contains('?') { '&' } else { '?' };
    let end = format!("{}{separator}digest={}", location.trim(), digest(bytes));
    let kind = "Content-Type: application/octet-stream";
    curl(
        &["-X", "PUT", "-H", kind, "--data-binary", "@-", &end],
        bytes,
    )
    .map(drop)
}

/// Puts a manifest or an index.
pub(crate) fn put_manifest(
    registry: &Registry,
    repository: &str,
    tag: &str,
    media_type: &str,
    bytes: &[u8],
) -> Result<()> {
    let address = format!("http://{}/v2/{repository}/manifests/{tag}", registry.host());
    let kind = format!("Content-Type: {media_type}");
    curl(
        &["-X", "PUT", "-H", &kind, "--data-binary", "@-", &address],
        bytes,
    )
    .map(drop)
}

/// Runs skopeo, which must succeed; gives what it prints.
pub(crate) fn skopeo(arguments: &[&str]) -> Result<String> {
    let output = Command::new("skopeo")
        .args(["--insecure-policy"])
        .args(arguments)
        .output()
        .context("cannot run skopeo")?;
    let errors = String::from_utf8_lossy(&output.stderr);
    ensure!(output.status.success(), "skopeo {arguments:?}: {errors}");
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}

/// A path as the argument of a program.
pub(crate) fn text(path: &Path) -> Result<&str> {
    path.to_str().context("a path that is no text")
}
