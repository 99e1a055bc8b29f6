//! Checks installed kernel packages and bases, byte for byte, and lists them.

use std::fs;

use porthole_store::{Image, Store};
use porthole_wine::KernelPackage;
use porthole_wine::build::LABEL;

use crate::digest;
use crate::error::{Error, ErrorKind, IoContext, Result};
use crate::image;
use crate::manifest::{Difference, DifferenceKind, Manifest};
use crate::options::BaseKind;
use crate::progress::Progress;

/// What a check of one thing found.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Verified {
    /// What was checked, for example `porthole/nanoserver` or `kernel package wine-10.0-…`.
    pub subject: String,
    /// How many bytes were read.
    pub bytes: u64,
    /// How it differs from what was built; nothing when it is sound.
    pub differences: Vec<Difference>,
}

/// A base of the store.
#[derive(Debug, Clone, PartialEq)]
pub struct InstalledBase {
    /// Which.
    pub kind: BaseKind,
    /// Its image.
    pub image: Image,
    /// The Wine build that it names.
    pub wine_build: String,
}

/// The bases of the store, and the current kernel package if there is one.
///
/// # Errors
/// [`ErrorKind::Store`], and [`ErrorKind::Damaged`] for a kernel package that cannot be read.
pub fn list(store: &Store) -> Result<(Vec<InstalledBase>, Option<KernelPackage>)> {
    let mut bases = Vec::new();
    for kind in BaseKind::ALL {
        let image = match store.find_image(&image::reference(kind).to_string()) {
            Err(error) if error.is_not_found() => continue,
            image => image.map_err(|error| image::from_store("look up", kind, error))?,
        };
        let wine_build = image
            .config
            .config
            .labels
            .get(LABEL)
            .cloned()
            .unwrap_or_default();
        bases.push(InstalledBase {
            kind,
            image,
            wine_build,
        });
    }
    let kernel = match KernelPackage::current(&store.root().kernels()) {
        Err(error) if error.kind() == porthole_wine::ErrorKind::NoKernel => None,
        kernel => Some(kernel.map_err(|error| {
            Error::new(
                ErrorKind::Damaged,
                "open",
                "the current kernel package",
                "it cannot be opened",
            )
            .with_source(error)
        })?),
    };
    Ok((bases, kernel))
}

/// Checks every byte of the current kernel package and of the bases of the store.
///
/// # Errors
/// [`ErrorKind::NotFound`] when nothing is installed; [`ErrorKind::Damaged`] and [`ErrorKind::Io`]
/// when something cannot be read. What can be read but is not what was built is no error here but
/// stands in the result.
pub fn verify(store: &Store, progress: &dyn Progress) -> Result<Vec<Verified>> {
    let (bases, kernel) = list(store)?;
    if bases.is_empty() && kernel.is_none() {
        let root = store.root().path().display().to_string();
        return Err(Error::new(
            ErrorKind::NotFound,
            "verify",
            root,
            "no base is installed",
        ));
    }
    let mut found = Vec::new();
    if let Some(kernel) = kernel {
        let manifest = Manifest::read(kernel.directory())?;
        let subject = format!("kernel package {}", kernel.description().id);
        found.push(check(subject, &manifest, kernel.directory(), progress)?);
    }
    for base in bases {
        found.push(check_base(store, &base, progress)?);
    }
    Ok(found)
}

fn check_base(store: &Store, base: &InstalledBase, progress: &dyn Progress) -> Result<Verified> {
    let layer = base.image.layers.first().ok_or_else(|| {
        Error::new(
            ErrorKind::Damaged,
            "verify",
            base.kind.repository(),
            "it has no layer",
        )
    })?;
    let manifest = Manifest::read(&layer.directory)?;
    let mut verified = check(
        base.kind.repository().to_owned(),
        &manifest,
        &layer.directory,
        progress,
    )?;
    if let Some(blob) = layer.blob {
        let path = store.root().blob(blob);
        verified.bytes += fs::metadata(&path).at("look at", &path)?.len();
        if digest::of_file(&path).at("read", &path)? != blob.hex() {
            let path = format!("archive {blob}");
            verified.differences.push(Difference {
                path,
                what: DifferenceKind::Changed,
            });
        }
    }
    Ok(verified)
}

fn check(
    subject: String,
    manifest: &Manifest,
    directory: &std::path::Path,
    progress: &dyn Progress,
) -> Result<Verified> {
    progress.begin(&format!("checking {subject}"), manifest.size());
    let mut bytes = 0;
    let differences = manifest.differences(directory, &mut |count| {
        bytes += count;
        progress.advance(count);
    })?;
    Ok(Verified {
        subject,
        bytes,
        differences,
    })
}
