//! What a delta changes, as a list that people read.

use std::convert::Infallible;

use crate::key::Key;
use crate::layer::Semantics;
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
    /// The class, the link or the security of the key changed, or the case of its name.
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

/// Collects what [`visit`] tells. A list of what a container made may be far larger than its
/// registry: each change has its whole path.
#[must_use]
pub fn changes(before: &Key, delta: &Key) -> Vec<Change> {
    let mut list = Vec::new();
    let told: Result<(), Infallible> = visit(before, delta, |key, kind| {
        let key = key.to_vec();
        list.push(Change { key, kind });
        Ok(())
    });
    match told {
        Ok(()) => list,
    }
}

/// Tells what `delta` changes over `before`, the old state of at least what the delta touches
/// ([`touched`](crate::layer::touched)): keys in their order, each with its values first, then its
/// subkeys. A delta that says again what is already so changes nothing. `tell` is given the names
/// that lead to the key, and what happened there.
///
/// # Errors
/// The first that `tell` gives, after which it is told no more.
pub fn visit<E>(
    before: &Key,
    delta: &Key,
    tell: impl FnMut(&[Name], ChangeKind) -> Result<(), E>,
) -> Result<(), E> {
    let path = Vec::new();
    let mut lister = Lister { path, tell };
    match delta.layering.semantics {
        Semantics::Tombstone => lister.emptied(before),
        _ => lister.changed(before, delta),
    }
}

struct Lister<F> {
    /// Names that lead to the key that is looked at.
    path: Vec<Name>,
    tell: F,
}

impl<E, F: FnMut(&[Name], ChangeKind) -> Result<(), E>> Lister<F> {
    fn push(&mut self, kind: ChangeKind) -> Result<(), E> {
        (self.tell)(&self.path, kind)
    }

    fn below(
        &mut self,
        name: &Name,
        work: impl FnOnce(&mut Self) -> Result<(), E>,
    ) -> Result<(), E> {
        self.path.push(name.clone());
        work(self)?;
        self.path.pop();
        Ok(())
    }

    fn added(&mut self, key: &Key) -> Result<(), E> {
        self.push(ChangeKind::KeyAdded)?;
        for (name, value) in key.values() {
            self.push(ChangeKind::ValueAdded(name.clone(), value.clone()))?;
        }
        let there = |key: &Key| key.layering.semantics != Semantics::Tombstone;
        for (name, subkey) in key.subkeys().filter(|(_, subkey)| there(subkey)) {
            self.below(name, |lister| lister.added(subkey))?;
        }
        Ok(())
    }

    fn deleted(&mut self, key: &Key) -> Result<(), E> {
        self.push(ChangeKind::KeyDeleted)?;
        self.emptied(key)
    }

    fn emptied(&mut self, key: &Key) -> Result<(), E> {
        for (name, value) in key.values() {
            self.push(ChangeKind::ValueDeleted(name.clone(), value.clone()))?;
        }
        for (name, subkey) in key.subkeys() {
            self.below(name, |lister| lister.deleted(subkey))?;
        }
        Ok(())
    }

    /// A key that is there before and after.
    fn changed(&mut self, before: &Key, delta: &Key) -> Result<(), E> {
        if is_changed(before, delta) {
            self.push(ChangeKind::KeyChanged)?;
        }
        self.values(before, delta)?;
        for (name, subkey) in delta.subkeys() {
            let below = before.subkey_entry(name);
            self.below(name, |lister| match (below, subkey.layering.semantics) {
                (None, Semantics::Tombstone) => Ok(()),
                (None, _) => lister.added(subkey),
                (Some((_, below)), Semantics::Tombstone) => lister.deleted(below),
                (Some((spelled, below)), semantics) => {
                    let is_renamed = semantics == Semantics::SupersedeTree
                        && !spelled.is_same_spelling(name)
                        && !is_changed(below, subkey);
                    if is_renamed {
                        lister.push(ChangeKind::KeyChanged)?;
                    }
                    lister.changed(below, subkey)
                }
            })?;
        }
        if delta.layering.semantics == Semantics::SupersedeTree {
            let hidden = |(name, _): &(&Name, &Key)| delta.subkey(*name).is_none();
            for (name, subkey) in before.subkeys().filter(hidden) {
                self.below(name, |lister| lister.deleted(subkey))?;
            }
        }
        Ok(())
    }

    fn values(&mut self, before: &Key, delta: &Key) -> Result<(), E> {
        for (name, new) in delta.values() {
            match before.entry(name) {
                None => self.push(ChangeKind::ValueAdded(name.clone(), new.clone()))?,
                Some((spelled, old)) if old != new || !spelled.is_same_spelling(name) => {
                    self.push(ChangeKind::ValueChanged {
                        name: name.clone(),
                        old: old.clone(),
                        new: new.clone(),
                    })?;
                }
                Some(_) => {}
            }
        }
        let hides_all = matches!(
            delta.layering.semantics,
            Semantics::SupersedeLocal | Semantics::SupersedeTree
        );
        for (name, old) in before.values() {
            let is_gone = hides_all || delta.layering.value_tombstones.contains(name);
            if is_gone && delta.value(name).is_none() {
                self.push(ChangeKind::ValueDeleted(name.clone(), old.clone()))?;
            }
        }
        Ok(())
    }
}

/// Whether the key itself is another, whatever is in it.
fn is_changed(before: &Key, delta: &Key) -> bool {
    let class = |key: &Key| key.class.as_deref().unwrap_or_default().to_vec();
    let inherits = delta.layering.inherit_class
        && matches!(
            delta.layering.semantics,
            Semantics::Merge | Semantics::SupersedeLocal
        );
    let is_made_anew = delta.layering.semantics != Semantics::Merge;
    let named_security = delta.security.is_some() && before.security.is_some();
    (!inherits && class(before) != class(delta))
        || (before.symlink != delta.symlink && (is_made_anew || delta.symlink))
        || (named_security && before.security != delta.security)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::layer::{difference, touched};

    fn old() -> Key {
        let mut root = Key::default();
        let app = root.create("App");
        app.set_value("kept", Value::dword(1));
        app.set_value("changed", Value::dword(1));
        app.set_value("gone", Value::dword(1));
        root.create(r"App\Deleted\Deep")
            .set_value("v", Value::string("below"));
        root
    }

    fn listed(old: &Key, new: &Key) -> Vec<String> {
        let delta = difference(old, new).expect("they differ");
        let told = changes(&touched(old, &delta), &delta);
        // What the delta touches is enough.
        assert_eq!(told, changes(old, &delta));
        let name = |change: &Change| {
            let path: Vec<_> = change.key.iter().map(Name::to_string).collect();
            path.join(r"\")
        };
        told.iter()
            .map(|change| match &change.kind {
                ChangeKind::KeyAdded => format!("+{}", name(change)),
                ChangeKind::KeyDeleted => format!("-{}", name(change)),
                ChangeKind::KeyChanged => format!("~{}", name(change)),
                ChangeKind::ValueAdded(value, _) => format!("+{}:{value}", name(change)),
                ChangeKind::ValueDeleted(value, _) => format!("-{}:{value}", name(change)),
                ChangeKind::ValueChanged {
                    name: value,
                    old,
                    new,
                } => {
                    assert_ne!(old, new);
                    format!("~{}:{value}", name(change))
                }
            })
            .collect()
    }

    #[test]
    fn everything_that_changed_is_listed_once() {
        let mut new = old();
        let app = new.create("App");
        app.set_value("changed", Value::string("2"));
        app.remove_value("gone");
        app.set_value("", Value::dword(3));
        new.delete(r"App\Deleted");
        new.create(r"App\New\Deep").set_value("v", Value::dword(4));
        assert_eq!(
            listed(&old(), &new),
            [
                "+App:",
                "~App:changed",
                "-App:gone",
                r"-App\Deleted",
                r"-App\Deleted\Deep",
                r"-App\Deleted\Deep:v",
                r"+App\New",
                r"+App\New\Deep",
                r"+App\New\Deep:v",
            ]
        );
    }

    #[test]
    fn a_key_that_is_another_itself_is_listed_as_such() {
        let mut new = old();
        new.create("App").class = Some("c".encode_utf16().collect());
        let deleted = new.delete(r"App\Deleted").expect("there");
        new.create("App").insert_subkey("DELETED", deleted);
        new.create("Link").symlink = true;
        assert_eq!(listed(&old(), &new), ["~App", r"~App\DELETED", "+Link"]);
        let mut link = new.clone();
        link.create("Link").symlink = false;
        assert_eq!(listed(&new, &link), ["~Link"]);
    }

    #[test]
    fn who_has_heard_enough_is_told_no_more() {
        let mut count = 0;
        let mut delta = Key::default();
        delta.layering = crate::Layering::tombstone();
        let told = visit(&old(), &delta, |_, _| {
            count += 1;
            if count < 3 { Ok(()) } else { Err("enough") }
        });
        assert_eq!((told, count), (Err("enough"), 3));
    }

    #[test]
    fn a_delta_of_somebody_else_that_changes_nothing_lists_nothing() {
        let mut delta = old();
        delta.create("App").layering.inherit_class = true;
        delta.create(r"App\Absent").layering = crate::Layering::tombstone();
        assert_eq!(changes(&old(), &delta), []);
        delta.layering = crate::Layering::tombstone();
        assert_eq!(changes(&old(), &delta).len(), 7);
    }
}
