//! From the hives of a chain of layers to the text that wineserver reads.

use std::path::Path;

use porthole_registry::hive::{HiveKind, MachineHives};
use porthole_registry::text::{self, Document};
use porthole_registry::{Key, layer, regf};

use super::{DEFAULT_USER_FILE, SYSTEM_FILE, USER_FILE, layer_file};
use crate::error::{Error, ErrorKind, Result};

/// Where a base layer keeps its hives.
const BASE_HIVES: &str = "Files/Windows/System32/config";

/// The template of every user's hive. Wine knows one user, so it serves whatever the account.
const USER_HIVE: &str = "Files/Users/Default/NTUSER.DAT";

/// Merges the layers, the base first, and gives the name and text of each file.
pub(super) fn merge(layers: &[&Path]) -> Result<[(&'static str, Vec<u8>); 3]> {
    let machine = MachineHives {
        system: merge_hive(layers, HiveKind::System)?,
        software: merge_hive(layers, HiveKind::Software)?,
        sam: merge_hive(layers, HiveKind::Sam)?,
        security: merge_hive(layers, HiveKind::Security)?,
        rest: Key::default(),
    };
    let default_user = merge_hive(layers, HiveKind::Default)?;
    let user = user_hive(layers)?;
    let text = |root, tree| text::write(&Document::new(root, tree));
    Ok([
        (SYSTEM_FILE, text(text::MACHINE, machine.join())),
        (USER_FILE, text(text::USER, user)),
        (DEFAULT_USER_FILE, text(text::DEFAULT_USER, default_user)),
    ])
}

fn merge_hive(layers: &[&Path], kind: HiveKind) -> Result<Key> {
    let Some((base, deltas)) = layers.split_first() else {
        return Ok(Key::default());
    };
    let path = format!("{BASE_HIVES}/{}", kind.file_name());
    let mut tree = read_hive(base, &path)?.ok_or_else(|| missing(base, &path))?;
    for delta in deltas {
        if let Some(delta) = read_hive(delta, &format!("Hives/{}", kind.delta_name()))? {
            layer::merge(&mut tree, delta);
        }
    }
    Ok(tree)
}

/// A user's hive is an ordinary file: the topmost layer that has one counts.
fn user_hive(layers: &[&Path]) -> Result<Key> {
    for layer in layers.iter().rev() {
        if let Some(tree) = read_hive(layer, USER_HIVE)? {
            return Ok(tree);
        }
    }
    Ok(Key::default())
}

/// The tree of a hive file; nothing when there is no such file. Base layers made by other tools
/// have empty files as hives, which stand for empty trees.
fn read_hive(layer: &Path, path: &str) -> Result<Option<Key>> {
    let Some(bytes) = layer_file::read(layer, path)? else {
        return Ok(None);
    };
    if bytes.is_empty() {
        return Ok(Some(Key::default()));
    }
    let hive = regf::read(&bytes).map_err(|error| {
        Error::new(
            ErrorKind::Malformed,
            "read hive",
            &layer.join(path),
            "not a sound hive",
        )
        .with_source(error)
    })?;
    Ok(Some(hive.root))
}

fn missing(base: &Path, path: &str) -> Error {
    let message = "a base layer must have this hive";
    Error::new(ErrorKind::Malformed, "read hive", &base.join(path), message)
}
