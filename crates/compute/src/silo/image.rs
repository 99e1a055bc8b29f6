//! What a silo is made from: the kernel package, the layers, the host's directories, and a
//! registry of its own.

use std::fs;
use std::path::{Path, PathBuf};

use porthole_wine::KernelPackage;

use super::registry;
use crate::document::SystemPlan;
use crate::error::{Error, ErrorKind, Result};

/// The directory of a layer that holds its part of C:.
pub(super) const LAYER_FILES: &str = "Files";

/// HCS's own text of its own error.
const MISMATCH: &str = "The container operating system does not match the host operating system.";

/// The paths that a silo is built from.
#[derive(Debug)]
pub(super) struct Image {
    pub(super) kernel_root: PathBuf,
    pub(super) registry: PathBuf,
}

fn error(plan: &SystemPlan, kind: ErrorKind, message: impl Into<String>) -> Error {
    Error::new(kind, format!("CreateComputeSystem {}", plan.id), message)
}

/// Checks everything, then makes the registry unless the container has one already.
pub(super) fn make_ready(plan: &SystemPlan, data_root: &Path) -> Result<Image> {
    let kernel_root = kernel(plan, &data_root.join("kernels"))?;
    check(plan)?;
    let registry = registry::own(plan, data_root)?;
    fs::create_dir_all(&plan.sandbox).map_err(|source| {
        let message = format!("cannot make the sandbox {}", plan.sandbox.display());
        error(plan, ErrorKind::Host, message).with_source(source)
    })?;
    Ok(Image {
        kernel_root,
        registry,
    })
}

/// Checks that what C: is made of is there.
pub(super) fn check(plan: &SystemPlan) -> Result<()> {
    check_layers(plan)?;
    check_mapped_directories(plan)
}

fn kernel(plan: &SystemPlan, kernels: &Path) -> Result<PathBuf> {
    let kernel = KernelPackage::current(kernels).map_err(|source| {
        error(plan, ErrorKind::Host, "there is no usable kernel package").with_source(source)
    })?;
    match kernel.build().accept(&plan.wine_build) {
        Ok(()) => Ok(kernel.root()),
        Err(mismatch) => Err(error(plan, ErrorKind::ImageMismatch, MISMATCH).with_source(mismatch)),
    }
}

fn check_layers(plan: &SystemPlan) -> Result<()> {
    match plan
        .layers
        .iter()
        .find(|layer| !layer.join(LAYER_FILES).is_dir())
    {
        None => Ok(()),
        Some(layer) => {
            let message = format!("{} is no layer: it holds no {LAYER_FILES}", layer.display());
            Err(error(plan, ErrorKind::InvalidLayer, message))
        }
    }
}

fn check_mapped_directories(plan: &SystemPlan) -> Result<()> {
    for mapped in &plan.mapped_directories {
        fs::metadata(&mapped.source).map_err(|source| {
            let message = format!("cannot map {} into the container", mapped.source);
            error(plan, ErrorKind::InvalidDocument, message).with_source(source)
        })?;
    }
    Ok(())
}
