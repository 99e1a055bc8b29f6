//! An image with one layer as an OCI layout, which `skopeo` brings to a registry.

use std::fs::{self, File};
use std::io::{BufWriter, Write};
use std::path::Path;

use anyhow::Result;
use flate2::Compression;
use flate2::write::GzEncoder;
use serde_json::{Value, json};
use sha2::{Digest, Sha256};

/// Counts and hashes what passes.
struct Hashing<W> {
    output: W,
    hasher: Sha256,
    bytes: u64,
}

impl<W: Write> Hashing<W> {
    fn new(output: W) -> Self {
        Self {
            output,
            hasher: Sha256::new(),
            bytes: 0,
        }
    }

    fn digest(self) -> (W, String, u64) {
        let digest = hex::encode(self.hasher.finalize());
        (self.output, digest, self.bytes)
    }
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> std::io::Result<usize> {
        let count = self.output.write(bytes)?;
        self.hasher.update(&bytes[..count]);
        self.bytes += count as u64;
        Ok(count)
    }

    fn flush(&mut self) -> std::io::Result<()> {
        self.output.flush()
    }
}

/// Writes the layout into `directory`; `layer` writes the uncompressed layer. Returns what is left
/// of it compressed, as a share.
pub(super) fn write(
    directory: &Path,
    os: &str,
    layer: impl FnOnce(&mut dyn Write) -> Result<()>,
) -> Result<f64> {
    let blobs = directory.join("blobs/sha256");
    fs::create_dir_all(&blobs)?;
    let temporary = blobs.join("layer");
    let compressed = Hashing::new(BufWriter::new(File::create(&temporary)?));
    let mut plain = Hashing::new(GzEncoder::new(compressed, Compression::new(6)));
    layer(&mut plain)?;
    let (compressor, diff_id, plain_bytes) = plain.digest();
    let (output, digest, bytes) = compressor.finish()?.digest();
    output.into_inner().map_err(|error| error.into_error())?;
    fs::rename(temporary, blobs.join(&digest))?;
    let layer = descriptor(
        "application/vnd.oci.image.layer.v1.tar+gzip",
        &digest,
        bytes,
    );
    let mut config = json!({
        "architecture": "amd64", "os": os, "config": {},
        "rootfs": { "type": "layers", "diff_ids": [format!("sha256:{diff_id}")] },
        "history": [{ "created_by": "files" }],
    });
    if os == "windows" {
        config["os.version"] = json!("10.0.20348.2700");
    }
    let config = blob(&blobs, "application/vnd.oci.image.config.v1+json", &config)?;
    let manifest_type = "application/vnd.oci.image.manifest.v1+json";
    let manifest = json!({
        "schemaVersion": 2, "mediaType": manifest_type, "config": config, "layers": [layer],
    });
    let manifest = blob(&blobs, manifest_type, &manifest)?;
    let index = json!({ "schemaVersion": 2, "manifests": [manifest] });
    fs::write(directory.join("index.json"), index.to_string())?;
    fs::write(
        directory.join("oci-layout"),
        r#"{"imageLayoutVersion":"1.0.0"}"#,
    )?;
    Ok(bytes as f64 / plain_bytes as f64)
}

fn blob(blobs: &Path, media_type: &str, document: &Value) -> Result<Value> {
    let text = document.to_string();
    let digest = hex::encode(Sha256::digest(text.as_bytes()));
    fs::write(blobs.join(&digest), &text)?;
    Ok(descriptor(media_type, &digest, text.len() as u64))
}

fn descriptor(media_type: &str, digest: &str, size: u64) -> Value {
    json!({ "mediaType": media_type, "digest": format!("sha256:{digest}"), "size": size })
}
