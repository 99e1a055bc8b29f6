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
    /// Also remove its anonymous volumes. There are no volumes yet, so this changes nothing.
    pub volumes: bool,
}

/// Removes a container; `name` is what the client called it.
pub(crate) async fn remove(
    context: &Context,
    handle: &Handle,
    name: &str,
    options: RemoveContainer,
) -> Result<()> {
    let failed = |error: Error| {
        Error::new(
            error.kind(),
            format!("cannot remove container \"{name}\": {error}"),
        )
        .with_source(error)
    };
    if options.force && handle.ledger.read().state.is_running() {
        match stop::terminate(context, handle).await {
            // It ended by itself a moment ago.
            Err(error) if error.kind() == ErrorKind::Conflict => {}
            killed => killed.map_err(failed)?,
        }
    }
    match handle.order(|done| Order::Remove { done }).await {
        // It removed itself when it ended.
        Err(error) if error.kind() == ErrorKind::NotFound && options.force => Ok(()),
        removed => removed.map_err(failed),
    }
}
