//! Security descriptors apart from the tree: Wine's text has no place for them.

use crate::key::Key;
use crate::security::SecurityDescriptor;

/// The keys of `tree` whose descriptor is another than that of their parent, with those that lead
/// to them, and nothing else: a few where a tree has thousands.
#[must_use]
pub fn descriptors(tree: &Key) -> Key {
    let mut root = Key::default();
    root.security.clone_from(&tree.security);
    collect(tree, tree.security.as_ref(), &mut root);
    root
}

/// Adds to `to` what is below `key`, whose own descriptor is `inherited`. Whether there was anything.
fn collect(key: &Key, inherited: Option<&SecurityDescriptor>, to: &mut Key) -> bool {
    for (name, subkey) in key.subkeys() {
        let own = subkey.security.as_ref().or(inherited);
        let mut kept = Key::default();
        kept.security = own.cloned();
        if collect(subkey, own, &mut kept) || own != inherited {
            to.insert_subkey(name, kept);
        }
    }
    to.subkeys().len() > 0
}

/// Gives every key of `tree` that names no descriptor the one that it has according to `from`,
/// which [`descriptors`] made. A key that is not there has that of its parent.
pub fn describe(tree: &mut Key, from: &Key) {
    describe_below(tree, Some(from), None);
}

fn describe_below(key: &mut Key, from: Option<&Key>, inherited: Option<&SecurityDescriptor>) {
    let own = from.and_then(|from| from.security.as_ref()).or(inherited);
    if key.security.is_none() {
        key.security = own.cloned();
    }
    for (name, subkey) in key.subkeys_mut() {
        describe_below(subkey, from.and_then(|from| from.subkey(name)), own);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn descriptor(last: u8) -> SecurityDescriptor {
        let mut bytes = SecurityDescriptor::hive_default().as_bytes().to_vec();
        bytes.push(last);
        SecurityDescriptor::from_bytes(&bytes).expect("plausible")
    }

    #[test]
    fn a_tree_gets_back_what_was_taken_apart() {
        let mut tree = Key::default();
        tree.create(r"A\B\C");
        tree.create(r"A\D");
        tree.create("E");
        tree.security = Some(descriptor(0));
        for (path, last) in [("A", 0), (r"A\B", 1), (r"A\B\C", 1), (r"A\D", 0), ("E", 0)] {
            tree.create(path).security = Some(descriptor(last));
        }
        let apart = descriptors(&tree);
        assert_eq!(apart.count(), 3, "root, A, B");

        let mut bare = Key::default();
        bare.create(r"A\B\C");
        bare.create(r"A\D\New");
        bare.create("E").security = Some(descriptor(7));
        describe(&mut bare, &apart);
        let security = |path: &str| bare.open(path).expect("there").security.clone();
        assert_eq!(security(""), Some(descriptor(0)));
        assert_eq!(security("A"), Some(descriptor(0)));
        assert_eq!(security(r"A\B\C"), Some(descriptor(1)));
        assert_eq!(security(r"A\D\New"), Some(descriptor(0)));
        assert_eq!(
            security("E"),
            Some(descriptor(7)),
            "one that is named stays"
        );
    }
}
