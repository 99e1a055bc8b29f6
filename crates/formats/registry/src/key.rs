//! The tree of keys.

use std::collections::BTreeMap;

use crate::filetime::FileTime;
use crate::layer::Layering;
use crate::name::Name;
use crate::security::SecurityDescriptor;
use crate::value::Value;

/// How deep keys may be nested below a root; Windows' own limit. Readers refuse deeper trees, so
/// that recursion over a tree that came from outside is safe.
pub const MAX_DEPTH: usize = 512;

/// A key with everything below it. The name belongs to the parent.
///
/// Equality ignores the case of names, as the registry does.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Key {
    /// The class string, UTF-16.
    pub class: Option<Box<[u16]>>,
    /// Its security descriptor; `None` is that of the parent.
    pub security: Option<SecurityDescriptor>,
    /// When the key was last changed.
    pub last_write: FileTime,
    /// Whether the key is a symbolic link; its target is the value `SymbolicLinkValue`.
    pub symlink: bool,
    /// What the key means over the same key of the layer below. A plain tree has the default.
    pub layering: Layering,
    values: BTreeMap<Name, Value>,
    subkeys: BTreeMap<Name, Key>,
}

impl Key {
    /// An empty key that was last changed at this time.
    #[must_use]
    pub fn new(last_write: FileTime) -> Self {
        Self {
            last_write,
            ..Self::default()
        }
    }

    /// Values in Windows' order of their names; the default value has the empty name.
    pub fn values(&self) -> impl ExactSizeIterator<Item = (&Name, &Value)> {
        self.values.iter()
    }

    /// The value called `name`.
    #[must_use]
    pub fn value(&self, name: impl Into<Name>) -> Option<&Value> {
        self.values.get(&name.into())
    }

    /// The value called `name` of the key at `path`.
    #[must_use]
    pub fn value_at(&self, path: &str, name: impl Into<Name>) -> Option<&Value> {
        self.open(path)?.value(name)
    }

    /// Sets a value and returns the one that it replaces. The spelling of a name that exists is
    /// kept, as Windows keeps it. Times are the caller's affair.
    pub fn set_value(&mut self, name: impl Into<Name>, value: Value) -> Option<Value> {
        self.values.insert(name.into(), value)
    }

    /// The value called `name`, with its name as it is spelled.
    #[must_use]
    pub fn entry(&self, name: impl Into<Name>) -> Option<(&Name, &Value)> {
        self.values.get_key_value(&name.into())
    }

    /// Sets a value under a name that is spelled like this from now on, and returns the one that it
    /// replaces.
    pub fn replace_value(&mut self, name: impl Into<Name>, value: Value) -> Option<Value> {
        let name = name.into();
        let replaced = self.values.remove(&name);
        self.values.insert(name, value);
        replaced
    }

    /// Removes and returns the value called `name`.
    pub fn remove_value(&mut self, name: impl Into<Name>) -> Option<Value> {
        self.values.remove(&name.into())
    }

    /// Removes all values.
    pub fn clear_values(&mut self) {
        self.values.clear();
    }

    /// Subkeys in Windows' order of their names.
    pub fn subkeys(&self) -> impl ExactSizeIterator<Item = (&Name, &Self)> {
        self.subkeys.iter()
    }

    /// Subkeys, to be changed, in Windows' order of their names.
    pub fn subkeys_mut(&mut self) -> impl ExactSizeIterator<Item = (&Name, &mut Self)> {
        self.subkeys.iter_mut()
    }

    /// The direct subkey called `name`.
    #[must_use]
    pub fn subkey(&self, name: impl Into<Name>) -> Option<&Self> {
        self.subkeys.get(&name.into())
    }

    /// The direct subkey called `name`, with its name as it is spelled.
    #[must_use]
    pub fn subkey_entry(&self, name: impl Into<Name>) -> Option<(&Name, &Self)> {
        self.subkeys.get_key_value(&name.into())
    }

    /// The direct subkey called `name`, to be changed.
    pub fn subkey_mut(&mut self, name: impl Into<Name>) -> Option<&mut Self> {
        self.subkeys.get_mut(&name.into())
    }

    /// Puts a direct subkey there and returns the one that it replaces, whose spelling is kept.
    /// The name is one of a key ([`Name::is_key_name`]).
    pub fn insert_subkey(&mut self, name: impl Into<Name>, key: Self) -> Option<Self> {
        let name = name.into();
        debug_assert!(name.is_key_name(), "{name:?} is not a key's name");
        self.subkeys.insert(name, key)
    }

    /// Removes and returns the direct subkey called `name`.
    pub fn remove_subkey(&mut self, name: impl Into<Name>) -> Option<Self> {
        self.subkeys.remove(&name.into())
    }

    /// Keeps those direct subkeys that are wanted.
    pub fn retain_subkeys(&mut self, mut wanted: impl FnMut(&Name, &Self) -> bool) {
        self.subkeys.retain(|name, key| wanted(name, key));
    }

    /// The direct subkey called `name`, made if it is missing, with this key's time.
    pub fn subkey_or_create(&mut self, name: impl Into<Name>) -> &mut Self {
        let missing = Self::new(self.last_write);
        self.subkey_or_insert(name.into(), missing)
    }

    pub(crate) fn subkey_or_insert(&mut self, name: Name, missing: Self) -> &mut Self {
        self.subkeys.entry(name).or_insert(missing)
    }

    /// The key at a path such as `Microsoft\Windows NT`; the empty path is this key. Symbolic
    /// links are not followed.
    #[must_use]
    pub fn open(&self, path: &str) -> Option<&Self> {
        components(path).try_fold(self, |key, name| key.subkeys.get(&name))
    }

    /// The key at a path, to be changed.
    pub fn open_mut(&mut self, path: &str) -> Option<&mut Self> {
        components(path).try_fold(self, |key, name| key.subkeys.get_mut(&name))
    }

    /// The key at a path, made with all that lead to it if it is missing.
    pub fn create(&mut self, path: &str) -> &mut Self {
        components(path).fold(self, Self::subkey_or_create)
    }

    /// Removes and returns the key at a path with everything below it.
    pub fn delete(&mut self, path: &str) -> Option<Self> {
        let path = path.trim_end_matches('\\');
        let (parent, name) = path.rsplit_once('\\').unwrap_or(("", path));
        self.open_mut(parent)?.remove_subkey(name)
    }

    /// How many keys there are, this one included.
    #[must_use]
    pub fn count(&self) -> usize {
        1 + self.subkeys.values().map(Self::count).sum::<usize>()
    }

    /// How many levels of keys there are below this one.
    #[must_use]
    pub fn depth(&self) -> usize {
        let below = self.subkeys.values().map(|key| 1 + key.depth());
        below.max().unwrap_or_default()
    }

    pub(crate) fn into_parts(self) -> (BTreeMap<Name, Value>, BTreeMap<Name, Self>) {
        (self.values, self.subkeys)
    }
}

fn components(path: &str) -> impl Iterator<Item = Name> + '_ {
    path.split('\\')
        .filter(|name| !name.is_empty())
        .map(Name::from)
}

#[cfg(test)]
mod tests {
    use super::Key;
    use crate::value::Value;

    #[test]
    fn paths_ignore_case_and_extra_separators() {
        let mut root = Key::default();
        root.create(r"Software\Wine").set_value("", Value::dword(1));
        assert_eq!(
            root.value_at(r"\SOFTWARE\\wine\", ""),
            Some(&Value::dword(1))
        );
        assert_eq!(root.count(), 3);
        assert!(root.delete(r"software\WINE").is_some());
        assert!(root.open(r"Software\Wine").is_none());
        assert!(root.delete("Nothing").is_none());
    }

    #[test]
    fn the_first_spelling_stays() {
        let mut root = Key::default();
        root.create("Name");
        root.create("NAME");
        root.set_value("Value", Value::dword(1));
        root.set_value("VALUE", Value::dword(2));
        assert_eq!(root.subkeys().next().expect("one").0.to_string(), "Name");
        assert_eq!(root.values().next().expect("one").0.to_string(), "Value");
    }
}
