//! From the hives of a chain of layers to trees, and to the text that wineserver reads.

use std::path::Path;

use porthole_registry::hive::{HiveKind, MachineHives, MountedHive};
use porthole_registry::text::{self, Document};
use porthole_registry::{Key, descriptors, layer, regf};
use sha2::{Digest, Sha256};

use super::layer_file::{self, Found};
use super::{DEFAULT_USER_FILE, SYSTEM_FILE, USER_FILE};
use crate::environment::Account;
use crate::error::{Error, ErrorKind, Result};
use crate::version::OsVersion;

/// Where a base layer keeps its hives.
const BASE_HIVES: &str = "Files/Windows/System32/config";

/// The template of every user's hive.
const TEMPLATE_USER: &str = "Default";

/// The link to the control set in use.
const CURRENT_CONTROL_SET: &str = "CurrentControlSet";

/// Part of every name in the cache: another when the same layers give other files.
const FORMAT: u8 = 2;

/// A chain of layers with what else its registry depends on.
#[derive(Debug, Clone, Copy)]
pub struct Chain<'a> {
    /// The layers' directories (which hold `Files` and `Hives`), the base first. What is in them is
    /// not trusted.
    pub layers: &'a [&'a Path],
    /// The version of Windows that programs are to see, where it is not the base's.
    pub os_version: Option<OsVersion>,
    /// The account whose hive is the user's.
    ///
    /// Wine knows one user, so there is one user hive: the topmost layer's
    /// `Users\<account>\NTUSER.DAT` where any layer has one, as a commit leaves it, and otherwise
    /// the topmost layer's template, `Users\Default\NTUSER.DAT`. A layer that removes the account's
    /// hive, or the profile with it, or puts something else in their place, leads back to the
    /// template.
    pub account: Account,
}

impl Chain<'_> {
    /// Names the chain in a cache: by its topmost layer, so that what is cached can be found when
    /// the layer goes, and by all else.
    ///
    /// # Errors
    /// `Malformed` when there is no layer, or its directory has no usable name.
    pub(super) fn name(&self) -> Result<String> {
        let name = |layer: &&Path| {
            layer
                .file_name()
                .unwrap_or_default()
                .as_encoded_bytes()
                .to_vec()
        };
        let topmost = self.layers.last().map(name).unwrap_or_default();
        let topmost = String::from_utf8(topmost).unwrap_or_default();
        if topmost.is_empty() || topmost.starts_with('.') {
            let message = format!("{topmost:?} is not the ID of a layer");
            let layer = self.layers.last().copied().unwrap_or(Path::new(""));
            return Err(Error::new(
                ErrorKind::Malformed,
                "merge registry of",
                layer,
                message,
            ));
        }
        let mut hash = Sha256::new_with_prefix([FORMAT]);
        for layer in self.layers {
            hash.update(name(layer));
            hash.update([0]);
        }
        if let Some(version) = self.os_version {
            hash.update(version.to_string());
        }
        hash.update([0]);
        if matches!(self.own_user_hive()?, Some(Found::File(_))) {
            hash.update(self.account.name());
        }
        let hash: String = hash.finalize()[..8]
            .iter()
            .map(|byte| format!("{byte:02x}"))
            .collect();
        Ok(format!("{topmost}-{hash}"))
    }

    /// The topmost layer's word on the account's own hive; nothing when no layer has any.
    fn own_user_hive(&self) -> Result<Option<Found>> {
        Ok(find_topmost(self.layers, &user_hive(self.account.name()))?.map(|(_, found)| found))
    }

    /// Merges the layers.
    ///
    /// # Errors
    /// `Malformed` naming layer and hive when the base lacks a hive, or one is none; a failure of
    /// the file system.
    pub(super) fn merge(&self) -> Result<Merged> {
        let mut hives = Vec::with_capacity(MountedHive::ALL.len());
        for hive in MountedHive::ALL {
            hives.push(match hive {
                MountedHive::Image(kind) => merge_hive(self.layers, kind)?,
                MountedHive::User => self.user()?,
            });
        }
        let mut merged = Merged { hives };
        if let (Some(version), false) = (self.os_version, self.layers.is_empty()) {
            version.write(merged.hive_mut(MountedHive::Image(HiveKind::Software)));
        }
        Ok(merged)
    }

    fn user(&self) -> Result<Key> {
        for user in [self.account.name(), TEMPLATE_USER] {
            let path = user_hive(user);
            if let Some((layer, Found::File(file))) = find_topmost(self.layers, &path)? {
                let bytes = layer_file::read(file, layer, &path)?;
                return parse(layer, &path, &bytes, text::MAX_DEPTH);
            }
        }
        Ok(Key::default())
    }
}

fn user_hive(user: &str) -> String {
    format!("Files/Users/{user}/NTUSER.DAT")
}

/// The file that shows at `path`, or what hides all below it, with its layer.
fn find_topmost<'a>(layers: &[&'a Path], path: &str) -> Result<Option<(&'a Path, Found)>> {
    for layer in layers.iter().rev() {
        match layer_file::find(layer, path)? {
            Found::Nothing => {}
            found => return Ok(Some((layer, found))),
        }
    }
    Ok(None)
}

/// The trees of all hives.
#[derive(Debug)]
pub(super) struct Merged {
    /// In the order of [`MountedHive::ALL`].
    hives: Vec<Key>,
}

impl Merged {
    fn position(hive: MountedHive) -> usize {
        let found = MountedHive::ALL.iter().position(|other| *other == hive);
        found.unwrap_or_default()
    }

    fn hive_mut(&mut self, hive: MountedHive) -> &mut Key {
        &mut self.hives[Self::position(hive)]
    }

    fn take(&mut self, kind: HiveKind) -> Key {
        std::mem::take(self.hive_mut(MountedHive::Image(kind)))
    }

    /// Every hive with its tree.
    pub(super) fn hives(&self) -> impl Iterator<Item = (MountedHive, &Key)> {
        MountedHive::ALL.into_iter().zip(&self.hives)
    }

    /// A tree of the security descriptors, with a subkey for each hive, by its file's name.
    pub(super) fn descriptors(&self) -> Key {
        let mut all = Key::default();
        for (hive, tree) in self.hives() {
            all.insert_subkey(hive.file_name(), descriptors::descriptors(tree));
        }
        all
    }

    /// Name and text of each file that wineserver reads.
    pub(super) fn into_texts(mut self) -> [(&'static str, Vec<u8>); 3] {
        let machine = MachineHives {
            system: self.take(HiveKind::System),
            software: self.take(HiveKind::Software),
            sam: self.take(HiveKind::Sam),
            security: self.take(HiveKind::Security),
            rest: Key::default(),
        };
        let default_user = self.take(HiveKind::Default);
        let user = std::mem::take(self.hive_mut(MountedHive::User));
        let text = |root, tree| text::write(&Document::new(root, tree));
        [
            (SYSTEM_FILE, text(text::MACHINE, machine.join())),
            (USER_FILE, text(text::USER, user)),
            (DEFAULT_USER_FILE, text(text::DEFAULT_USER, default_user)),
        ]
    }
}

fn merge_hive(layers: &[&Path], kind: HiveKind) -> Result<Key> {
    let Some((base, deltas)) = layers.split_first() else {
        return Ok(Key::default());
    };
    let path = format!("{BASE_HIVES}/{}", kind.file_name());
    // In the text the machine's hives are below keys.
    let depth = text::MAX_DEPTH - usize::from(kind.machine_key().is_some());
    let mut tree = read_hive(base, &path, depth)?.ok_or_else(|| missing(base, &path))?;
    for layer in deltas {
        let path = format!("Hives/{}", kind.delta_name());
        if let Some(delta) = read_hive(layer, &path, depth)? {
            let behind_link = behind_link(&tree, delta);
            behind_link
                .into_iter()
                .for_each(|delta| layer::merge(&mut tree, delta));
        }
    }
    Ok(tree)
}

/// The delta, and after it what it says of the link to the current control set as if that were a
/// key: where it is made with tools that know of no link, this is about the set that it leads to.
fn behind_link(tree: &Key, mut delta: Key) -> Vec<Key> {
    let target = tree
        .subkey(CURRENT_CONTROL_SET)
        .filter(|key| key.symlink)
        .and_then(|link| link.value("SymbolicLinkValue")?.as_string());
    let is_plain = |key: &Key| !key.symlink && key.layering.semantics == layer::Semantics::Merge;
    let (Some(target), true) = (
        target,
        delta.subkey(CURRENT_CONTROL_SET).is_some_and(is_plain),
    ) else {
        return vec![delta];
    };
    let mut behind = Key::new(delta.last_write);
    behind.layering.inherit_class = true;
    let name = target.rsplit('\\').next().unwrap_or_default();
    if let (Some(key), false) = (delta.remove_subkey(CURRENT_CONTROL_SET), name.is_empty()) {
        behind.insert_subkey(name, key);
    }
    vec![delta, behind]
}

/// The tree of a hive file; nothing when there is no such file.
fn read_hive(layer: &Path, path: &str, depth: usize) -> Result<Option<Key>> {
    match layer_file::find(layer, path)? {
        Found::File(file) => {
            let bytes = layer_file::read(file, layer, path)?;
            parse(layer, path, &bytes, depth).map(Some)
        }
        Found::Nothing | Found::Hidden => Ok(None),
        Found::InTheWay => {
            let message = "a link or something else stands in its way";
            let path = layer.join(path);
            Err(Error::new(
                ErrorKind::Malformed,
                "open hive",
                &path,
                message,
            ))
        }
    }
}

/// Base layers made by other tools have empty files as hives, which stand for empty trees. No key is
/// deeper than the text has place for that the hive becomes.
fn parse(layer: &Path, path: &str, bytes: &[u8], depth: usize) -> Result<Key> {
    if bytes.is_empty() {
        return Ok(Key::default());
    }
    let path = layer.join(path);
    let refused = |message: &str| Error::new(ErrorKind::Malformed, "read hive", &path, message);
    let hive = regf::read(bytes).map_err(|error| refused("not a sound hive").with_source(error))?;
    if hive.root.depth() > depth {
        return Err(refused(&format!("keys nested deeper than {depth} levels")));
    }
    Ok(hive.root)
}

fn missing(base: &Path, path: &str) -> Error {
    let message = "a base layer must have this hive";
    Error::new(ErrorKind::Malformed, "read hive", &base.join(path), message)
}
