//! A delta over a tree.

use std::collections::BTreeMap;

use super::Semantics;
use crate::key::Key;
use crate::name::Name;

/// Lays `delta` over `base`, which becomes the tree that a container sees. The newer of both times
/// counts; a security descriptor that the delta does not name stays. A delta whose root is a
/// tombstone leaves an empty root.
///
/// Names are spelled as the delta spells them where it says what they stand for: values, and keys
/// that it supersedes with their subtree. All others keep their spelling, as does a key that is
/// merely on the way. A key that is merged stays a symbolic link where it is one below.
pub fn merge(base: &mut Key, delta: Key) {
    match delta.layering.semantics {
        Semantics::Merge => merge_key(base, delta, false),
        Semantics::SupersedeLocal => merge_key(base, delta, true),
        Semantics::Tombstone => *base = Key::new(delta.last_write),
        Semantics::SupersedeTree => *base = flatten(delta),
    }
}

/// A delta that lies over nothing: tombstones vanish, everything else is plain.
#[must_use]
pub fn flatten(delta: Key) -> Key {
    let mut base = Key::default();
    merge_key(&mut base, delta, true);
    base
}

fn merge_key(base: &mut Key, delta: Key, supersede_local: bool) {
    base.last_write = base.last_write.max(delta.last_write);
    // A key becomes a link, or ceases to be one, only by being made anew.
    base.symlink = delta.symlink || base.symlink && !supersede_local;
    if delta.security.is_some() {
        base.security = delta.security.clone();
    }
    if !delta.layering.inherit_class {
        base.class = delta.class.clone();
    } else if supersede_local {
        base.class = None;
    }
    if supersede_local {
        base.clear_values();
    }
    for name in &delta.layering.value_tombstones {
        base.remove_value(name);
    }
    let (values, subkeys) = delta.into_parts();
    for (name, value) in values {
        base.replace_value(name, value);
    }
    merge_subkeys(base, subkeys);
}

fn merge_subkeys(base: &mut Key, subkeys: BTreeMap<Name, Key>) {
    for (name, delta) in subkeys {
        match delta.layering.semantics {
            Semantics::Tombstone => {
                base.remove_subkey(name);
            }
            Semantics::SupersedeTree => {
                base.remove_subkey(&name);
                base.insert_subkey(name, flatten(delta));
            }
            Semantics::Merge | Semantics::SupersedeLocal => match base.subkey_mut(&name) {
                Some(below) => merge(below, delta),
                None => {
                    base.insert_subkey(name, flatten(delta));
                }
            },
        }
    }
}
