//! What goes wrong between registries and this host.

use anyhow::{Context as _, Result, ensure};
use porthole_e2e::registry::{Registry, digest};
use serde_json::json;

use super::site::{Site, check_store};
use crate::Fixture;

pub(super) fn failures(fixture: &Fixture) -> Result<()> {
    let registry = Registry::open()?;
    let directory = tempfile::tempdir()?;
    let site = Site::start(fixture, fixture.place.clone(), directory.path(), &registry)?;
    let outcome = fail(&site, &registry);
    site.server.stop()?;
    outcome?;
    check_store(fixture, &["--content"])
}

fn fail(site: &Site, registry: &Registry) -> Result<()> {
    let name = format!("{}/none:1", registry.name());
    let missing = site.run(&["pull", &name])?;
    ensure!(
        missing.code == 1 && missing.stderr.contains("not found"),
        "{missing:?}"
    );
    let local = site.run(&["push", "porthole/nanoserver"])?;
    ensure!(
        local.code == 1 && local.stderr.contains("give the image another name"),
        "{local:?}"
    );

    put_linux(registry)?;
    for (tag, words) in [
        ("index", "no matching manifest for windows/amd64"),
        ("image", "image operating system \"linux\" cannot be used"),
    ] {
        let refused = site.run(&["run", &format!("{}/linux:{tag}", registry.name())])?;
        ensure!(
            refused.code == 125 && refused.stderr.contains(words),
            "{refused:?}"
        );
        ensure!(
            refused.stderr.contains("Porthole runs Windows images"),
            "{refused:?}"
        );
    }

    lost_layer(site, registry)
}

/// An image of Linux, and an index that has nothing else.
fn put_linux(registry: &Registry) -> Result<()> {
    let config = json!({
        "os": "linux",
        "architecture": "amd64",
        "rootfs": { "type": "layers", "diff_ids": [] },
    });
    let config = config.to_string();
    let media_type = "application/vnd.oci.image.manifest.v1+json";
    let manifest = json!({
        "schemaVersion": 2,
        "mediaType": media_type,
        "config": {
            "mediaType": "application/vnd.oci.image.config.v1+json",
            "digest": registry.put_blob("linux", config.as_bytes())?,
            "size": config.len(),
        },
        "layers": [],
    });
    let manifest = manifest.to_string();
    registry.put_manifest("linux", "image", media_type, &manifest)?;
    let index_type = "application/vnd.oci.image.index.v1+json";
    let index = json!({
        "schemaVersion": 2,
        "mediaType": index_type,
        "manifests": [{
            "mediaType": media_type,
            "digest": digest(manifest.as_bytes())?,
            "size": manifest.len(),
            "platform": { "os": "linux", "architecture": "amd64" },
        }],
    });
    registry.put_manifest("linux", "index", index_type, &index.to_string())
}

/// A layer whose bytes are gone.
fn lost_layer(site: &Site, registry: &Registry) -> Result<()> {
    site.ok(&["create", "--name", "e2e-lost", "porthole/nanoserver", "cmd"])?;
    let name = format!("{}/lost:1", registry.name());
    site.ok(&["commit", "e2e-lost", &name])?;
    site.ok(&["rm", "e2e-lost"])?;
    site.ok(&["push", &name])?;
    site.ok(&["rmi", &name])?;
    let manifest = site.ok(&["manifest", "inspect", "--insecure", &name])?;
    let manifest: serde_json::Value = serde_json::from_str(&manifest)?;
    let top = manifest["layers"]
        .as_array()
        .and_then(|layers| layers.last());
    let top = top
        .and_then(|layer| layer["digest"].as_str())
        .context("no layer")?;
    registry.lose(top)?;
    let lost = site.run(&["pull", &name])?;
    ensure!(lost.code == 1, "{lost:?}");
    ensure!(
        site.run(&["inspect", &name])?.code == 1,
        "half an image is there"
    );
    Ok(())
}
