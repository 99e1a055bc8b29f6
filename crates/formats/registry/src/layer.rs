//! Layered keys: what a delta hive means over the hives below it.
//!
//! A delta is a tree whose keys say by their [`Semantics`] how they join the same key below, and
//! whose values may be tombstones. [`merge()`] lays a delta over a tree; the result is a plain tree.
//! [`difference()`] is the way back.

mod difference;
mod merge;

use std::collections::BTreeSet;

pub use difference::{difference, touched};
pub use merge::{flatten, merge};

use crate::name::Name;

/// How a key joins the same key of the layer below.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash)]
pub enum Semantics {
    /// Both count; this one wins for each value.
    #[default]
    Merge,
    /// The key is gone, with all that is below it in the tree. Has no class, values or subkeys.
    Tombstone,
    /// Values and class of the key below are hidden; its subkeys still merge.
    SupersedeLocal,
    /// The key below is hidden with its whole subtree.
    SupersedeTree,
}

/// A key's part in a delta; the default is that of a plain tree.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Layering {
    /// How the key joins the one below.
    pub semantics: Semantics,
    /// Whether the class of the key below shows through instead of this one's.
    pub inherit_class: bool,
    /// Values of the key below that are gone.
    pub value_tombstones: BTreeSet<Name>,
}

impl Layering {
    /// The part of a key that is gone.
    #[must_use]
    pub fn tombstone() -> Self {
        Self {
            semantics: Semantics::Tombstone,
            ..Self::default()
        }
    }

    /// Whether this is the part that any key of a plain tree has.
    #[must_use]
    pub fn is_plain(&self) -> bool {
        self.semantics == Semantics::Merge
            && !self.inherit_class
            && self.value_tombstones.is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::{Layering, Semantics, difference, merge};
    use crate::filetime::FileTime;
    use crate::key::Key;
    use crate::value::Value;

    fn base() -> Key {
        let mut root = Key::default();
        let app = root.create("App");
        app.set_value("kept", Value::dword(1));
        app.set_value("changed", Value::dword(1));
        app.class = Some("old".encode_utf16().collect());
        root.create(r"App\Deep\Deeper")
            .set_value("v", Value::string("below"));
        root
    }

    fn delta(semantics: Semantics) -> Key {
        let mut root = Key::default();
        let app = root.create("APP");
        app.layering.semantics = semantics;
        app.set_value("Changed", Value::dword(2));
        app.create("New").layering.semantics = semantics;
        root
    }

    fn merged(delta: Key) -> Key {
        let mut root = base();
        merge(&mut root, delta);
        root
    }

    #[test]
    fn merge_lets_the_delta_win_for_each_value() {
        let root = merged(delta(Semantics::Merge));
        assert_eq!(root.value_at("App", "kept"), Some(&Value::dword(1)));
        assert_eq!(root.value_at("App", "changed"), Some(&Value::dword(2)));
        assert!(root.open(r"App\Deep\Deeper").is_some() && root.open(r"App\New").is_some());
        assert_eq!(
            root.open("App").expect("there").class,
            None,
            "the class is the delta's"
        );
    }

    #[test]
    fn an_inherited_class_shows_through() {
        let mut delta = delta(Semantics::Merge);
        delta.create("App").layering.inherit_class = true;
        assert!(merged(delta).open("App").expect("there").class.is_some());
    }

    #[test]
    fn tombstones_remove_keys_and_values() {
        let mut delta = Key::default();
        delta.create(r"App\Deep").layering = Layering::tombstone();
        delta.create(r"App\Absent").layering = Layering::tombstone();
        delta
            .create("App")
            .layering
            .value_tombstones
            .insert("KEPT".into());
        let root = merged(delta);
        assert_eq!(root.value_at("App", "kept"), None);
        assert!(root.open(r"App\Deep").is_none() && root.open(r"App\Absent").is_none());
    }

    #[test]
    fn supersede_local_hides_values_but_not_subkeys() {
        let root = merged(delta(Semantics::SupersedeLocal));
        assert_eq!(root.value_at("App", "kept"), None);
        assert_eq!(root.value_at("App", "changed"), Some(&Value::dword(2)));
        assert!(root.open(r"App\Deep\Deeper").is_some());
    }

    #[test]
    fn supersede_tree_hides_everything() {
        let root = merged(delta(Semantics::SupersedeTree));
        assert_eq!(root.value_at("App", "kept"), None);
        assert!(root.open(r"App\Deep").is_none() && root.open(r"App\New").is_some());
        assert!(root.open("App").expect("there").layering.is_plain());
    }

    #[test]
    fn the_newest_time_counts_and_unnamed_security_stays() {
        let mut root = base();
        root.create("App").last_write = FileTime(9);
        root.create("App").security = Some(crate::SecurityDescriptor::hive_default());
        let mut over = delta(Semantics::Merge);
        over.create("App").last_write = FileTime(5);
        merge(&mut root, over);
        let app = root.open("App").expect("there");
        assert_eq!(app.last_write, FileTime(9));
        assert!(app.security.is_some());
    }

    #[test]
    fn a_difference_holds_only_what_changed() {
        let old = base();
        assert_eq!(difference(&old, &old), None);
        let mut new = base();
        new.create("App")
            .set_value("changed", Value::string("other"));
        new.create("App").remove_value("kept");
        new.delete(r"App\Deep");
        new.create(r"Fresh\Key");
        let delta = difference(&old, &new).expect("they differ");
        assert_eq!(delta.open("App").expect("there").values().len(), 1);
        let mut result = old;
        merge(&mut result, delta);
        assert_eq!(result, new);
    }
}
