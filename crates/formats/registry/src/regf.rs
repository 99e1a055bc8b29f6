//! Hive files in Microsoft's regf format, versions 1.3 to 1.6.
//!
//! What is read: `nk`, `vk`, `sk`, `li`, `lf`, `lh`, `ri` and `db` cells, layered keys. Volatile
//! keys are dropped. Transaction logs are not applied: a hive that needs them reads as of its last
//! complete write ([`Hive::is_dirty`]).
//!
//! The writer's output is the same for the same input: cells stand in the order of the keys.

mod layout;
mod read;
mod read_key;
mod write;
mod write_key;

pub use read::read;
pub use write::write;

use crate::filetime::FileTime;
use crate::key::Key;

/// A hive file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Hive {
    /// The file's name as the header records it, at most 31 UTF-16 units (the last ones count).
    pub file_name: String,
    /// Major 1 and this.
    pub minor_version: u32,
    /// When the hive was last written.
    pub last_write: FileTime,
    /// Whether a write was under way, so that transaction logs would have to be applied.
    pub is_dirty: bool,
    /// The name of the root's cell; Windows does not look at it.
    pub root_name: String,
    /// The keys.
    pub root: Key,
}

impl Hive {
    /// A hive of a base layer: version 1.5, its time that of the root.
    #[must_use]
    pub fn new(file_name: impl Into<String>, root: Key) -> Self {
        Self::with_version(file_name, root, 5)
    }

    /// A layer's delta: version 1.6, in which keys can be layered.
    #[must_use]
    pub fn delta(file_name: impl Into<String>, root: Key) -> Self {
        Self::with_version(file_name, root, 6)
    }

    fn with_version(file_name: impl Into<String>, root: Key, minor_version: u32) -> Self {
        Self {
            file_name: file_name.into(),
            minor_version,
            last_write: root.last_write,
            is_dirty: false,
            root_name: "ROOT".to_owned(),
            root,
        }
    }
}

/// A file that is not a hive, or a tree that no hive can hold.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{kind} (offset {offset:#x})")]
pub struct RegfError {
    /// Where in the file; 0 when a tree was to be written.
    pub offset: usize,
    /// What is wrong.
    pub kind: RegfErrorKind,
}

/// What is wrong with a hive.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum RegfErrorKind {
    /// The file ends before a structure does.
    #[error("hive ends too early")]
    Truncated,
    /// It does not begin with `regf`.
    #[error("not a hive")]
    Signature,
    /// The header's checksum is wrong.
    #[error("wrong checksum of the hive's header")]
    Checksum,
    /// A version that is neither read nor written.
    #[error("unsupported version of hive 1.{0}")]
    Version(u32),
    /// An offset does not lead to an allocated cell of the expected kind.
    #[error("bad {0} cell")]
    Cell(&'static str),
    /// A key is reached twice.
    #[error("key that is its own ancestor or has two parents")]
    Cycle,
    /// Keys are nested deeper than [`MAX_DEPTH`](crate::MAX_DEPTH).
    #[error("keys nested deeper than 512 levels")]
    Depth,
    /// Two subkeys or values of one key have the same name, or a name is none.
    #[error("bad name")]
    Name,
    /// Values hold more bytes than the file, by cells that are used more than once.
    #[error("values larger than their file")]
    Amplified,
    /// A name, value or count is larger than the format can hold.
    #[error("{0} too large for a hive")]
    TooLarge(&'static str),
    /// A layered key in a version below 1.6.
    #[error("layered key in a hive that is no delta")]
    Layered,
}
