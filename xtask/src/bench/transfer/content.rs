//! The files that are moved: the same ones, always, as a layer of Windows and as one of Linux.

use std::io::{Read, Write};
use std::path::Path;

use anyhow::Result;
use porthole_layer::{LayerPath, LayerWriter, Metadata};

/// Files in all.
pub(super) const FILES: u64 = 20_000;
/// Bytes in all.
pub(super) const BYTES: u64 = 1 << 30;
/// Files of one directory.
const PER_DIRECTORY: u64 = 50;
/// Of each kilobyte, what gzip cannot make smaller: about 0.35 is left of the whole.
const RANDOM: usize = 330;
const BLOCK: usize = 1024;

/// The layer of an image of Windows, uncompressed.
pub(super) fn windows<W: Write>(output: W) -> Result<W> {
    let mut layer = LayerWriter::new(output);
    layer.directory(&LayerPath::new("Files")?, &Metadata::directory())?;
    layer.directory(&LayerPath::new("Hives")?, &Metadata::directory())?;
    for number in 0..FILES {
        if number % PER_DIRECTORY == 0 {
            let path = format!("Files/data/{:04}", number / PER_DIRECTORY);
            layer.directory(&LayerPath::new(&path)?, &Metadata::directory())?;
        }
        let path = LayerPath::new(&format!("Files/{}", name(number)))?;
        layer.file(&path, &Metadata::file(), size(number), &mut content(number))?;
    }
    Ok(layer.finish()?)
}

/// The same files as the layer of an image of Linux, uncompressed.
pub(super) fn linux<W: Write>(output: W) -> Result<W> {
    let mut layer = tar::Builder::new(output);
    for number in 0..FILES {
        if number % PER_DIRECTORY == 0 {
            let mut header = header(tar::EntryType::Directory, 0o755, 0);
            let path = format!("data/{:04}/", number / PER_DIRECTORY);
            layer.append_data(&mut header, path, std::io::empty())?;
        }
        let mut header = header(tar::EntryType::Regular, 0o644, size(number));
        layer.append_data(&mut header, name(number), content(number))?;
    }
    Ok(layer.into_inner()?)
}

/// The same files in a directory of the host.
pub(in crate::bench) fn write_into(directory: &Path) -> Result<()> {
    for number in 0..FILES {
        let path = directory.join(name(number));
        if number % PER_DIRECTORY == 0 {
            std::fs::create_dir_all(path.parent().unwrap_or(directory))?;
        }
        std::io::copy(&mut content(number), &mut std::fs::File::create(path)?)?;
    }
    Ok(())
}

fn header(kind: tar::EntryType, mode: u32, size: u64) -> tar::Header {
    let mut header = tar::Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(mode);
    header.set_size(size);
    header
}

fn name(number: u64) -> String {
    format!("data/{:04}/file-{number:05}.bin", number / PER_DIRECTORY)
}

/// Small files and large ones, an average of [`BYTES`] / [`FILES`] over every three.
fn size(number: u64) -> u64 {
    let average = BYTES / FILES;
    match number % 3 {
        0 => average / 4,
        1 => average,
        _ => average * 7 / 4,
    }
}

fn content(number: u64) -> impl Read {
    Content {
        state: number.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1,
        block: [b'.'; BLOCK],
        at: BLOCK,
    }
    .take(size(number))
}

/// Bytes without end, part of which are of a generator (xorshift, Marsaglia 2003).
struct Content {
    state: u64,
    block: [u8; BLOCK],
    at: usize,
}

impl Read for Content {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.at == BLOCK {
            for byte in &mut self.block[..RANDOM] {
                self.state ^= self.state << 13;
                self.state ^= self.state >> 7;
                self.state ^= self.state << 17;
                *byte = self.state.to_le_bytes()[0];
            }
            self.at = 0;
        }
        let count = buffer.len().min(BLOCK - self.at);
        buffer[..count].copy_from_slice(&self.block[self.at..self.at + count]);
        self.at += count;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_files_are_as_many_bytes_as_promised() {
        let bytes: u64 = (0..FILES).map(size).sum();
        assert!(bytes.abs_diff(BYTES) < BYTES / 100, "{bytes}");
    }
}
