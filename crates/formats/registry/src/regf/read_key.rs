//! Keys, values and lists of them.

use std::collections::HashSet;

use super::RegfErrorKind;
use super::layout::{LAYERS_SINCE, NOWHERE, nk, sk, vk};
use super::read::{Cells, Result, error, long_number, number, short_number, units};
use crate::filetime::FileTime;
use crate::key::{Key, MAX_DEPTH};
use crate::layer::{Layering, Semantics};
use crate::name::Name;
use crate::security::SecurityDescriptor;
use crate::value::{Value, ValueKind};

/// Bytes that a value takes in a file at the least; what each one read is charged.
const VALUE_COST: usize = 24;

/// Builds the tree. Every key's cell is used once, and values are charged against the size of the
/// file, so that a small file cannot make a large tree.
pub(super) struct KeyReader<'a> {
    cells: &'a Cells<'a>,
    seen: HashSet<u32>,
    /// Descriptors already read, by offset.
    security: std::collections::HashMap<u32, SecurityDescriptor>,
    /// Bytes that values may still take.
    budget: usize,
}

impl<'a> KeyReader<'a> {
    pub(super) fn new(cells: &'a Cells<'a>) -> Self {
        Self {
            cells,
            seen: HashSet::new(),
            security: std::collections::HashMap::new(),
            budget: cells.size(),
        }
    }

    pub(super) fn read_root(mut self, offset: u32) -> Result<(Name, Key)> {
        match self.key(offset, 0)? {
            Some(root) => Ok(root),
            None => Err(error(offset, RegfErrorKind::Cell("nk"))),
        }
    }

    /// A key and all below it, or `None` if it is volatile.
    fn key(&mut self, offset: u32, depth: usize) -> Result<Option<(Name, Key)>> {
        if depth > MAX_DEPTH {
            return Err(error(offset, RegfErrorKind::Depth));
        }
        if !self.seen.insert(offset) {
            return Err(error(offset, RegfErrorKind::Cycle));
        }
        let cell = self.cells.signed_cell(offset, "nk", nk::NAME)?;
        let flags = short_number(cell, nk::FLAGS);
        if flags & nk::VOLATILE != 0 {
            return Ok(None);
        }
        let name = name(
            cell,
            nk::NAME,
            short_number(cell, nk::NAME_LENGTH),
            flags & nk::LATIN1_NAME != 0,
        )
        .ok_or_else(|| error(offset, RegfErrorKind::Name))?;
        let mut key = Key::new(FileTime(long_number(cell, nk::LAST_WRITE)));
        key.class = self.class(cell)?;
        key.security = self.security(number(cell, nk::SECURITY))?;
        key.symlink = flags & nk::SYMLINK != 0;
        key.layering = self.layering(cell);
        self.values(cell, &mut key)?;
        self.subkeys(offset, cell, depth, &mut key)?;
        Ok(Some((name, key)))
    }

    fn layering(&self, cell: &[u8]) -> Layering {
        if self.cells.minor_version < LAYERS_SINCE {
            return Layering::default();
        }
        let bits = cell[nk::LAYERING];
        let semantics = match bits & nk::SEMANTICS {
            0 => Semantics::Merge,
            1 => Semantics::Tombstone,
            2 => Semantics::SupersedeLocal,
            _ => Semantics::SupersedeTree,
        };
        Layering {
            semantics,
            inherit_class: bits & nk::INHERIT_CLASS != 0,
            ..Layering::default()
        }
    }

    fn class(&self, cell: &[u8]) -> Result<Option<Box<[u16]>>> {
        let (offset, length) = (
            number(cell, nk::CLASS),
            short_number(cell, nk::CLASS_LENGTH),
        );
        if offset == NOWHERE || length == 0 {
            return Ok(None);
        }
        let class = self.cells.cell(offset, "class")?;
        let class = class
            .get(..usize::from(length))
            .ok_or_else(|| error(offset, RegfErrorKind::Cell("class")))?;
        Ok(Some(units(class).into()))
    }

    fn security(&mut self, offset: u32) -> Result<Option<SecurityDescriptor>> {
        if offset == NOWHERE {
            return Ok(None);
        }
        if let Some(known) = self.security.get(&offset) {
            return Ok(Some(known.clone()));
        }
        let cell = self.cells.signed_cell(offset, "sk", sk::DESCRIPTOR)?;
        let size = number(cell, sk::SIZE) as usize;
        let bytes = cell[sk::DESCRIPTOR..].get(..size);
        let descriptor = bytes
            .and_then(SecurityDescriptor::from_bytes)
            .ok_or_else(|| error(offset, RegfErrorKind::Cell("sk")))?;
        self.security.insert(offset, descriptor.clone());
        Ok(Some(descriptor))
    }

    fn values(&mut self, cell: &[u8], key: &mut Key) -> Result<()> {
        let count = number(cell, nk::VALUE_COUNT) as usize;
        if count == 0 {
            return Ok(());
        }
        let offset = number(cell, nk::VALUES);
        let list = self.cells.cell(offset, "value list")?;
        let list = count.checked_mul(4).and_then(|length| list.get(..length));
        let list = list.ok_or_else(|| error(offset, RegfErrorKind::Cell("value list")))?;
        for value in list.chunks_exact(4) {
            self.value(number(value, 0), key)?;
        }
        Ok(())
    }

    fn value(&mut self, offset: u32, key: &mut Key) -> Result<()> {
        let cell = self.cells.signed_cell(offset, "vk", vk::NAME)?;
        let flags = short_number(cell, vk::FLAGS);
        let size = number(cell, vk::DATA_SIZE);
        let name_length = short_number(cell, vk::NAME_LENGTH);
        self.charge(offset, VALUE_COST + usize::from(name_length))?;
        let name = name(cell, vk::NAME, name_length, flags & vk::LATIN1_NAME != 0)
            .ok_or_else(|| error(offset, RegfErrorKind::Name))?;
        let is_new = if flags & vk::TOMBSTONE != 0 && self.cells.minor_version >= LAYERS_SINCE {
            key.layering.value_tombstones.insert(name)
        } else {
            let data = self.cells.data(size, number(cell, vk::DATA))?;
            if size & super::layout::IN_PLACE == 0 {
                self.charge(offset, data.len())?;
            }
            key.set_value(
                name,
                Value {
                    kind: ValueKind(number(cell, vk::KIND)),
                    data,
                },
            )
            .is_none()
        };
        if is_new {
            Ok(())
        } else {
            Err(error(offset, RegfErrorKind::Name))
        }
    }

    fn charge(&mut self, offset: u32, bytes: usize) -> Result<()> {
        self.budget = self
            .budget
            .checked_sub(bytes)
            .ok_or_else(|| error(offset, RegfErrorKind::Amplified))?;
        Ok(())
    }

    fn subkeys(&mut self, parent: u32, cell: &[u8], depth: usize, key: &mut Key) -> Result<()> {
        if number(cell, nk::SUBKEY_COUNT) == 0 {
            return Ok(());
        }
        for offset in self.subkey_offsets(number(cell, nk::SUBKEYS), true)? {
            let Some((name, subkey)) = self.key(offset, depth + 1)? else {
                continue;
            };
            if !name.is_key_name() || key.insert_subkey(name, subkey).is_some() {
                return Err(error(parent, RegfErrorKind::Name));
            }
        }
        Ok(())
    }

    /// The keys of a list; a list of lists has only lists of keys.
    fn subkey_offsets(&self, offset: u32, may_nest: bool) -> Result<Vec<u32>> {
        let bad = || error(offset, RegfErrorKind::Cell("subkey list"));
        let cell = self.cells.cell(offset, "subkey list")?;
        let (stride, nests) = match cell.get(..2) {
            Some(b"li") => (4, false),
            Some(b"lf" | b"lh") => (8, false),
            Some(b"ri") if may_nest => (4, true),
            _ => return Err(bad()),
        };
        let count = usize::from(short_number(cell.get(..4).ok_or_else(bad)?, 2));
        let entries = cell[4..].get(..count * stride).ok_or_else(bad)?;
        let offsets = entries.chunks_exact(stride).map(|entry| number(entry, 0));
        if !nests {
            return Ok(offsets.collect());
        }
        let mut all = Vec::new();
        for list in offsets {
            all.extend(self.subkey_offsets(list, false)?);
            // A key takes at least 80 bytes, so more entries than this repeat some.
            if all.len() > self.cells.size() / 80 {
                return Err(error(list, RegfErrorKind::Cycle));
            }
        }
        Ok(all)
    }
}

fn name(cell: &[u8], at: usize, length: u16, is_latin1: bool) -> Option<Name> {
    let bytes = cell.get(at..)?.get(..usize::from(length))?;
    let units = if is_latin1 {
        bytes.iter().map(|&byte| u16::from(byte)).collect()
    } else {
        units(bytes)
    };
    Some(Name::from_units(units))
}
