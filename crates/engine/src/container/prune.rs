//! Removing every container that does not run.

use crate::container::handle::Order;
use crate::container::size;
use crate::context::Context;
use crate::error::{ErrorKind, Result};
use crate::event::ObjectKind;
use crate::filter::Filters;
use crate::pruned::{Pruned, publish};

const ACCEPTED: &[&str] = &["label", "label!", "until"];

/// Removes the containers that do not run and that the filters let through.
pub(crate) async fn prune(context: &Context, filters: &Filters) -> Result<Pruned<String>> {
    filters.check(ACCEPTED)?;
    let until = filters.until()?;
    let mut pruned = Pruned {
        removed: Vec::new(),
        reclaimed: 0,
    };
    for handle in context.containers.all() {
        let container = handle.ledger.read();
        let chosen = !container.state.is_active()
            && until.is_none_or(|until| container.created < until)
            && filters.prunes_labels(&container.config.labels);
        if !chosen {
            continue;
        }
        // One that cannot be measured is removed all the same.
        let size = size::measure(context, &handle.id).await;
        match handle.order(|done| Order::Remove { done }).await {
            Ok(()) => {
                pruned.reclaimed += size.map_or(0, |size| size.own);
                pruned.removed.push(handle.id.clone());
            }
            // It has been started, or removed, meanwhile.
            Err(error) if matches!(error.kind(), ErrorKind::Conflict | ErrorKind::NotFound) => {}
            Err(error) => {
                tracing::warn!(container = handle.id, %error, "cannot prune the container");
            }
        }
    }
    publish(context, ObjectKind::Container, pruned.reclaimed);
    Ok(pruned)
}
