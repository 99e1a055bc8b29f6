//! What a silo is made from: the kernel package, the layers, the host's directories, and a
//! registry of its own.

use std::borrow::Cow;
use std::fs;
use std::path::{Path, PathBuf};

use porthole_files::delete_tree;
use porthole_wine::{KernelPackage, RegistryCache, registry};

use crate::document::SystemPlan;
use crate::error::{Error, ErrorKind, Result};

/// The directory of a layer that holds its part of C:.
pub(super) const LAYER_FILES: &str = "Files";

/// The container's registry, beside its sandbox.
const REGISTRY: &str = "registry";

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
    let registry = own_registry(plan, &data_root.join(REGISTRY))?;
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

/// A container keeps its registry from one start to the next.
fn own_registry(plan: &SystemPlan, cache: &Path) -> Result<PathBuf> {
    let failed = |source: Box<dyn std::error::Error + Send + Sync>| {
        let message = "cannot make the container's registry";
        error(plan, ErrorKind::Host, message).with_source(source)
    };
    let container = plan.sandbox.parent().unwrap_or(Path::new("/"));
    let target = container.join(REGISTRY);
    if registry::is_complete(&target) {
        return Ok(target);
    }
    // What is there instead would be in the way. The container may have written it, to any depth.
    delete_tree(&target).map_err(|source| failed(source.into()))?;
    fs::create_dir_all(cache).map_err(|source| failed(source.into()))?;
    let base_first: Vec<&Path> = plan.layers.iter().rev().map(PathBuf::as_path).collect();
    RegistryCache::new(cache)
        .prepare(&chain_id(plan), &base_first)
        .and_then(|merged| merged.clone_into(&target))
        .map_err(|source| failed(source.into()))?;
    Ok(target)
}

/// Names a chain of layers by its topmost: the store names a layer's directory by the layers below
/// it, too, and forgets the merged registry of that name with the layer.
fn chain_id(plan: &SystemPlan) -> Cow<'_, str> {
    let topmost = plan.layers.first().and_then(|layer| layer.file_name());
    topmost.unwrap_or_default().to_string_lossy()
}
