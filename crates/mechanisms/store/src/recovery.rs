//! Making files and records agree again after a crash.

use std::collections::HashSet;
use std::path::{Path, PathBuf};

use porthole_oci::Digest;
use rusqlite::Transaction;

use crate::error::{Error, IoContext, Result};
use crate::image_rows;
use crate::images;
use crate::removal::{MovedAside, SUFFIX, aside};
use crate::staging;
use crate::store::Store;

/// What recovery found and did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Directories of unfinished work that were deleted.
    pub abandoned: usize,
    /// Layers, blobs and containers without a record that were deleted.
    pub orphans: Vec<PathBuf>,
    /// Removals that had not been committed and were undone.
    pub restored: Vec<PathBuf>,
    /// Containers that were forgotten because their directories are gone.
    pub lost_containers: Vec<String>,
    /// Layers and blobs of images that are gone. Nothing of ours deletes them: somebody did.
    pub damaged: Vec<PathBuf>,
}

/// Cleans up. Only for the process that holds the daemon's lock: it forgets containers.
pub(crate) fn recover(store: &Store) -> Result<Recovery> {
    let mut recovery = Recovery {
        abandoned: staging::delete_abandoned(&store.root().staging())?,
        ..Recovery::default()
    };
    let mut garbage = MovedAside::default();
    store.write(
        "recover",
        &store.root().path().display().to_string(),
        |transaction| {
            sweep_images(store, transaction, &mut garbage, &mut recovery)?;
            sweep_containers(store, transaction, &mut garbage, &mut recovery)?;
            images::remove_unreferenced(transaction, store.root(), &mut garbage)
        },
    )?;
    garbage.delete();
    Ok(recovery)
}

/// Deletes layers and blobs that no record names.
pub(crate) fn sweep(store: &Store) -> Result<()> {
    let mut garbage = MovedAside::default();
    let mut recovery = Recovery::default();
    store.write(
        "sweep",
        &store.root().path().display().to_string(),
        |transaction| sweep_images(store, transaction, &mut garbage, &mut recovery),
    )?;
    garbage.delete();
    Ok(())
}

fn sweep_images(
    store: &Store,
    transaction: &Transaction<'_>,
    garbage: &mut MovedAside,
    recovery: &mut Recovery,
) -> Result<()> {
    let root = store.root();
    let names = |sql| -> Result<HashSet<String>> {
        Ok(image_rows::digests(transaction, sql, [])?
            .into_iter()
            .map(|digest| digest.hex())
            .collect())
    };
    let layers = names("SELECT id FROM layers")?;
    let blobs = names("SELECT digest FROM blobs")?;
    for (directory, known) in [(root.layers(), &layers), (root.blobs(), &blobs)] {
        let missing = reconcile(&directory, known, garbage, recovery)?;
        recovery
            .damaged
            .extend(missing.into_iter().map(|name| directory.join(name)));
    }
    // A cache, and another process may be filling it: only what certainly belongs to no layer goes.
    for name in list(&root.registries())? {
        let layer = name
            .get(..64)
            .filter(|prefix| Digest::from_hex(prefix).is_ok());
        if layer.is_some_and(|layer| !layers.contains(layer)) {
            garbage.add(&root.registries().join(&name))?;
        }
    }
    Ok(())
}

fn sweep_containers(
    store: &Store,
    transaction: &Transaction<'_>,
    garbage: &mut MovedAside,
    recovery: &mut Recovery,
) -> Result<()> {
    let failed = |error| Error::database("recover", "containers", error);
    let known: HashSet<String> = transaction
        .prepare("SELECT id FROM containers")
        .and_then(|mut query| query.query_map([], |row| row.get(0))?.collect())
        .map_err(failed)?;
    for id in reconcile(&store.root().containers(), &known, garbage, recovery)? {
        transaction
            .execute("DELETE FROM containers WHERE id = ?1", [&id])
            .map_err(failed)?;
        recovery.lost_containers.push(id);
    }
    Ok(())
}

/// Moves aside what is in `directory` but not `known`, undoes removals that had not been
/// committed, and returns what is known but not there.
fn reconcile(
    directory: &Path,
    known: &HashSet<String>,
    garbage: &mut MovedAside,
    recovery: &mut Recovery,
) -> Result<Vec<String>> {
    let mut missing = known.clone();
    let present: HashSet<String> = list(directory)?.into_iter().collect();
    for name in &present {
        let path = directory.join(name);
        if known.contains(name) {
            missing.remove(name);
            continue;
        }
        let removed = name.strip_suffix(SUFFIX);
        match removed.filter(|name| known.contains(*name) && !present.contains(*name)) {
            Some(name) => {
                let original = directory.join(name);
                std::fs::rename(aside(&original), &original).at("undo removal", &original)?;
                missing.remove(name);
                recovery.restored.push(original);
            }
            None => {
                garbage.add(&path)?;
                recovery.orphans.push(path);
            }
        }
    }
    Ok(missing.into_iter().collect())
}

/// The names in a directory.
pub(crate) fn list(directory: &Path) -> Result<Vec<String>> {
    const OPERATION: &str = "list directory";
    let mut names = Vec::new();
    for entry in std::fs::read_dir(directory).at(OPERATION, directory)? {
        let name = entry.at(OPERATION, directory)?.file_name();
        // What is not UTF-8 is not ours.
        names.extend(name.into_string().ok());
    }
    Ok(names)
}
