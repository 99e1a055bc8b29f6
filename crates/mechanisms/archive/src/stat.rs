//! What a place holds, in the protocol's terms.

use porthole_protocol::archive::{FailureKind, Kind, Place, Stat};
use rustix::fs::FileType;

use crate::drive::{Drive, Node, Trail, Walk};
use crate::error::{Error, Result};

impl Drive {
    /// Finds what is to be described or archived.
    pub(crate) fn find(&self, place: &Place) -> Result<Trail> {
        let mut trail = self.root()?;
        let how = if place.is_directory {
            Walk::Follow
        } else {
            Walk::KeepLast
        };
        self.walk(&mut trail, &place.components, how)?;
        if place.is_directory && !trail.last().is_directory() {
            return Err(not_a_directory());
        }
        Ok(trail)
    }

    /// Describes what was found.
    pub(crate) fn stat(&self, trail: &Trail) -> Result<Stat> {
        let node = trail.last();
        let link_target = match kind(node) {
            Kind::Link => self.link_target(trail)?,
            _ => Vec::new(),
        };
        Ok(Stat {
            kind: kind(node),
            size: match kind(node) {
                Kind::File => u64::try_from(node.stat.st_size).unwrap_or(0),
                _ => 0,
            },
            permissions: permissions(node),
            modified: node.stat.st_mtime,
            modified_ns: u32::try_from(node.stat.st_mtime_nsec).unwrap_or(0),
            link_target,
        })
    }

    /// Where a link leads, all links on the way followed, whether or not something is there.
    fn link_target(&self, trail: &Trail) -> Result<Vec<String>> {
        let (mut target, mut ahead) = (self.root()?, trail.names().into());
        match self.walk_on(&mut target, &mut ahead, Walk::Follow) {
            Err(error) if error.kind() != FailureKind::NotFound => return Err(error),
            _ => {}
        }
        let mut names = target.names();
        for name in ahead {
            match name.as_str() {
                "." => {}
                ".." => drop(names.pop()),
                _ => names.push(name),
            }
        }
        Ok(names)
    }
}

pub(crate) fn not_a_directory() -> Error {
    Error::new(FailureKind::NotADirectory, "not a directory")
}

pub(crate) fn kind(node: &Node) -> Kind {
    match node.kind() {
        FileType::RegularFile => Kind::File,
        FileType::Directory => Kind::Directory,
        FileType::Symlink => Kind::Link,
        _ => Kind::Other,
    }
}

/// Everybody may read everything in a Windows container as far as Unix is concerned; writable and
/// executable is what its owner may write and execute.
pub(crate) fn permissions(node: &Node) -> u32 {
    match kind(node) {
        Kind::Directory => 0o755,
        Kind::Link => 0o777,
        Kind::File | Kind::Other => file_permissions(node.stat.st_mode),
    }
}

/// Those of a file, in an archive as on the drive.
pub(crate) fn file_permissions(mode: u32) -> u32 {
    let write = mode & 0o200;
    let execute = if mode & 0o100 == 0 { 0 } else { 0o111 };
    0o444 | write | execute
}
