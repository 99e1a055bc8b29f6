//! What of a layer's metadata does not fit into extended attributes.
//!
//! A security descriptor would take a block of its own for each file, although a layer has few
//! different ones: the file `Metadata` at the layer's root holds each once. Extended attributes
//! refer to it by digest, so that what overlayfs copies into a sandbox refers to the same.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{BufReader, Read};
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::fs::FileExt;

use rustix::fs::{Mode, OFlags, ResolveFlags};
use rustix::io::Errno;
use serde::{Deserialize, Serialize};
use sha2::{Digest as _, Sha256};

use crate::error::{Context, Failure, Outcome};

/// The file's name.
pub(crate) const FILE: &str = "Metadata";

/// Bytes that stand where they are used.
const MOST_INLINE: usize = 24;

/// Bytes that the file may have.
const MOST_BYTES: usize = 32 << 20;

/// Bytes that the files of a whole chain may have: where each part is has to be known.
const MOST_CHAIN_BYTES: u64 = 128 << 20;

/// Bytes before a part: its name and its length.
const HEAD: usize = 20;

const OPERATION: &str = "read the layer's metadata";

/// The beginning of a SHA-256.
type Name = [u8; 16];

/// A part of a file's metadata, or where to find it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) enum Part {
    Inline(Vec<u8>),
    Kept(Name),
}

/// Collects what a layer's `Metadata` is to hold.
#[derive(Debug, Default)]
pub(crate) struct Keeper {
    bytes: Vec<u8>,
    names: HashSet<Name>,
}

impl Keeper {
    /// Bytes as a part.
    pub(crate) fn part(&mut self, bytes: &[u8]) -> Part {
        if bytes.len() <= MOST_INLINE {
            return Part::Inline(bytes.to_vec());
        }
        let name = name(bytes);
        if self.names.insert(name) {
            let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
            self.bytes.extend(name);
            self.bytes.extend(length.to_le_bytes());
            self.bytes.extend(bytes);
        }
        Part::Kept(name)
    }

    /// Whether it holds more than it may.
    pub(crate) fn is_too_large(&self) -> bool {
        self.bytes.len() > MOST_BYTES
    }

    /// The file's content.
    pub(crate) fn bytes(&self) -> &[u8] {
        &self.bytes
    }
}

/// What the layers of a chain keep: the parts stay on disk until they are asked for.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    files: Vec<File>,
    places: HashMap<Name, Place>,
    bytes: u64,
}

/// Where a part is.
#[derive(Debug, Clone, Copy)]
struct Place {
    file: u32,
    offset: u32,
    length: u32,
}

impl Kept {
    /// Finds what a layer keeps, and adds it.
    pub(crate) fn read(&mut self, layer: &OwnedFd) -> Outcome<()> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        let file = match rustix::fs::openat2(layer.as_fd(), FILE, flags, Mode::empty(), resolve) {
            Err(Errno::NOENT) => return Ok(()),
            file => File::from(file.to(OPERATION)?),
        };
        self.add(file)
    }

    /// What `part` stands for.
    pub(crate) fn bytes(&self, part: &Part) -> Outcome<Vec<u8>> {
        let name = match part {
            Part::Inline(bytes) => return Ok(bytes.clone()),
            Part::Kept(name) => name,
        };
        let place = self.places.get(name).and_then(|place| {
            let file = self.files.get(place.file as usize)?;
            Some((file, place))
        });
        let (file, place) = place.ok_or_else(|| {
            Failure::malformed("its metadata refer to a part that no layer keeps")
        })?;
        let mut bytes = vec![0; place.length as usize];
        let read = file.read_exact_at(&mut bytes, u64::from(place.offset));
        read.map_err(|error| Failure::io(OPERATION, error))?;
        Ok(bytes)
    }

    fn add(&mut self, file: File) -> Outcome<()> {
        let size = file
            .metadata()
            .map_err(|error| Failure::io(OPERATION, error))?
            .len();
        self.bytes += size;
        if size > MOST_BYTES as u64 || self.bytes > MOST_CHAIN_BYTES {
            return Err(Failure::too_large(
                "the image's layers have too much metadata",
            ));
        }
        let index = u32::try_from(self.files.len()).unwrap_or(u32::MAX);
        let mut reader = BufReader::new(&file);
        let (mut offset, mut head) = (0, [0; HEAD]);
        while offset < size {
            let damaged = |_| Failure::malformed(format!("its {FILE:?} is damaged"));
            reader.read_exact(&mut head).map_err(damaged)?;
            let [name @ .., a, b, c, d] = head;
            let length = u32::from_le_bytes([a, b, c, d]);
            offset += HEAD as u64;
            let end = offset + u64::from(length);
            if end > size {
                return Err(Failure::malformed(format!("its {FILE:?} is damaged")));
            }
            let place = Place {
                file: index,
                offset: u32::try_from(offset).unwrap_or(u32::MAX),
                length,
            };
            self.places.insert(name, place);
            reader.seek_relative(i64::from(length)).map_err(damaged)?;
            offset = end;
        }
        self.files.push(file);
        Ok(())
    }

    #[cfg(test)]
    pub(crate) fn of(keeper: &Keeper) -> Self {
        let mut kept = Self::default();
        kept.add(tests::file(keeper.bytes())).unwrap();
        kept
    }
}

fn name(bytes: &[u8]) -> Name {
    let digest: [u8; 32] = Sha256::digest(bytes).into();
    let mut name = Name::default();
    name.copy_from_slice(&digest[..16]);
    name
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    pub(super) fn file(bytes: &[u8]) -> File {
        let mut file = tempfile::tempfile().unwrap();
        file.write_all(bytes).unwrap();
        std::io::Seek::rewind(&mut file).unwrap();
        file
    }

    #[test]
    fn long_parts_are_kept_once() {
        let mut keeper = Keeper::default();
        let long = vec![7; 100];
        let (short, first, second) = (
            keeper.part(b"short"),
            keeper.part(&long),
            keeper.part(&long),
        );
        assert_eq!(first, second);
        assert_eq!(keeper.bytes().len(), 120);
        let kept = Kept::of(&keeper);
        assert_eq!(kept.bytes(&short).unwrap(), b"short");
        assert_eq!(kept.bytes(&first).unwrap(), long);
        assert!(Kept::default().bytes(&first).is_err());
    }

    #[test]
    fn damage_is_noticed() {
        let mut keeper = Keeper::default();
        keeper.part(&[7; 100]);
        for cut in 1..keeper.bytes().len() {
            assert!(Kept::default().add(file(&keeper.bytes()[..cut])).is_err());
        }
    }

    #[test]
    fn a_chain_keeps_its_parts_on_disk_and_not_without_end() {
        let mut kept = Kept::default();
        let full = MOST_BYTES - HEAD;
        let mut head = vec![7; 16];
        head.extend(u32::try_from(full).unwrap().to_le_bytes());
        let sparse = || {
            let file = file(&head);
            file.set_len(MOST_BYTES as u64).unwrap();
            file
        };
        for _ in 0..MOST_CHAIN_BYTES / MOST_BYTES as u64 {
            kept.add(sparse()).unwrap();
        }
        assert_eq!(kept.bytes(&Part::Kept([7; 16])).unwrap().len(), full);
        let small = file(&[0; HEAD]);
        assert!(kept.add(small).is_err(), "more than a chain may have");
        let long = file(&head);
        long.set_len(MOST_BYTES as u64 + 1).unwrap();
        assert!(
            Kept::default().add(long).is_err(),
            "more than a layer may have"
        );
    }
}
