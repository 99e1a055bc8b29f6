//! Where the parts of a silo are found.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// A data root with a kernel package and both bases, in which a container of each has run:
/// `PORTHOLE_TEST_DATA_ROOT`, else the one that `cargo xtask test` makes.
pub(crate) fn tree() -> PathBuf {
    std::env::var_os("PORTHOLE_TEST_DATA_ROOT")
        .map_or_else(|| PathBuf::from("/var/lib/porthole-test"), PathBuf::from)
}

/// Where the probes are: `PORTHOLE_PROBES`, else where `cargo xtask guest` puts them.
pub(crate) fn probes() -> PathBuf {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/guest/probes");
    std::env::var_os("PORTHOLE_PROBES").map_or(built, PathBuf::from)
}

/// The layer of `base`. Layers are named by digests; of the two bases only servercore has the
/// installer.
fn layer(base: &str) -> Result<PathBuf> {
    let layers = tree().join("layers");
    let entries = fs::read_dir(&layers).with_context(|| layers.display().to_string())?;
    let system = Path::new("Files/Windows/System32");
    let found = entries
        .flatten()
        .filter(|entry| {
            let system = entry.path().join(system);
            let complete = system.join("msiexec.exe").exists();
            system.join("cexecsvc.exe").exists() && complete == (base == "servercore")
        })
        // Earlier builds of the base may be there too.
        .max_by_key(|entry| {
            entry
                .metadata()
                .and_then(|metadata| metadata.modified())
                .ok()
        })
        .map(|entry| entry.path());
    found.with_context(|| format!("no {base} in {}", layers.display()))
}

/// The files of `base`.
pub(crate) fn files(base: &str) -> Result<PathBuf> {
    Ok(layer(base)?.join("Files"))
}

/// The merged registry of `base`, made when its first container was.
pub(crate) fn registry(base: &str) -> Result<PathBuf> {
    let name = layer(base)?;
    let name = name.file_name().context("a layer has a name")?;
    let name = name.to_string_lossy();
    let registries = tree().join("registry");
    // Its name begins with that of the layer.
    let merged = fs::read_dir(&registries)
        .with_context(|| registries.display().to_string())?
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(&*name))
        .map(|entry| entry.path())
        .find(|merged| merged.join("security.hiv").exists());
    merged.with_context(|| format!("no container of {base} has run"))
}

/// Why silos cannot be made here, if they cannot.
#[must_use]
pub fn unable() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("needs root".to_owned());
    }
    let probe = probes().join("cat.exe");
    if !probe.exists() {
        return Some(format!("needs {}", probe.display()));
    }
    let missing = files("nanoserver").and(registry("nanoserver")).err();
    missing.map(|error| format!("needs a base image: {error:#}"))
}
