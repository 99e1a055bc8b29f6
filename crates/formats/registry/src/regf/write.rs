//! Cells, bins and the header.

use super::layout::{
    BASE_BLOCK, BIN_ALIGNMENT, BIN_HEADER, IN_PLACE, LAYERS_SINCE, NOWHERE, SEGMENT,
    SEGMENTS_SINCE, VERSIONS, base, checksum,
};
use super::write_key::KeyWriter;
use super::{Hive, RegfError, RegfErrorKind};

pub(super) type Result<T> = std::result::Result<T, RegfErrorKind>;

/// Hives can be no larger than this.
const MAX_BINS: usize = 0x7fff_f000;

/// The hive's file.
///
/// # Errors
/// Names, classes and values larger than the format allows; layered keys below version 1.6.
pub fn write(hive: &Hive) -> std::result::Result<Vec<u8>, RegfError> {
    write_hive(hive).map_err(|kind| RegfError { offset: 0, kind })
}

fn write_hive(hive: &Hive) -> Result<Vec<u8>> {
    if !VERSIONS.contains(&hive.minor_version) {
        return Err(RegfErrorKind::Version(hive.minor_version));
    }
    let mut bins = Bins::new(hive.minor_version, hive.last_write.0);
    let root = KeyWriter::new(&mut bins).write_root(&hive.root_name, &hive.root)?;
    let bins = bins.finish();
    let mut file = header(
        hive,
        root,
        u32::try_from(bins.len()).map_err(|_| RegfErrorKind::TooLarge("tree"))?,
    );
    file.extend(bins);
    Ok(file)
}

fn header(hive: &Hive, root: u32, size: u32) -> Vec<u8> {
    let mut block = vec![0; BASE_BLOCK];
    block[..4].copy_from_slice(b"regf");
    let second = if hive.is_dirty { 1 } else { 2 };
    for (at, number) in [
        (base::PRIMARY_SEQUENCE, 2),
        (base::SECONDARY_SEQUENCE, second),
        (base::MAJOR, 1),
        (base::MINOR, hive.minor_version),
        (base::FORMAT, 1),
        (base::ROOT, root),
        (base::BINS_SIZE, size),
        (base::CLUSTERING, 1),
        (
            base::FLAGS,
            if hive.minor_version >= LAYERS_SINCE {
                base::FLAG_LAYERED
            } else {
                0
            },
        ),
    ] {
        put(&mut block, at, &number.to_le_bytes());
    }
    put(
        &mut block,
        base::LAST_WRITE,
        &hive.last_write.0.to_le_bytes(),
    );
    let name: Vec<u16> = hive.file_name.encode_utf16().collect();
    let shown = &name[name.len().saturating_sub(base::FILE_NAME_BYTES / 2 - 1)..];
    let shown: Vec<u8> = shown.iter().flat_map(|unit| unit.to_le_bytes()).collect();
    put(&mut block, base::FILE_NAME, &shown);
    let sum = checksum(&block);
    put(&mut block, base::CHECKSUM, &sum.to_le_bytes());
    block
}

/// Overwrites bytes at an offset.
pub(super) fn put(bytes: &mut [u8], at: usize, new: &[u8]) {
    bytes[at..at + new.len()].copy_from_slice(new);
}

/// Bins under construction: cells are appended, and patched when offsets become known.
pub(super) struct Bins {
    bytes: Vec<u8>,
    /// Where the bin that is being filled begins.
    bin: usize,
    /// Where it ends; 0 before the first.
    end: usize,
    pub(super) minor_version: u32,
    last_write: u64,
}

impl Bins {
    const fn new(minor_version: u32, last_write: u64) -> Self {
        Self {
            bytes: Vec::new(),
            bin: 0,
            end: 0,
            minor_version,
            last_write,
        }
    }

    /// Appends a cell and returns its offset.
    pub(super) fn add(&mut self, content: &[u8]) -> Result<u32> {
        let size = (content.len() + 4).next_multiple_of(8);
        if self.bytes.len() + size > self.end {
            self.close_bin();
            self.open_bin(size)?;
        }
        let offset = self.bytes.len();
        let signed = i32::try_from(size).map_err(|_| RegfErrorKind::TooLarge("cell"))?;
        self.bytes.extend((-signed).to_le_bytes());
        self.bytes.extend(content);
        self.bytes.resize(offset + size, 0);
        u32::try_from(offset).map_err(|_| RegfErrorKind::TooLarge("tree"))
    }

    /// The content of a cell, to be patched.
    pub(super) fn cell_mut(&mut self, offset: u32) -> &mut [u8] {
        &mut self.bytes[offset as usize + 4..]
    }

    /// Appends a value's data and returns what its cell says: size and offset.
    pub(super) fn add_data(&mut self, data: &[u8]) -> Result<(u32, u32)> {
        let size = u32::try_from(data.len())
            .ok()
            .filter(|size| size & IN_PLACE == 0);
        let size = size.ok_or(RegfErrorKind::TooLarge("value"))?;
        if data.len() <= 4 {
            let mut inline = [0; 4];
            inline[..data.len()].copy_from_slice(data);
            return Ok((size | IN_PLACE, u32::from_le_bytes(inline)));
        }
        if data.len() > SEGMENT && self.minor_version >= SEGMENTS_SINCE {
            return Ok((size, self.add_segments(data)?));
        }
        Ok((size, self.add(data)?))
    }

    fn add_segments(&mut self, data: &[u8]) -> Result<u32> {
        let count = u16::try_from(data.len().div_ceil(SEGMENT))
            .map_err(|_| RegfErrorKind::TooLarge("value"))?;
        let mut list = Vec::with_capacity(usize::from(count) * 4);
        for segment in data.chunks(SEGMENT) {
            // Windows leaves four bytes after each segment.
            let padded = [segment, &[0; 4]].concat();
            list.extend(self.add(&padded)?.to_le_bytes());
        }
        let list = self.add(&list)?;
        let mut db = b"db".to_vec();
        db.extend(count.to_le_bytes());
        db.extend(list.to_le_bytes());
        db.extend([0; 4]);
        self.add(&db)
    }

    fn open_bin(&mut self, cell: usize) -> Result<()> {
        let size = (BIN_HEADER + cell).next_multiple_of(BIN_ALIGNMENT);
        self.bin = self.bytes.len();
        self.end = self.bin + size;
        if self.end > MAX_BINS {
            return Err(RegfErrorKind::TooLarge("tree"));
        }
        let number = |number: usize| u32::try_from(number).unwrap_or(NOWHERE).to_le_bytes();
        self.bytes.extend(b"hbin");
        self.bytes.extend(number(self.bin));
        self.bytes.extend(number(size));
        self.bytes.extend([0; 8]);
        // Only the first bin has a time.
        self.bytes
            .extend(if self.bin == 0 { self.last_write } else { 0 }.to_le_bytes());
        self.bytes.extend([0; 4]);
        Ok(())
    }

    /// Makes what is left of the bin a free cell.
    fn close_bin(&mut self) {
        let left = self.end - self.bytes.len();
        if left > 0 {
            self.bytes
                .extend(u32::try_from(left).unwrap_or(0).to_le_bytes());
            self.bytes.resize(self.end, 0);
        }
    }

    fn finish(mut self) -> Vec<u8> {
        self.close_bin();
        self.bytes
    }
}
