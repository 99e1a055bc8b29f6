//! What a container, or an image over another, changed in the registry: hives in regf, as image
//! layers hold them.

use std::path::PathBuf;

pub use porthole_registry::hive::MountedHive;

use crate::settings::{OsVersion, SiloUser};

/// The registry of a chain of layers, as a container of it would see it at its first start.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RegistryChain {
    /// Layer directories, the topmost first. Of none at all, the registry is empty.
    pub layers: Vec<PathBuf>,
    /// The version of Windows that the image names, where it is not its base's.
    pub os_version: Option<OsVersion>,
    /// Whose user hive it is.
    pub user: SiloUser,
}

/// All that changed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct RegistryChanges {
    /// Hives that changed, in the order of [`MountedHive`]; none where nothing did.
    pub hives: Vec<HiveChange>,
    /// Subkeys of `HKEY_LOCAL_MACHINE` that came and that no hive of an image holds, so that no
    /// layer can keep them. Windows refuses to make such keys.
    pub outside: Vec<String>,
}

/// What changed in one hive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HiveChange {
    /// Which.
    pub hive: MountedHive,
    /// What lies over the old state, as a hive of layered keys (regf 1.6): the file `…_Delta` of a
    /// layer. It says the security of each key that it names.
    pub delta: Vec<u8>,
    /// The old state of just what the delta touches: values that it sets or removes, and keys that
    /// it removes with all that was below them. [`porthole_registry::change::changes`] lists both
    /// side by side.
    pub before: Vec<u8>,
    /// Of a user's hive the whole new state: a layer holds it as the file `NTUSER.DAT` of the
    /// account's profile, not as a delta.
    pub whole: Option<Vec<u8>>,
}
