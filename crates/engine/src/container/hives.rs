//! What a container changed in the registry, as files of a layer.

use porthole_compute_service as compute;
use porthole_compute_service::registry::{HiveChange, MountedHive, RegistryChanges};

use crate::container::handle::Handle;
use crate::container::record::Container;
use crate::container::state::Phase;
use crate::container::{document, user};
use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};

/// Where programs find the hives of the machine.
pub(crate) const DIRECTORY: &str = r"C:\Windows\System32\config";

/// A file of a layer that holds what changed in a hive.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct HiveFile {
    /// Its path in the layer, for example `Hives/System_Delta`.
    pub(crate) path: String,
    /// Its bytes.
    pub(crate) content: Vec<u8>,
}

/// Asks what a container changed in the registry. One that was never started changed nothing.
pub(crate) async fn changes(context: &Context, handle: &Handle) -> Result<RegistryChanges> {
    let container = handle.ledger.read();
    if container.state.phase == Phase::Created && container.state.started_at.is_none() {
        return Ok(RegistryChanges::default());
    }
    let storage = context.records.storage(&container.id).await?;
    let document = document::system(&container, &storage, context.facts.processors);
    let host_zone = context.facts.time_zone.as_deref();
    let settings = document::settings(&container, None, host_zone)?;
    let asked = context
        .compute
        .registry_changes(&container.id, &document, &settings)
        .await;
    asked.map_err(failed)
}

/// What the compute service says of a registry that it cannot compare.
fn failed(error: compute::Error) -> Error {
    let kind = match error.kind() {
        // The container has to be stopped first.
        compute::ErrorKind::NotSupported => ErrorKind::Conflict,
        compute::ErrorKind::ServiceNotAvailable => ErrorKind::Unavailable,
        _ => ErrorKind::System,
    };
    Error::new(kind, format!("cannot compare the registry: {error}")).with_source(error)
}

/// The files that a layer keeps of these changes.
pub(crate) fn files(container: &Container, changes: &RegistryChanges) -> Vec<HiveFile> {
    let file = |change: &HiveChange| match (change.hive, &change.whole) {
        (MountedHive::Image(kind), _) => Some(HiveFile {
            path: format!("Hives/{}", kind.delta_name()),
            content: change.delta.clone(),
        }),
        (MountedHive::User, Some(whole)) => Some(HiveFile {
            path: format!("Files/Users/{}/NTUSER.DAT", account(container)),
            content: whole.clone(),
        }),
        (MountedHive::User, None) => None,
    };
    changes.hives.iter().filter_map(file).collect()
}

/// The file in which programs see that a hive changed, as a path on C:.
pub(crate) fn path(container: &Container, hive: MountedHive) -> String {
    match hive {
        MountedHive::Image(kind) => format!(r"{DIRECTORY}\{}", kind.file_name()),
        MountedHive::User => format!(r"C:\Users\{}\NTUSER.DAT", account(container)),
    }
}

/// The account whose profile holds the user's hive.
fn account(container: &Container) -> &'static str {
    if user::is_administrator(&container.config.user) {
        "ContainerAdministrator"
    } else {
        "ContainerUser"
    }
}
