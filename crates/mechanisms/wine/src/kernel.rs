//! The installed kernel packages, and which one is current.
//!
//! ```text
//! kernels/<id>/root/          Wine's Unix side: a silo's read-only /
//! kernels/<id>/kernel.json    what it is: a KernelDescription
//! kernels/current             symbolic link to <id>
//! ```

use std::fs;
use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::build::{Variant, WineBuild};
use crate::error::{Error, ErrorKind, IoContext, Result};

/// The file that describes a kernel package.
pub const DESCRIPTION_FILE: &str = "kernel.json";

/// The directory of a kernel package that silos see as `/`.
pub const ROOT_DIRECTORY: &str = "root";

/// The link that names the current kernel package.
pub const CURRENT_LINK: &str = "current";

/// `kernel.json`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct KernelDescription {
    /// The package's ID: the name of its directory.
    pub id: String,
    /// Wine's version as its authors number it, for example `10.0`.
    pub wine: String,
    /// The version of the distribution's package that the files come from.
    pub debian_version: String,
    /// The version of the protocol between wineserver and its clients.
    pub server_protocol: u32,
    /// With or without 32-bit programs.
    pub variant: Variant,
}

impl KernelDescription {
    /// What an image's base must agree with.
    #[must_use]
    pub fn build(&self) -> WineBuild {
        WineBuild {
            wine: self.wine.clone(),
            server_protocol: self.server_protocol,
            variant: self.variant,
        }
    }
}

/// An installed kernel package.
#[derive(Debug, Clone)]
pub struct KernelPackage {
    directory: PathBuf,
    description: KernelDescription,
}

impl KernelPackage {
    /// The current one of those in `kernels`.
    ///
    /// # Errors
    /// [`ErrorKind::NoKernel`] when none is current; otherwise as [`KernelPackage::open`].
    pub fn current(kernels: &Path) -> Result<Self> {
        let link = kernels.join(CURRENT_LINK);
        let id = match fs::read_link(&link) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(no_kernel(
                    kernels,
                    "none is installed; run `porthole base build nanoserver`",
                ));
            }
            id => id.at("read link", &link)?,
        };
        Self::open(kernels, &id.to_string_lossy())
    }

    /// The one with that ID.
    ///
    /// # Errors
    /// [`ErrorKind::NoKernel`] when there is none, [`ErrorKind::Malformed`] when its description
    /// cannot be read as one.
    pub fn open(kernels: &Path, id: &str) -> Result<Self> {
        if id.is_empty() || id.starts_with('.') || id.contains('/') {
            return Err(no_kernel(kernels, &format!("{id:?} is not an ID")));
        }
        let directory = kernels.join(id);
        let path = directory.join(DESCRIPTION_FILE);
        let text = match fs::read(&path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                return Err(no_kernel(kernels, &format!("{id} is not installed")));
            }
            text => text.at("read kernel description", &path)?,
        };
        let description: KernelDescription = serde_json::from_slice(&text).map_err(|error| {
            Error::new(
                ErrorKind::Malformed,
                "read kernel description",
                &path,
                "not a description",
            )
            .with_source(error)
        })?;
        Ok(Self {
            directory,
            description,
        })
    }

    /// The directory that silos see as their read-only `/`.
    #[must_use]
    pub fn root(&self) -> PathBuf {
        self.directory.join(ROOT_DIRECTORY)
    }

    /// The package's own directory.
    #[must_use]
    pub fn directory(&self) -> &Path {
        &self.directory
    }

    /// What it is.
    #[must_use]
    pub const fn description(&self) -> &KernelDescription {
        &self.description
    }

    /// What an image's base must agree with.
    #[must_use]
    pub fn build(&self) -> WineBuild {
        self.description.build()
    }
}

fn no_kernel(kernels: &Path, message: &str) -> Error {
    Error::new(
        ErrorKind::NoKernel,
        "open kernel package in",
        kernels,
        message,
    )
}

#[cfg(test)]
mod tests {
    use super::*;

    const DESCRIPTION: &str = r#"{"id":"k1","wine":"10.0","debian_version":"10.0~repack-6",
        "server_protocol":855,"variant":"wow64"}"#;

    #[test]
    fn opens_the_current_package() {
        let kernels = tempfile::tempdir().unwrap();
        let current = KernelPackage::current(kernels.path());
        assert_eq!(current.unwrap_err().kind(), ErrorKind::NoKernel);
        fs::create_dir(kernels.path().join("k1")).unwrap();
        fs::write(kernels.path().join("k1/kernel.json"), DESCRIPTION).unwrap();
        std::os::unix::fs::symlink("k1", kernels.path().join("current")).unwrap();
        let kernel = KernelPackage::current(kernels.path()).unwrap();
        assert_eq!(kernel.root(), kernels.path().join("k1/root"));
        assert_eq!(kernel.build().to_string(), "10.0/855/wow64");
    }

    #[test]
    fn refuses_other_names_and_content() {
        let kernels = tempfile::tempdir().unwrap();
        for id in ["", "..", "a/b", "absent"] {
            let error = KernelPackage::open(kernels.path(), id).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::NoKernel);
        }
        fs::create_dir(kernels.path().join("k2")).unwrap();
        fs::write(kernels.path().join("k2/kernel.json"), "{}").unwrap();
        let error = KernelPackage::open(kernels.path(), "k2").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Malformed);
    }
}
