//! Builds a kernel package: Wine's Unix side and all that it needs, as a silo's read-only `/`.

mod protocol;
mod tree;

use std::fs;
use std::path::{Path, PathBuf};

use porthole_files::{rename_synced, sync_tree};
use porthole_wine::kernel::{CURRENT_LINK, DESCRIPTION_FILE, KernelDescription, ROOT_DIRECTORY};
use porthole_wine::{KernelPackage, Variant};

use crate::cache::{self, Cache};
use crate::error::{Error, ErrorKind, IoContext, Result};
use crate::kernel_list::{self, KernelList};
use crate::manifest::Manifest;
use crate::progress::Progress;
use crate::sources::Sources;

/// Installs the kernel package of `sources` in `kernels`, if it is not there, and makes it current.
/// `system_directory` holds the PE files and data that wineserver needs to start.
pub(crate) fn install(
    kernels: &Path,
    cache: &Cache,
    sources: &Sources,
    system_directory: &Path,
    progress: &dyn Progress,
) -> Result<KernelPackage> {
    let id = id(sources);
    let directory = kernels.join(&id);
    if !directory.join(DESCRIPTION_FILE).exists() {
        progress.begin("building the kernel package", 0);
        let temporary = cache.temporary("kernel")?;
        build(&temporary, &id, cache, sources, system_directory)?;
        if directory.exists() {
            fs::remove_dir_all(&directory).at("delete half-made kernel package", &directory)?;
        }
        rename_synced(&temporary, &directory).at("install kernel package", &directory)?;
    }
    make_current(kernels, &id)?;
    KernelPackage::open(kernels, &id).map_err(|error| {
        Error::new(
            ErrorKind::Damaged,
            "open kernel package",
            &id,
            "it cannot be opened",
        )
        .with_source(error)
    })
}

/// The ID of the kernel package that `sources` make.
pub(crate) fn id(sources: &Sources) -> String {
    let packages = sources
        .kernel_packages()
        .map(|package| package.sha256.as_str());
    let parts = [kernel_list::TEXT, tree::FORMAT]
        .into_iter()
        .chain(packages);
    format!("wine-{}-{}", sources.wine_version(), cache::key(parts))
}

fn build(
    directory: &Path,
    id: &str,
    cache: &Cache,
    sources: &Sources,
    system_directory: &Path,
) -> Result<()> {
    let root = directory.join(ROOT_DIRECTORY);
    tree::build(&root, &KernelList::load(), sources)?;
    let description = KernelDescription {
        id: id.to_owned(),
        wine: sources.wine_version().to_owned(),
        debian_version: sources.debian_version().to_owned(),
        server_protocol: protocol::ask(&root, cache, system_directory)?,
        variant: Variant::Wow64,
    };
    Manifest::of(directory, &[ROOT_DIRECTORY], &mut |_| {})?.write(directory)?;
    // Last, because a directory with a description is a complete package.
    let path = directory.join(DESCRIPTION_FILE);
    let text = serde_json::to_vec_pretty(&description).expect("a description is plain data");
    fs::write(&path, text).at("write kernel description", &path)?;
    sync_tree(directory).at("sync", directory)
}

/// Points `current` at the package, in one step.
pub(crate) fn make_current(kernels: &Path, id: &str) -> Result<()> {
    let link = kernels.join(CURRENT_LINK);
    if fs::read_link(&link).is_ok_and(|target| target == Path::new(id)) {
        return Ok(());
    }
    let temporary: PathBuf = kernels.join(".current.tmp");
    let _ = fs::remove_file(&temporary);
    std::os::unix::fs::symlink(id, &temporary).at("create link", &temporary)?;
    rename_synced(&temporary, &link).at("make kernel package current", &link)
}
