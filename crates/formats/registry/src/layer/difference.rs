//! The delta that lies between two trees.

use super::{Layering, Semantics};
use crate::key::Key;
use crate::name::Name;
use crate::value::Value;

/// The delta that makes `new` of `old`: [`merge`](super::merge()) of `old` with it gives `new`,
/// spelling included. `None` when they are equal. A difference of times alone is none, nor is one
/// between no class and an empty one, which hives do not tell apart; and a descriptor that `new`
/// does not name counts as unchanged, for Wine's text names neither it nor the times of keys
/// without values.
#[must_use]
pub fn difference(old: &Key, new: &Key) -> Option<Key> {
    if old.symlink != new.symlink {
        return Some(superseding(new));
    }
    let mut delta = Key::new(new.last_write);
    delta.symlink = new.symlink;
    delta.layering.inherit_class = class(old) == class(new);
    if !delta.layering.inherit_class {
        delta.class.clone_from(&new.class);
    }
    if new.security.is_some() && new.security != old.security {
        delta.security.clone_from(&new.security);
    }
    let own = !delta.layering.inherit_class || delta.security.is_some();
    let values = difference_of_values(old, new, &mut delta);
    let subkeys = difference_of_subkeys(old, new, &mut delta);
    (own || values || subkeys).then_some(delta)
}

fn class(key: &Key) -> &[u16] {
    key.class.as_deref().unwrap_or_default()
}

/// A key that hides all that is below it: so are then its subkeys, as the format wants it.
fn superseding(new: &Key) -> Key {
    let mut delta = new.clone();
    supersede(&mut delta);
    delta
}

fn supersede(key: &mut Key) {
    key.layering.semantics = Semantics::SupersedeTree;
    key.subkeys_mut().for_each(|(_, subkey)| supersede(subkey));
}

fn difference_of_values(old: &Key, new: &Key, delta: &mut Key) -> bool {
    let unchanged = |name: &Name, value: &Value| {
        old.entry(name)
            .is_some_and(|(spelled, old)| old == value && spelled.is_same_spelling(name))
    };
    for (name, value) in new.values().filter(|(name, value)| !unchanged(name, value)) {
        delta.set_value(name, value.clone());
    }
    let gone = old
        .values()
        .map(|(name, _)| name)
        .filter(|name| new.value(*name).is_none());
    delta.layering.value_tombstones.extend(gone.cloned());
    delta.values().len() > 0 || !delta.layering.value_tombstones.is_empty()
}

fn difference_of_subkeys(old: &Key, new: &Key, delta: &mut Key) -> bool {
    for (name, key) in new.subkeys() {
        let changed = match old.subkey_entry(name) {
            // Only a key that was made anew is spelled otherwise.
            Some((spelled, _)) if !spelled.is_same_spelling(name) => Some(superseding(key)),
            Some((_, below)) => difference(below, key),
            None => Some(key.clone()),
        };
        if let Some(changed) = changed {
            delta.insert_subkey(name, changed);
        }
    }
    for (name, _) in old
        .subkeys()
        .filter(|(name, _)| new.subkey(*name).is_none())
    {
        let mut gone = Key::new(new.last_write);
        gone.layering = Layering::tombstone();
        delta.insert_subkey(name, gone);
    }
    delta.subkeys().len() > 0
}

/// The part of `old` that `delta` touches: the keys that it names, of those the values that it sets
/// or removes, and all of what it hides.
#[must_use]
pub fn touched(old: &Key, delta: &Key) -> Key {
    match delta.layering.semantics {
        Semantics::Tombstone | Semantics::SupersedeTree => return old.clone(),
        Semantics::Merge | Semantics::SupersedeLocal => {}
    }
    let mut part = Key::new(old.last_write);
    part.class.clone_from(&old.class);
    part.security.clone_from(&old.security);
    part.symlink = old.symlink;
    let hides_all = delta.layering.semantics == Semantics::SupersedeLocal;
    let is_touched = |name: &Name| {
        hides_all || delta.value(name).is_some() || delta.layering.value_tombstones.contains(name)
    };
    for (name, value) in old.values().filter(|(name, _)| is_touched(name)) {
        part.set_value(name, value.clone());
    }
    for (name, subdelta) in delta.subkeys() {
        if let Some((name, below)) = old.subkey_entry(name) {
            part.insert_subkey(name, touched(below, subdelta));
        }
    }
    part
}
