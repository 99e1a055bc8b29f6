//! Wine's registry text: `system.reg`, `user.reg`, `userdef.reg` and what `RegSaveKey` writes.
//!
//! Reading and writing back what wineserver wrote gives the same bytes, but for NULs at the end of a
//! class, which it adds itself. The form has no security
//! descriptors, and no entry (so no time) for a key that has subkeys but neither values, class nor
//! link; such a key takes the time of the first key below it, as in wineserver.

mod escape;
mod line;
mod read;
mod write;

pub use read::read;
pub use write::{write, write_to};

use crate::key::Key;

/// The root that `system.reg` is relative to.
pub const MACHINE: &str = r"REGISTRY\Machine";
/// The root that `userdef.reg` is relative to.
pub const DEFAULT_USER: &str = r"REGISTRY\User\.Default";
/// The root that `user.reg` is relative to: Wine knows one user, whatever the account.
pub const USER: &str = r"REGISTRY\User\S-1-5-21-0-0-0-1000";

/// How deep keys may be nested in a text: a level less than in a hive, so that its tree may be put
/// into a hive below a key.
pub const MAX_DEPTH: usize = crate::MAX_DEPTH - 1;

/// A registry text file.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// The path of [`tree`](Self::tree) in the registry.
    pub root: String,
    /// The word size of the prefix, where the file says it.
    pub architecture: Option<Architecture>,
    /// The keys.
    pub tree: Key,
}

impl Document {
    /// A file of a 64-bit prefix.
    #[must_use]
    pub fn new(root: impl Into<String>, tree: Key) -> Self {
        Self {
            root: root.into(),
            architecture: Some(Architecture::Win64),
            tree,
        }
    }
}

/// The word size of a prefix.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Architecture {
    /// 32 bits only.
    Win32,
    /// 64 bits, with or without a 32-bit side.
    Win64,
}

impl Architecture {
    const fn name(self) -> &'static str {
        match self {
            Self::Win32 => "win32",
            Self::Win64 => "win64",
        }
    }
}

/// Text that is not a registry file.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("line {line}: {kind}")]
pub struct TextError {
    /// The line, from 1.
    pub line: usize,
    /// What is wrong with it.
    pub kind: TextErrorKind,
}

/// What is wrong with a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum TextErrorKind {
    /// The first line is not that of version 2.
    #[error("not a Wine registry file of version 2")]
    Header,
    /// `#arch=` names something else.
    #[error("unknown architecture")]
    Architecture,
    /// A key line does not parse.
    #[error("malformed key")]
    Key,
    /// Keys are nested deeper than [`MAX_DEPTH`].
    #[error("keys nested deeper than 511 levels")]
    Depth,
    /// There are more keys and values than the reader admits.
    #[error("too many keys and values")]
    Count,
    /// A value or an option before the first key.
    #[error("value without a key")]
    NoKey,
    /// A value's name does not parse.
    #[error("malformed value name")]
    ValueName,
    /// A value's data does not parse.
    #[error("malformed value")]
    Value,
    /// A `#class` does not parse.
    #[error("malformed class")]
    Class,
    /// None of the known kinds of line.
    #[error("unrecognised line")]
    Line,
}
