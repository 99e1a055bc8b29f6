//! What of a layer's metadata does not fit into extended attributes.
//!
//! A security descriptor would take a block of its own for each file, although a layer has few
//! different ones: the file `Metadata` at the layer's root holds each once. Extended attributes
//! refer to it by digest, so that what overlayfs copies into a sandbox refers to the same.

use std::collections::{HashMap, HashSet};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::{AsFd, OwnedFd};

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
const MOST_BYTES: usize = 256 << 20;

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

/// What the layers of a chain keep.
#[derive(Debug, Default)]
pub(crate) struct Kept {
    parts: HashMap<Name, Vec<u8>>,
}

impl Kept {
    /// Reads what a layer keeps, and adds it.
    pub(crate) fn read(&mut self, layer: &OwnedFd) -> Outcome<()> {
        const OPERATION: &str = "read the layer's metadata";
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let resolve = ResolveFlags::BENEATH | ResolveFlags::NO_SYMLINKS;
        let file = match rustix::fs::openat2(layer.as_fd(), FILE, flags, Mode::empty(), resolve) {
            Err(Errno::NOENT) => return Ok(()),
            file => File::from(file.to(OPERATION)?),
        };
        let mut bytes = Vec::new();
        let read = file.take(MOST_BYTES as u64 + 1).read_to_end(&mut bytes);
        read.map_err(|error: io::Error| Failure::io(OPERATION, error))?;
        self.add(&bytes)
            .ok_or_else(|| Failure::malformed(format!("its {FILE:?} is damaged")))
    }

    /// What `part` stands for.
    pub(crate) fn bytes(&self, part: &Part) -> Outcome<Vec<u8>> {
        match part {
            Part::Inline(bytes) => Ok(bytes.clone()),
            Part::Kept(name) => self.parts.get(name).cloned().ok_or_else(|| {
                Failure::malformed("its metadata refer to a part that no layer keeps")
            }),
        }
    }

    fn add(&mut self, mut bytes: &[u8]) -> Option<()> {
        while !bytes.is_empty() {
            let (name, rest) = bytes.split_first_chunk::<16>()?;
            let (length, rest) = rest.split_first_chunk::<4>()?;
            let length = u32::from_le_bytes(*length) as usize;
            let part = rest.get(..length)?;
            self.parts.insert(*name, part.to_vec());
            bytes = &rest[length..];
        }
        Some(())
    }

    #[cfg(test)]
    pub(crate) fn of(keeper: &Keeper) -> Self {
        let mut kept = Self::default();
        kept.add(keeper.bytes()).unwrap();
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
    use super::*;

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
            assert!(Kept::default().add(&keeper.bytes()[..cut]).is_none());
        }
    }
}
