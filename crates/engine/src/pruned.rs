//! What a pruning has removed, of whatever kind.

use std::collections::BTreeMap;

use crate::context::Context;
use crate::event::ObjectKind;

/// What a pruning has removed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Pruned<T> {
    /// What was removed.
    pub removed: Vec<T>,
    /// Bytes that are free now.
    pub reclaimed: u64,
}

/// Records that objects of a kind were pruned.
pub(crate) fn publish(context: &Context, kind: ObjectKind, reclaimed: u64) {
    let attributes = BTreeMap::from([("reclaimed".to_owned(), reclaimed.to_string())]);
    context.events.publish(kind, "prune", "", attributes);
}
