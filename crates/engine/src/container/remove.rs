//! Removing a container.

use crate::container::handle::{Handle, Order};
use crate::container::stop;
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
