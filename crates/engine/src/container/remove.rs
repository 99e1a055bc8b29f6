//! Removing a container.

use std::sync::Arc;
use std::time::Duration;

use crate::container::handle::{Handle, Order};
use crate::container::state::{Phase, Step};
use crate::container::task::Task;
use crate::container::{events, stop};
use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};

/// How to remove.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct RemoveContainer {
    /// Kill it first when it runs.
    pub force: bool,
}

/// How often a container that is started again and again is killed before its removal fails.
const ATTEMPTS: u32 = 3;

/// Removes a container.
pub(crate) async fn remove(
    context: &Context,
    handle: &Handle,
    options: RemoveContainer,
) -> Result<()> {
    let name = handle.ledger.read().name.clone();
    let failed = |error: Error| {
        Error::new(
            error.kind(),
            format!("cannot remove container \"/{name}\": {error}"),
        )
        .with_source(error)
    };
    if !options.force {
        let removed = handle.order(|done| Order::Remove { done }).await;
        return removed.map_err(failed);
    }
    let mut attempts = 0;
    loop {
        attempts += 1;
        match kill_and_remove(context, handle).await {
            // It removed itself when it ended.
            Err(error) if error.kind() == ErrorKind::NotFound => return Ok(()),
            // Somebody has started it since it was killed.
            Err(error) if error.kind() == ErrorKind::Conflict && attempts < ATTEMPTS => {}
            removed => return removed.map_err(failed),
        }
    }
}

async fn kill_and_remove(context: &Context, handle: &Handle) -> Result<()> {
    if handle.ledger.read().state.is_active() {
        match stop::terminate(context, handle).await {
            // It ended by itself a moment ago.
            Err(error) if error.kind() == ErrorKind::Conflict => {}
            killed => killed?,
        }
    }
    handle.order(|done| Order::Remove { done }).await
}

impl Task {
    pub(super) async fn remove_by_itself(&mut self) {
        if let Err(error) = self.remove().await {
            tracing::error!(container = self.handle.id, %error, "cannot remove the container");
        }
    }

    pub(super) async fn remove(&mut self) -> Result<()> {
        let container = self.read();
        let status = container.state.status();
        match container.state.phase {
            Phase::Running | Phase::Starting | Phase::Paused | Phase::Restarting => {
                return Err(Error::conflict(format!(
                    "container is {status}: stop the container before removing or force remove"
                )));
            }
            Phase::Removing | Phase::Created | Phase::Exited | Phase::Dead => {}
        }
        if container.state.phase != Phase::Removing {
            self.handle.ledger.step(Step::Remove, |_| ()).await?;
        }
        self.finish_removal().await
    }

    /// Removes what a container in phase `Removing` still has.
    pub(super) async fn finish_removal(&mut self) -> Result<()> {
        let container = self.read();
        let handle = Arc::clone(&self.handle);
        let _alone = handle.copies.end(Duration::ZERO).await;
        self.finish_forwarding().await;
        if let Err(error) = self.context.records.remove(&container.id).await {
            let message = error.to_string();
            let ledger = &self.handle.ledger;
            ledger
                .record(Step::RemoveFailed, |container| {
                    container.state.error = message;
                })
                .await;
            return Err(error);
        }
        self.close_unsaved().await;
        // It may not have been possible when it ended, and nobody would ask for it again.
        if let Err(error) = self.context.network.disconnect(&container.id).await {
            tracing::error!(container = container.id, %error, "cannot leave the network");
        }
        self.removed = true;
        self.context.containers.forget(&container.id);
        events::publish(&self.context.events, &container, "destroy", &[]);
        self.handle.ledger.publish_removed();
        Ok(())
    }
}
