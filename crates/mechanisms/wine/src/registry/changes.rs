//! What a container changed in the registry that its image gave it, and what lies between the
//! registries of two chains of layers: deltas in regf.

use std::fs;

use porthole_registry::hive::{HiveKind, MountedHive};
use porthole_registry::text;
use porthole_registry::{Key, descriptors, layer, regf};

use super::host_roots::HostRoots;
use super::partial::{Partial, partial};
use super::texts::RegistryTexts;
use super::{CachedRegistry, Chain, DEFAULT_USER_FILE, SYSTEM_FILE, USER_FILE, own};
use crate::error::{Error, ErrorKind, IoContext, Result};

/// All that changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Changes {
    /// Hives that changed, in the order of [`MountedHive::ALL`].
    pub hives: Vec<HiveChange>,
    /// Subkeys of `REGISTRY\Machine` that changed and that no hive of an image holds; the empty name
    /// for its own values.
    pub outside: Vec<String>,
}

/// What changed in one hive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HiveChange {
    /// Which.
    pub hive: MountedHive,
    /// What lies over the old state: regf 1.6.
    pub delta: Vec<u8>,
    /// The old state of what the delta touches.
    pub before: Vec<u8>,
    /// The whole new state, of the user's hive.
    pub whole: Option<Vec<u8>>,
}

impl CachedRegistry {
    /// What a container that was given this registry has made of it, without what is written into
    /// every container's, certificates that its host trusts (`roots`) among it.
    ///
    /// # Errors
    /// `Malformed` when what the container wrote is not Wine's registry text or fits no hive; a
    /// failure of the file system.
    pub fn changes(&self, after: &RegistryTexts, roots: &HostRoots) -> Result<Changes> {
        let mut found = Found::new(roots);
        found.machine(self.partial(SYSTEM_FILE, &after.machine)?);
        found.root(
            MountedHive::Image(HiveKind::Default),
            &self.partial(DEFAULT_USER_FILE, &after.default_user)?,
        );
        found.root(MountedHive::User, &self.partial(USER_FILE, &after.user)?);
        if found.hives.is_empty() {
            let outside = found.outside;
            return Ok(Changes {
                hives: Vec::new(),
                outside,
            });
        }
        let descriptors = self.descriptors()?;
        let hives = found.hives.into_iter().map(|change| {
            let hive = change.hive;
            let whole = match hive {
                MountedHive::User => Some(self.user_with(&change.delta)?),
                MountedHive::Image(_) => None,
            };
            change.write(whole, descriptors.subkey(hive.file_name()))
        });
        Ok(Changes {
            hives: hives.collect::<Result<_>>()?,
            outside: found.outside,
        })
    }

    fn partial(&self, name: &str, after: &[u8]) -> Result<Partial> {
        let path = self.directory.join(name);
        let before = fs::read(&path).at("read cached registry", &path)?;
        let parts = partial(&before, after).map_err(|error| {
            let message = "what a container has made of it is not Wine's registry text";
            Error::new(ErrorKind::Malformed, "compare registry", &path, message).with_source(error)
        })?;
        Ok(parts.unwrap_or_default())
    }

    /// The user's tree with a delta over it.
    fn user_with(&self, delta: &Key) -> Result<Key> {
        let path = self.directory.join(USER_FILE);
        let before = fs::read(&path).at("read cached registry", &path)?;
        let document = text::read(&before).map_err(|error| {
            let message = "not Wine's registry text";
            Error::new(ErrorKind::Malformed, "read cached registry", &path, message)
                .with_source(error)
        })?;
        let mut user = document.tree;
        layer::merge(&mut user, delta.clone());
        Ok(user)
    }
}

/// What lies between the registries of two chains.
///
/// # Errors
/// `Malformed` naming layer and hive where one is none; a failure of the file system.
pub fn between_chains(before: &Chain<'_>, after: &Chain<'_>) -> Result<Changes> {
    let (before, after) = (before.merge()?, after.merge()?);
    let pairs = before.hives().zip(after.hives());
    let hives = pairs.filter_map(|((hive, before), (_, after))| {
        let delta = layer::difference(before, after)?;
        let change = Change::of(hive, before, delta);
        let whole = (hive == MountedHive::User).then(|| after.clone());
        Some(change.write(whole, Some(&descriptors::descriptors(before))))
    });
    Ok(Changes {
        hives: hives.collect::<Result<_>>()?,
        outside: Vec::new(),
    })
}

/// What was found by comparing texts, which name no security descriptors.
struct Found<'a> {
    roots: &'a HostRoots,
    hives: Vec<Change>,
    outside: Vec<String>,
}

/// A change as trees.
struct Change {
    hive: MountedHive,
    delta: Key,
    before: Key,
}

impl<'a> Found<'a> {
    fn new(roots: &'a HostRoots) -> Self {
        Self {
            roots,
            hives: Vec::new(),
            outside: Vec::new(),
        }
    }

    /// Takes the machine's root apart into hives.
    fn machine(&mut self, parts: Partial) {
        let Partial { mut old, mut new } = parts;
        for kind in HiveKind::MACHINE {
            let Some(name) = kind.machine_key() else {
                continue;
            };
            let take = |root: &mut Key| root.remove_subkey(name).unwrap_or_default();
            let (old, new) = (take(&mut old), take(&mut new));
            self.root(MountedHive::Image(kind), &Partial { old, new });
        }
        // What is left lies in no hive.
        let Some(delta) = layer::difference(&old, &new) else {
            return;
        };
        let names = delta.subkeys().map(|(name, _)| name.to_string());
        self.outside.extend(names);
        let mut itself = delta;
        itself.retain_subkeys(|_, _| false);
        if !own::says_nothing(Some(&old), &itself) {
            self.outside.push(String::new());
        }
    }

    fn root(&mut self, hive: MountedHive, parts: &Partial) {
        let Some(mut delta) = layer::difference(&parts.old, &parts.new) else {
            return;
        };
        own::forget(hive, &parts.old, &mut delta, self.roots);
        if !own::says_nothing(Some(&parts.old), &delta) {
            self.hives.push(Change::of(hive, &parts.old, delta));
        }
    }
}

impl Change {
    fn of(hive: MountedHive, old: &Key, delta: Key) -> Self {
        let before = layer::touched(old, &delta);
        Self {
            hive,
            delta,
            before,
        }
    }

    /// Writes the trees as hives; `from` says the security of keys that do not say it themselves.
    fn write(mut self, whole: Option<Key>, from: Option<&Key>) -> Result<HiveChange> {
        let from = from.cloned().unwrap_or_default();
        for tree in [&mut self.delta, &mut self.before] {
            descriptors::describe(tree, &from);
        }
        let name = match self.hive {
            MountedHive::Image(kind) => kind.delta_name(),
            MountedHive::User => self.hive.file_name(),
        };
        let whole = whole.map(|mut whole| {
            descriptors::describe(&mut whole, &from);
            regf::Hive::new(self.hive.file_name(), whole)
        });
        let write = |hive: regf::Hive| {
            regf::write(&hive).map_err(|error| {
                let (operation, subject) = ("write changes of", self.hive.mount().as_ref());
                let message = "they fit no hive";
                Error::new(ErrorKind::Malformed, operation, subject, message).with_source(error)
            })
        };
        Ok(HiveChange {
            hive: self.hive,
            delta: write(regf::Hive::delta(name, self.delta))?,
            before: write(regf::Hive::new(self.hive.file_name(), self.before))?,
            whole: whole.map(write).transpose()?,
        })
    }
}
