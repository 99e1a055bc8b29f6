//! The file and its cells.

use super::layout::{
    BASE_BLOCK, IN_PLACE, NOWHERE, SEGMENT, SEGMENTS_SINCE, VERSIONS, base, checksum,
};
use super::read_key::KeyReader;
use super::{Hive, RegfError, RegfErrorKind};
use crate::filetime::FileTime;

pub(super) type Result<T> = std::result::Result<T, RegfError>;

/// Reads a hive.
///
/// # Errors
/// Anything that is not a well-formed hive. Time and memory are bounded by the file's size.
pub fn read(bytes: &[u8]) -> Result<Hive> {
    let file = Cells::open(bytes)?;
    let header = &bytes[..BASE_BLOCK];
    let root = number(header, base::ROOT);
    let (root_name, root) = KeyReader::new(&file).read_root(root)?;
    let name = &header[base::FILE_NAME..base::FILE_NAME + base::FILE_NAME_BYTES];
    let name: Vec<u16> = units(name)
        .into_iter()
        .take_while(|&unit| unit != 0)
        .collect();
    Ok(Hive {
        file_name: String::from_utf16_lossy(&name),
        minor_version: file.minor_version,
        last_write: FileTime(long_number(header, base::LAST_WRITE)),
        is_dirty: number(header, base::PRIMARY_SEQUENCE)
            != number(header, base::SECONDARY_SEQUENCE),
        root_name: root_name.to_string(),
        root,
    })
}

/// Access to the cells of a file by their offsets.
pub(super) struct Cells<'a> {
    /// The bins, one after another.
    bins: &'a [u8],
    pub(super) minor_version: u32,
}

impl<'a> Cells<'a> {
    fn open(bytes: &'a [u8]) -> Result<Self> {
        let fail = |offset, kind| Err(RegfError { offset, kind });
        if !bytes.starts_with(b"regf") {
            return fail(0, RegfErrorKind::Signature);
        }
        let Some((header, bins)) = bytes.split_at_checked(BASE_BLOCK) else {
            return fail(0, RegfErrorKind::Truncated);
        };
        if number(header, base::CHECKSUM) != checksum(header) {
            return fail(base::CHECKSUM, RegfErrorKind::Checksum);
        }
        let minor_version = number(header, base::MINOR);
        if number(header, base::MAJOR) != 1 || !VERSIONS.contains(&minor_version) {
            return fail(base::MAJOR, RegfErrorKind::Version(minor_version));
        }
        let size = number(header, base::BINS_SIZE) as usize;
        match bins.get(..size) {
            Some(bins) => Ok(Self {
                bins,
                minor_version,
            }),
            None => fail(base::BINS_SIZE, RegfErrorKind::Truncated),
        }
    }

    /// Bytes of all bins.
    pub(super) const fn size(&self) -> usize {
        self.bins.len()
    }

    /// The content of an allocated cell.
    pub(super) fn cell(&self, offset: u32, what: &'static str) -> Result<&'a [u8]> {
        let bad = RegfError {
            offset: BASE_BLOCK.saturating_add(offset as usize),
            kind: RegfErrorKind::Cell(what),
        };
        let cell = self.bins.get(offset as usize..).ok_or(bad.clone())?;
        let size = cell
            .first_chunk()
            .map(|size| i32::from_le_bytes(*size))
            .ok_or(bad.clone())?;
        // Allocated cells have negative sizes, which include the size itself.
        let size = usize::try_from(i64::from(size).wrapping_neg()).map_err(|_| bad.clone())?;
        cell.get(4..size).ok_or(bad)
    }

    /// The content of a cell that begins with `signature` and has at least `length` bytes.
    pub(super) fn signed_cell(
        &self,
        offset: u32,
        signature: &'static str,
        length: usize,
    ) -> Result<&'a [u8]> {
        let cell = self.cell(offset, signature)?;
        if cell.len() >= length && cell.starts_with(signature.as_bytes()) {
            Ok(cell)
        } else {
            Err(error(offset, RegfErrorKind::Cell(signature)))
        }
    }

    /// The bytes of a value whose cell says `size` and `offset`.
    pub(super) fn data(&self, size: u32, offset: u32) -> Result<Vec<u8>> {
        let length = (size & !IN_PLACE) as usize;
        let bad = || error(offset, RegfErrorKind::Cell("data"));
        if size & IN_PLACE != 0 {
            return Ok(offset.to_le_bytes().get(..length).ok_or_else(bad)?.to_vec());
        }
        if length == 0 {
            return Ok(Vec::new());
        }
        if length > SEGMENT && self.minor_version >= SEGMENTS_SINCE {
            return self.segments(length, offset);
        }
        Ok(self
            .cell(offset, "data")?
            .get(..length)
            .ok_or_else(bad)?
            .to_vec())
    }

    fn segments(&self, length: usize, offset: u32) -> Result<Vec<u8>> {
        let bad = || error(offset, RegfErrorKind::Cell("db"));
        let db = self.signed_cell(offset, "db", 8)?;
        let count = usize::from(short_number(db, 2));
        let list = self
            .cell(number(db, 4), "db")?
            .get(..count * 4)
            .ok_or_else(bad)?;
        if length > count * SEGMENT || length > self.size() {
            return Err(bad());
        }
        let mut data = Vec::with_capacity(length);
        for segment in list.chunks_exact(4) {
            let wanted = (length - data.len()).min(SEGMENT);
            let segment = self.cell(number(segment, 0), "db")?;
            data.extend(segment.get(..wanted).ok_or_else(bad)?);
        }
        Ok(data)
    }
}

pub(super) fn error(offset: u32, kind: RegfErrorKind) -> RegfError {
    RegfError {
        offset: if offset == NOWHERE {
            0
        } else {
            BASE_BLOCK + offset as usize
        },
        kind,
    }
}

/// The u16 at `at`, which the caller has checked to be inside.
pub(super) fn short_number(bytes: &[u8], at: usize) -> u16 {
    u16::from_le_bytes([bytes[at], bytes[at + 1]])
}

/// The u32 at `at`, which the caller has checked to be inside.
pub(super) fn number(bytes: &[u8], at: usize) -> u32 {
    u32::from_le_bytes([bytes[at], bytes[at + 1], bytes[at + 2], bytes[at + 3]])
}

/// The u64 at `at`, which the caller has checked to be inside.
pub(super) fn long_number(bytes: &[u8], at: usize) -> u64 {
    u64::from(number(bytes, at)) | u64::from(number(bytes, at + 4)) << 32
}

/// UTF-16 units; an odd byte at the end is left out.
pub(super) fn units(bytes: &[u8]) -> Vec<u16> {
    bytes
        .chunks_exact(2)
        .map(|pair| u16::from_le_bytes([pair[0], pair[1]]))
        .collect()
}
