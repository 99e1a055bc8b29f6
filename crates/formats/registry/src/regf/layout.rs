//! Numbers that reader and writer share.

use crate::name::upper_case;

/// Bytes of the base block, before the first bin.
pub(super) const BASE_BLOCK: usize = 4096;
/// Bins are multiples of this.
pub(super) const BIN_ALIGNMENT: usize = 4096;
/// Bytes of a bin's header.
pub(super) const BIN_HEADER: usize = 32;
/// The offset that leads nowhere.
pub(super) const NOWHERE: u32 = u32::MAX;
/// A bit of a value's size: the data stands in the offset's place.
pub(super) const IN_PLACE: u32 = 0x8000_0000;
/// Data above this is cut into segments of this many bytes, from version 1.4.
pub(super) const SEGMENT: usize = 16344;
/// The first version with segments.
pub(super) const SEGMENTS_SINCE: u32 = 4;
/// The first version whose lists of keys have hashes (`lh`).
pub(super) const HASHES_SINCE: u32 = 5;
/// The first version with layered keys.
pub(super) const LAYERS_SINCE: u32 = 6;
/// Minor versions that are read and written.
pub(super) const VERSIONS: std::ops::RangeInclusive<u32> = 3..=6;

/// Offsets in the base block.
pub(super) mod base {
    pub(in super::super) const PRIMARY_SEQUENCE: usize = 4;
    pub(in super::super) const SECONDARY_SEQUENCE: usize = 8;
    pub(in super::super) const LAST_WRITE: usize = 12;
    pub(in super::super) const MAJOR: usize = 20;
    pub(in super::super) const MINOR: usize = 24;
    pub(in super::super) const FORMAT: usize = 32;
    pub(in super::super) const ROOT: usize = 36;
    pub(in super::super) const BINS_SIZE: usize = 40;
    pub(in super::super) const CLUSTERING: usize = 44;
    pub(in super::super) const FILE_NAME: usize = 48;
    pub(in super::super) const FILE_NAME_BYTES: usize = 64;
    pub(in super::super) const FLAGS: usize = 144;
    /// The hive supports layered keys.
    pub(in super::super) const FLAG_LAYERED: u32 = 2;
    pub(in super::super) const CHECKSUM: usize = 508;
}

/// Offsets in a key's cell, and its flags.
pub(super) mod nk {
    pub(in super::super) const FLAGS: usize = 2;
    pub(in super::super) const LAST_WRITE: usize = 4;
    pub(in super::super) const LAYERING: usize = 13;
    pub(in super::super) const PARENT: usize = 16;
    pub(in super::super) const SUBKEY_COUNT: usize = 20;
    pub(in super::super) const SUBKEYS: usize = 28;
    pub(in super::super) const VOLATILE_SUBKEYS: usize = 32;
    pub(in super::super) const VALUE_COUNT: usize = 36;
    pub(in super::super) const VALUES: usize = 40;
    pub(in super::super) const SECURITY: usize = 44;
    pub(in super::super) const CLASS: usize = 48;
    pub(in super::super) const LONGEST_SUBKEY_NAME: usize = 52;
    pub(in super::super) const LONGEST_CLASS: usize = 56;
    pub(in super::super) const LONGEST_VALUE_NAME: usize = 60;
    pub(in super::super) const LARGEST_DATA: usize = 64;
    pub(in super::super) const NAME_LENGTH: usize = 72;
    pub(in super::super) const CLASS_LENGTH: usize = 74;
    pub(in super::super) const NAME: usize = 76;

    pub(in super::super) const VOLATILE: u16 = 0x01;
    pub(in super::super) const ROOT: u16 = 0x04;
    pub(in super::super) const NO_DELETE: u16 = 0x08;
    pub(in super::super) const SYMLINK: u16 = 0x10;
    pub(in super::super) const LATIN1_NAME: u16 = 0x20;

    pub(in super::super) const INHERIT_CLASS: u8 = 0x80;
    pub(in super::super) const SEMANTICS: u8 = 0x03;
}

/// Offsets in a value's cell, and its flags.
pub(super) mod vk {
    pub(in super::super) const NAME_LENGTH: usize = 2;
    pub(in super::super) const DATA_SIZE: usize = 4;
    pub(in super::super) const DATA: usize = 8;
    pub(in super::super) const KIND: usize = 12;
    pub(in super::super) const FLAGS: usize = 16;
    pub(in super::super) const NAME: usize = 20;

    pub(in super::super) const LATIN1_NAME: u16 = 1;
    pub(in super::super) const TOMBSTONE: u16 = 2;
}

/// Offsets in a security descriptor's cell.
pub(super) mod sk {
    pub(in super::super) const NEXT: usize = 4;
    pub(in super::super) const PREVIOUS: usize = 8;
    pub(in super::super) const REFERENCES: usize = 12;
    pub(in super::super) const SIZE: usize = 16;
    pub(in super::super) const DESCRIPTOR: usize = 20;
}

/// The header's checksum: the XOR of its first 127 words, never 0 or -1.
pub(super) fn checksum(base_block: &[u8]) -> u32 {
    let words = base_block[..base::CHECKSUM].chunks_exact(4);
    let sum = words.fold(0, |sum, word| {
        sum ^ u32::from_le_bytes([word[0], word[1], word[2], word[3]])
    });
    match sum {
        0 => 1,
        u32::MAX => u32::MAX - 1,
        sum => sum,
    }
}

/// The hash of a name in an `lh` list.
pub(super) fn name_hash(units: &[u16]) -> u32 {
    units.iter().fold(0u32, |hash, &unit| {
        hash.wrapping_mul(37)
            .wrapping_add(u32::from(upper_case(unit)))
    })
}
