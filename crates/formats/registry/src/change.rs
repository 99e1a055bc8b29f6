//! What a delta changes, as a list that people read.

use crate::key::Key;
use crate::name::Name;
use crate::value::Value;

/// One change of a key or a value.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Names from the hive's root to the key; none for the root.
    pub key: Vec<Name>,
    /// What happened to it.
    pub kind: ChangeKind,
}

/// What happened.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ChangeKind {
    /// The key is new; its values and subkeys follow as changes of their own.
    KeyAdded,
    /// The key is gone, with all that was below it: its values and subkeys follow.
    KeyDeleted,
    /// The class, link or security of the key changed, or the case of its name.
    KeyChanged,
    /// The value is new.
    ValueAdded(Name, Value),
    /// The value has other bytes, another type, or another case in its name.
    ValueChanged {
        /// Its name as it is spelled now.
        name: Name,
        /// What it was.
        old: Value,
        /// What it is.
        new: Value,
    },
    /// The value is gone.
    ValueDeleted(Name, Value),
}

/// Lists what `delta` changes over `before`, the old state of at least what the delta touches:
/// keys in their order, each with its values first, then its subkeys.
#[must_use]
pub fn changes(before: &Key, delta: &Key) -> Vec<Change> {
    todo!("sketch")
}
