//! Changing what a container may use and when it is started again, also while it runs.

use porthole_compute_service as compute;
use porthole_compute_service::limits::{MEMORY_PATH, PROCESSOR_PATH};
use porthole_compute_service::system::ComputeSystem;
use porthole_hcs as hcs;
use serde_json::{Value, json};

use crate::container::config::RestartPolicy;
use crate::container::events;
use crate::container::resources::Resources;
use crate::container::state::Phase;
use crate::container::task::Task;
use crate::error::{Error, ErrorKind, Result};

/// What is to change.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct UpdateContainer {
    /// New limits; zeros leave what is there.
    pub resources: Resources,
    /// The new restart policy.
    pub restart: Option<RestartPolicy>,
}

impl Task {
    /// Changes a container; gives what the client should be told.
    pub(super) async fn update(&mut self, mut update: UpdateContainer) -> Result<Vec<String>> {
        let warnings = update.resources.check(self.context.facts.processors)?;
        self.carry_out(&update).await.map_err(|error| {
            let text = format!("Cannot update container {}: {error}", self.handle.id);
            Error::new(error.kind(), text).with_source(error)
        })?;
        events::publish(&self.context.events, &self.read(), "update", &[]);
        Ok(warnings)
    }

    /// Either all of it is done, live and in the record, or nothing.
    async fn carry_out(&mut self, update: &UpdateContainer) -> Result<()> {
        let container = self.read();
        check(container.state.phase, container.host.auto_remove, update)?;
        let old = container.host.resources;
        let new = old.changed_by(&update.resources);
        self.limit(&old, &new).await?;
        let recorded = self.handle.ledger.update(|container| {
            container.host.resources = new;
            container.host.restart = update.restart.unwrap_or(container.host.restart);
            Ok(())
        });
        if let Err(error) = recorded.await {
            self.limit(&new, &old).await.unwrap_or_else(|error| {
                tracing::error!(container = container.id, %error, "cannot take back the limits");
            });
            return Err(error);
        }
        Ok(())
    }

    /// Puts other limits in the place of those of a run; a container that does not run has none.
    async fn limit(&mut self, old: &Resources, new: &Resources) -> Result<()> {
        let Ok(live) = self.handle.live() else {
            return Ok(());
        };
        let (system, processors) = (live.system.as_ref(), self.context.facts.processors);
        match change(system, old, new, processors).await {
            Ok(()) => Ok(()),
            // It ended a moment ago: the limits are those of its next run.
            Err(error) if error.kind() == compute::ErrorKind::SystemAlreadyStopped => Ok(()),
            Err(error) => {
                if let Err(error) = change(system, new, old, processors).await {
                    tracing::error!(system = system.id(), %error, "cannot take back the limits");
                }
                let kind = match error.kind() {
                    compute::ErrorKind::ServiceNotAvailable => ErrorKind::Unavailable,
                    _ => ErrorKind::System,
                };
                Err(Error::new(kind, error.to_string()).with_source(error))
            }
        }
    }
}

fn check(phase: Phase, auto_remove: bool, update: &UpdateContainer) -> Result<()> {
    if matches!(phase, Phase::Removing | Phase::Dead) {
        return Err(Error::conflict(
            "container is marked for removal and cannot be \"update\"",
        ));
    }
    let restarts = update
        .restart
        .is_some_and(|policy| policy != RestartPolicy::No);
    if auto_remove && restarts {
        return Err(Error::conflict(
            "Restart policy cannot be updated because AutoRemove is enabled for the container",
        ));
    }
    Ok(())
}

async fn change(
    system: &dyn ComputeSystem,
    old: &Resources,
    new: &Resources,
    processors: u32,
) -> compute::Result<()> {
    let processor = new.processor(processors);
    if old.processor(processors) != processor {
        modify(system, PROCESSOR_PATH, json!(processor.unwrap_or_default())).await?;
    }
    if old.memory() != new.memory() {
        let mebibytes = new.memory().map(|memory| memory.size_in_mb);
        modify(system, MEMORY_PATH, json!(mebibytes)).await?;
    }
    Ok(())
}

async fn modify(system: &dyn ComputeSystem, path: &str, settings: Value) -> compute::Result<()> {
    let request = hcs::ModifySettingRequest {
        resource_path: path.to_owned(),
        request_type: hcs::ModifyRequestType::Update,
        settings: Some(settings),
    };
    system.modify(&request).await
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_being_removed_is_not_changed() {
        for phase in [Phase::Removing, Phase::Dead] {
            let refused = check(phase, false, &UpdateContainer::default()).unwrap_err();
            assert_eq!(refused.kind(), ErrorKind::Conflict);
            assert_eq!(
                refused.to_string(),
                "container is marked for removal and cannot be \"update\""
            );
        }
        assert!(check(Phase::Exited, false, &UpdateContainer::default()).is_ok());
    }
}
