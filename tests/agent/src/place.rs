//! Where the parts of a silo are found.

use std::fs;
use std::path::{Path, PathBuf};

use anyhow::{Context as _, Result};

/// Where kernel package, layers and registries lie: `PORTHOLE_DEV_TREE`, else the usual place of
/// a developer's machine. A data root in which a container has run will do.
pub(crate) fn tree() -> PathBuf {
    std::env::var_os("PORTHOLE_DEV_TREE")
        .map_or_else(|| PathBuf::from("/var/lib/porthole-dev"), PathBuf::from)
}

/// Where the probes are: `PORTHOLE_PROBES`, else where `cargo xtask guest` puts them.
pub(crate) fn probes() -> PathBuf {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/guest/probes");
    std::env::var_os("PORTHOLE_PROBES").map_or(built, PathBuf::from)
}

/// The entry of `directory` named `base`, or, in a data root, whose names are digests, the first
/// that holds `proof`.
fn entry(directory: &Path, base: &str, proof: &str) -> Result<PathBuf> {
    let named = directory.join(base);
    if named.join(proof).exists() {
        return Ok(named);
    }
    let entries = fs::read_dir(directory).with_context(|| directory.display().to_string())?;
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    let found = paths.into_iter().find(|path| path.join(proof).exists());
    found.with_context(|| format!("no {proof} in {}", directory.display()))
}

/// The files of `base`, a layer with the agent.
pub(crate) fn files(base: &str) -> Result<PathBuf> {
    let agent = "Files/Windows/System32/cexecsvc.exe";
    Ok(entry(&tree().join("layers"), base, agent)?.join("Files"))
}

/// The merged registry of `base`.
pub(crate) fn registry(base: &str) -> Result<PathBuf> {
    entry(&tree().join("registry"), base, "system.reg")
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
