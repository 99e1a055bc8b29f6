//! Keys, values and lists of them.

use std::collections::HashMap;

use super::RegfErrorKind;
use super::layout::{HASHES_SINCE, LAYERS_SINCE, NOWHERE, name_hash, nk, sk, vk};
use super::write::{Bins, Result, put};
use crate::key::{Key, MAX_DEPTH};
use crate::layer::Semantics;
use crate::name::Name;
use crate::security::SecurityDescriptor;
use crate::value::Value;

/// Entries of one `lh` list, as many as fit a page; more are spread over several under an `ri`.
const LIST_ENTRIES: usize = 507;

pub(super) struct KeyWriter<'a> {
    bins: &'a mut Bins,
    /// Offset and number of users of each descriptor's cell.
    security: HashMap<SecurityDescriptor, (u32, u32)>,
    /// Descriptors' cells in order, which form a ring.
    ring: Vec<SecurityDescriptor>,
}

/// Sizes that a key records of its children.
#[derive(Default)]
struct Longest {
    subkey_name: usize,
    class: usize,
    value_name: usize,
    data: usize,
}

impl<'a> KeyWriter<'a> {
    pub(super) fn new(bins: &'a mut Bins) -> Self {
        Self {
            bins,
            security: HashMap::new(),
            ring: Vec::new(),
        }
    }

    pub(super) fn write_root(mut self, name: &str, root: &Key) -> Result<u32> {
        let inherited = SecurityDescriptor::hive_default();
        let flags = nk::ROOT | nk::NO_DELETE;
        let offset = self.key(&Name::from(name), root, NOWHERE, flags, &inherited, 0)?;
        self.close_ring();
        Ok(offset)
    }

    fn key(
        &mut self,
        name: &Name,
        key: &Key,
        parent: u32,
        flags: u16,
        inherited: &SecurityDescriptor,
        depth: usize,
    ) -> Result<u32> {
        if depth > MAX_DEPTH {
            return Err(RegfErrorKind::Depth);
        }
        if !key.layering.is_plain() && self.bins.minor_version < LAYERS_SINCE {
            return Err(RegfErrorKind::Layered);
        }
        let security = key.security.as_ref().unwrap_or(inherited);
        let cell = self.key_cell(name, key, parent, flags)?;
        let offset = self.bins.add(&cell)?;
        let security_cell = self.security_cell(security)?;
        self.patch(offset, nk::SECURITY, security_cell);
        let mut longest = Longest::default();
        self.class(offset, key)?;
        self.values(offset, key, &mut longest)?;
        self.subkeys(offset, key, security, depth, &mut longest)?;
        for (at, size) in [
            (nk::LONGEST_SUBKEY_NAME, longest.subkey_name),
            (nk::LONGEST_CLASS, longest.class),
            (nk::LONGEST_VALUE_NAME, longest.value_name),
            (nk::LARGEST_DATA, longest.data),
        ] {
            let size = u32::try_from(size).map_err(|_| RegfErrorKind::TooLarge("value"))?;
            self.patch(offset, at, size);
        }
        Ok(offset)
    }

    /// The fixed part of a key's cell and its name; offsets are filled in later.
    fn key_cell(&self, name: &Name, key: &Key, parent: u32, flags: u16) -> Result<Vec<u8>> {
        let (name_bytes, is_latin1) = name_bytes(name);
        let name_length =
            u16::try_from(name_bytes.len()).map_err(|_| RegfErrorKind::TooLarge("key name"))?;
        let mut flags = flags;
        if key.symlink {
            flags |= nk::SYMLINK;
        }
        if is_latin1 {
            flags |= nk::LATIN1_NAME;
        }
        let mut cell = vec![0; nk::NAME];
        cell[..2].copy_from_slice(b"nk");
        put(&mut cell, nk::FLAGS, &flags.to_le_bytes());
        put(&mut cell, nk::LAST_WRITE, &key.last_write.0.to_le_bytes());
        cell[nk::LAYERING] = layering_bits(key);
        put(&mut cell, nk::PARENT, &parent.to_le_bytes());
        for at in [
            nk::SUBKEYS,
            nk::VOLATILE_SUBKEYS,
            nk::VALUES,
            nk::SECURITY,
            nk::CLASS,
        ] {
            put(&mut cell, at, &NOWHERE.to_le_bytes());
        }
        put(&mut cell, nk::NAME_LENGTH, &name_length.to_le_bytes());
        cell.extend(name_bytes);
        Ok(cell)
    }

    fn patch(&mut self, offset: u32, at: usize, number: u32) {
        put(self.bins.cell_mut(offset), at, &number.to_le_bytes());
    }

    fn class(&mut self, offset: u32, key: &Key) -> Result<()> {
        let Some(class) = key.class.as_deref().filter(|class| !class.is_empty()) else {
            return Ok(());
        };
        let bytes: Vec<u8> = class.iter().flat_map(|unit| unit.to_le_bytes()).collect();
        let length = u16::try_from(bytes.len()).map_err(|_| RegfErrorKind::TooLarge("class"))?;
        let cell = self.bins.add(&bytes)?;
        self.patch(offset, nk::CLASS, cell);
        put(
            self.bins.cell_mut(offset),
            nk::CLASS_LENGTH,
            &length.to_le_bytes(),
        );
        Ok(())
    }

    fn values(&mut self, offset: u32, key: &Key, longest: &mut Longest) -> Result<()> {
        let mut list = Vec::new();
        for (name, value) in key.values() {
            longest.value_name = longest.value_name.max(name.units().len() * 2);
            longest.data = longest.data.max(value.data.len());
            list.extend(self.value(name, Some(value))?.to_le_bytes());
        }
        let gone = key.layering.value_tombstones.iter();
        for name in gone.filter(|name| key.value(*name).is_none()) {
            longest.value_name = longest.value_name.max(name.units().len() * 2);
            list.extend(self.value(name, None)?.to_le_bytes());
        }
        if !list.is_empty() {
            let count =
                u32::try_from(list.len() / 4).map_err(|_| RegfErrorKind::TooLarge("key"))?;
            let list = self.bins.add(&list)?;
            self.patch(offset, nk::VALUE_COUNT, count);
            self.patch(offset, nk::VALUES, list);
        }
        Ok(())
    }

    /// A value's cell, or a tombstone's.
    fn value(&mut self, name: &Name, value: Option<&Value>) -> Result<u32> {
        let (name_bytes, is_latin1) = name_bytes(name);
        let name_length =
            u16::try_from(name_bytes.len()).map_err(|_| RegfErrorKind::TooLarge("value name"))?;
        // A tombstone has no data, and says so as Windows does of an empty value: hivex refuses to
        // list a key with a value whose data are nowhere.
        let data = value.map_or(&[][..], |value| &value.data);
        let (size, data) = self.bins.add_data(data)?;
        let mut flags = if is_latin1 { vk::LATIN1_NAME } else { 0 };
        if value.is_none() {
            flags |= vk::TOMBSTONE;
        }
        let mut cell = vec![0; vk::NAME];
        cell[..2].copy_from_slice(b"vk");
        put(&mut cell, vk::NAME_LENGTH, &name_length.to_le_bytes());
        put(&mut cell, vk::DATA_SIZE, &size.to_le_bytes());
        put(&mut cell, vk::DATA, &data.to_le_bytes());
        put(
            &mut cell,
            vk::KIND,
            &value.map_or(0, |value| value.kind.0).to_le_bytes(),
        );
        put(&mut cell, vk::FLAGS, &flags.to_le_bytes());
        cell.extend(name_bytes);
        self.bins.add(&cell)
    }

    fn subkeys(
        &mut self,
        offset: u32,
        key: &Key,
        security: &SecurityDescriptor,
        depth: usize,
        longest: &mut Longest,
    ) -> Result<()> {
        let mut entries = Vec::new();
        for (name, subkey) in key.subkeys() {
            longest.subkey_name = longest.subkey_name.max(name.units().len() * 2);
            longest.class = longest
                .class
                .max(subkey.class.as_ref().map_or(0, |class| class.len() * 2));
            let cell = self.key(name, subkey, offset, 0, security, depth + 1)?;
            entries.push((cell, self.list_hint(name)));
        }
        if !entries.is_empty() {
            let count = u32::try_from(entries.len()).map_err(|_| RegfErrorKind::TooLarge("key"))?;
            let list = self.subkey_list(&entries)?;
            self.patch(offset, nk::SUBKEY_COUNT, count);
            self.patch(offset, nk::SUBKEYS, list);
        }
        Ok(())
    }

    fn subkey_list(&mut self, entries: &[(u32, u32)]) -> Result<u32> {
        let signature = if self.bins.minor_version < HASHES_SINCE {
            *b"lf"
        } else {
            *b"lh"
        };
        let mut lists = Vec::new();
        for entries in entries.chunks(LIST_ENTRIES) {
            let pairs: Vec<u32> = entries
                .iter()
                .flat_map(|(cell, hint)| [*cell, *hint])
                .collect();
            lists.push(self.list(signature, entries.len(), &pairs)?);
        }
        if let [only] = lists[..] {
            Ok(only)
        } else {
            self.list(*b"ri", lists.len(), &lists)
        }
    }

    /// What stands beside a key in a list: a hash, or in old versions its first four characters.
    fn list_hint(&self, name: &Name) -> u32 {
        if self.bins.minor_version >= HASHES_SINCE {
            return name_hash(name.units());
        }
        let mut first = [0; 4];
        for (byte, &unit) in first.iter_mut().zip(name.units()) {
            // Windows does not use the hint when it begins with NUL.
            let Ok(latin1) = u8::try_from(unit) else {
                return 0;
            };
            *byte = latin1;
        }
        u32::from_le_bytes(first)
    }

    fn list(&mut self, signature: [u8; 2], count: usize, numbers: &[u32]) -> Result<u32> {
        let count = u16::try_from(count).map_err(|_| RegfErrorKind::TooLarge("key"))?;
        let mut cell = signature.to_vec();
        cell.extend(count.to_le_bytes());
        cell.extend(numbers.iter().flat_map(|number| number.to_le_bytes()));
        self.bins.add(&cell)
    }

    /// The cell of a descriptor, made on first use.
    fn security_cell(&mut self, descriptor: &SecurityDescriptor) -> Result<u32> {
        if let Some((offset, users)) = self.security.get_mut(descriptor) {
            *users += 1;
            return Ok(*offset);
        }
        let bytes = descriptor.as_bytes();
        let size = u32::try_from(bytes.len())
            .map_err(|_| RegfErrorKind::TooLarge("security descriptor"))?;
        let mut cell = vec![0; sk::DESCRIPTOR];
        cell[..2].copy_from_slice(b"sk");
        put(&mut cell, sk::SIZE, &size.to_le_bytes());
        cell.extend(bytes);
        let offset = self.bins.add(&cell)?;
        self.security.insert(descriptor.clone(), (offset, 1));
        self.ring.push(descriptor.clone());
        Ok(offset)
    }

    /// Links the descriptors' cells to a ring and records their numbers of users.
    fn close_ring(&mut self) {
        let cells: Vec<(u32, u32)> = self
            .ring
            .iter()
            .map(|descriptor| self.security[descriptor])
            .collect();
        for (index, (offset, users)) in cells.iter().enumerate() {
            let next = cells[(index + 1) % cells.len()].0;
            let previous = cells[(index + cells.len() - 1) % cells.len()].0;
            self.patch(*offset, sk::NEXT, next);
            self.patch(*offset, sk::PREVIOUS, previous);
            self.patch(*offset, sk::REFERENCES, *users);
        }
    }
}

fn layering_bits(key: &Key) -> u8 {
    let semantics = match key.layering.semantics {
        Semantics::Merge => 0,
        Semantics::Tombstone => 1,
        Semantics::SupersedeLocal => 2,
        Semantics::SupersedeTree => 3,
    };
    semantics
        | if key.layering.inherit_class {
            nk::INHERIT_CLASS
        } else {
            0
        }
}

/// A name's bytes, and whether they are one byte for each unit.
fn name_bytes(name: &Name) -> (Vec<u8>, bool) {
    let latin1: Option<Vec<u8>> = name
        .units()
        .iter()
        .map(|&unit| u8::try_from(unit).ok())
        .collect();
    match latin1 {
        Some(bytes) => (bytes, true),
        None => (
            name.units()
                .iter()
                .flat_map(|unit| unit.to_le_bytes())
                .collect(),
            false,
        ),
    }
}
