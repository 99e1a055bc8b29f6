//! `docker diff`: what a container changed on its drive C:.

use std::collections::BTreeMap;

use porthole_compute_service::registry::RegistryChanges;
use porthole_layers as layers;

use crate::container::handle::Handle;
use crate::container::hives;
use crate::container::state::Phase;
use crate::context::Context;
use crate::error::{Error, Result};

/// What happened to a file or a directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ChangeKind {
    /// It was there and is different, or something in it is.
    Modified,
    /// It is new.
    Added,
    /// It is gone.
    Deleted,
}

/// A file or directory that is not as in the image.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// `C:\…`.
    pub path: String,
    /// What happened.
    pub kind: ChangeKind,
}

/// Lists them by path; without the registry's files where the registry cannot be had, for a reason
/// that is logged.
pub(crate) async fn changes(context: &Context, handle: &Handle) -> Result<Vec<Change>> {
    let container = handle.ledger.read();
    if matches!(container.state.phase, Phase::Removing | Phase::Dead) {
        return Err(Error::conflict(
            "container is marked for removal and its changes cannot be listed",
        ));
    }
    // A removal waits until the files have been looked at.
    let copy = handle.copies.begin().await;
    let storage = context.records.storage(&container.id).await?;
    let files = context.records.work(move |_| {
        let _copy = copy;
        let lowers: Vec<_> = storage.layers.iter().map(AsRef::as_ref).collect();
        layers::changes(&storage.sandbox.join("upper"), &lowers)
            .map_err(|error| Error::system("cannot compare the files").with_source(error))
    });
    let files = files.await?;
    // What a container made of its registry takes nothing away from what is known of its files.
    let registry = hives::changes(context, handle).await;
    let registry = registry.unwrap_or_else(|error| {
        let error: &dyn std::error::Error = &error;
        tracing::warn!(
            container = container.id,
            error,
            "its changes are told without the registry"
        );
        RegistryChanges::default()
    });
    let changed = registry.hives.iter().map(|change| change.hive);
    let hives = changed.map(|hive| hives::path(&container, hive));
    Ok(merged(files.into_iter().map(shown), hives))
}

fn shown(change: layers::Change) -> Change {
    Change {
        path: change.path,
        kind: match change.kind {
            layers::ChangeKind::Modified => ChangeKind::Modified,
            layers::ChangeKind::Added => ChangeKind::Added,
            layers::ChangeKind::Deleted => ChangeKind::Deleted,
        },
    }
}

/// Changed files, and hives with the directories that lead to them, each once.
fn merged(files: impl Iterator<Item = Change>, hives: impl Iterator<Item = String>) -> Vec<Change> {
    // Names compare without case, and a directory comes before what is in it.
    let key = |path: &str| path.to_lowercase().replace('\\', "\u{1}");
    let mut by_path: BTreeMap<String, Change> =
        files.map(|change| (key(&change.path), change)).collect();
    for hive in hives {
        let ends = hive.match_indices('\\').map(|(end, _)| end).skip(1);
        for end in ends.chain([hive.len()]) {
            let path = &hive[..end];
            by_path.entry(key(path)).or_insert_with(|| Change {
                path: path.to_owned(),
                kind: ChangeKind::Modified,
            });
        }
    }
    by_path.into_values().collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hive_brings_the_directories_that_lead_to_it() {
        let file = |path: &str, kind| Change {
            path: path.to_owned(),
            kind,
        };
        let files = [
            file(r"C:\Windows", ChangeKind::Modified),
            file(r"C:\windows\a", ChangeKind::Added),
            file(r"C:\gone", ChangeKind::Deleted),
        ];
        let hives = [r"C:\Windows\System32\config\SYSTEM".to_owned()];
        let merged = merged(files.into_iter(), hives.into_iter());
        let shown: Vec<_> = merged
            .iter()
            .map(|change| (change.path.as_str(), change.kind))
            .collect();
        assert_eq!(
            shown,
            [
                (r"C:\gone", ChangeKind::Deleted),
                (r"C:\Windows", ChangeKind::Modified),
                (r"C:\windows\a", ChangeKind::Added),
                (r"C:\Windows\System32", ChangeKind::Modified),
                (r"C:\Windows\System32\config", ChangeKind::Modified),
                (r"C:\Windows\System32\config\SYSTEM", ChangeKind::Modified),
            ]
        );
    }
}
