//! Where setup puts things.

use std::path::{Path, PathBuf};

/// Paths of this machine.
#[derive(Debug, Clone)]
pub(super) struct Layout {
    root: PathBuf,
}

impl Default for Layout {
    fn default() -> Self {
        Self { root: "/".into() }
    }
}

impl Layout {
    /// The same below another directory.
    #[cfg(test)]
    pub(super) fn below(root: &Path) -> Self {
        Self {
            root: root.to_owned(),
        }
    }

    /// Programs.
    pub(super) fn programs(&self) -> PathBuf {
        self.at("usr/local/bin")
    }

    /// Programs that go into base images, where `porthole base build` looks for them.
    pub(super) fn guest_programs(&self) -> PathBuf {
        self.at("usr/local/lib/porthole/guest")
    }

    /// The configuration.
    pub(super) fn configuration(&self) -> PathBuf {
        self.at("etc/porthole/porthole.toml")
    }

    /// What setup did.
    pub(super) fn manifest(&self) -> PathBuf {
        self.at("etc/porthole/setup.json")
    }

    /// The service's unit: the administrator's directory, for no package brings it.
    pub(super) fn unit(&self) -> PathBuf {
        self.at("etc/systemd/system/portholed.service")
    }

    /// What shells read in addition to what packages bring.
    pub(super) fn share(&self) -> PathBuf {
        self.at("usr/local/share")
    }

    fn at(&self, path: &str) -> PathBuf {
        self.root.join(Path::new(path))
    }
}
