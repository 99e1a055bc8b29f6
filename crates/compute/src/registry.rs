//! What a container, or an image over another, changed in the registry: hives in regf, as image
//! layers hold them. [`porthole_registry::change::changes`] lists what is in them.

use std::path::{Path, PathBuf};

use porthole_wine::environment::Account;
use porthole_wine::registry::{Chain, between_chains};
use tokio::sync::{Semaphore, SemaphorePermit};

pub use porthole_registry::hive::{HiveKind, MountedHive};
/// All that changed in a registry: hives that changed, in the order of [`MountedHive::ALL`], and the
/// names of subkeys of `HKEY_LOCAL_MACHINE` that no hive of an image holds, so that no layer can keep
/// them; the empty name stands for its own values. (Windows refuses to make such keys and values.)
pub use porthole_wine::registry::Changes as RegistryChanges;
/// What changed in one hive.
///
/// `delta` lies over the old state, as a hive of layered keys (regf 1.6): the file `…_Delta` of a
/// layer. It says the security of each key that it names. `before` is the old state of just what the
/// delta touches. Of a user's hive `whole` is all of the new state: a layer holds it as the file
/// `NTUSER.DAT` of the account's profile, not as a delta.
pub use porthole_wine::registry::HiveChange;

use crate::error::{Error, ErrorKind};
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

/// How many registries are compared at the same time: each takes memory for what differs several
/// times over, and who asks may ask often.
static COMPARISONS: Semaphore = Semaphore::const_new(2);

/// The right to hold registries and compare them.
pub(crate) type Turn = Option<SemaphorePermit<'static>>;

/// Waits for one's turn. It is to be kept until the work is done, whether or not anybody waits for
/// that any more.
pub(crate) async fn turn() -> Turn {
    // It is never closed.
    COMPARISONS.acquire().await.ok()
}

/// Does something with a chain in the form that wants it.
pub(crate) fn with_chain<T>(
    layers: &[PathBuf],
    os_version: Option<OsVersion>,
    user: SiloUser,
    work: impl FnOnce(&Chain<'_>) -> T,
) -> T {
    let base_first: Vec<&Path> = layers.iter().rev().map(PathBuf::as_path).collect();
    work(&Chain {
        layers: &base_first,
        os_version,
        account: match user {
            SiloUser::ContainerAdministrator => Account::ContainerAdministrator,
            SiloUser::ContainerUser => Account::ContainerUser,
        },
    })
}

/// What lies between two chains. Blocks.
pub(crate) fn difference(
    before: &RegistryChain,
    after: &RegistryChain,
) -> porthole_wine::Result<RegistryChanges> {
    let RegistryChain {
        layers,
        os_version,
        user,
    } = after;
    with_chain(&before.layers, before.os_version, before.user, |before| {
        with_chain(layers, *os_version, *user, |after| {
            between_chains(before, after)
        })
    })
}

/// The service's form of an error about a registry.
pub(crate) fn failed(operation: impl Into<String>, error: porthole_wine::Error) -> Error {
    let (kind, message) = match error.kind() {
        porthole_wine::ErrorKind::Malformed => (
            ErrorKind::InvalidLayer,
            "a registry is not what it should be",
        ),
        _ => (ErrorKind::Host, "cannot read a registry"),
    };
    Error::new(kind, operation, message).with_source(error)
}
