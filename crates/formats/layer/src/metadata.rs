//! What a layer says of an entry beside its content.

use std::collections::BTreeMap;

use crate::security;
use crate::time::FileTime;

/// Win32 file attributes.
pub mod attributes {
    /// Cannot be written.
    pub const READ_ONLY: u32 = 0x1;
    /// Not shown by default.
    pub const HIDDEN: u32 = 0x2;
    /// Of the operating system.
    pub const SYSTEM: u32 = 0x4;
    /// A directory.
    pub const DIRECTORY: u32 = 0x10;
    /// Changed since the last backup: what new files have.
    pub const ARCHIVE: u32 = 0x20;
    /// A link or another reparse point.
    pub const REPARSE_POINT: u32 = 0x400;
}

/// What a layer says of an entry beside its content.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Metadata {
    /// Win32 attributes ([`attributes`]).
    pub attributes: u32,
    /// Self-relative security descriptor.
    pub security: Option<Vec<u8>>,
    /// Security descriptor as text (SDDL), which old layers have; written again only where there is
    /// no other.
    pub sddl: Option<String>,
    /// When the content was last changed.
    pub modified: FileTime,
    /// When the file was made; the time of change where a layer does not say it.
    pub created: FileTime,
    /// NTFS extended attributes by name.
    pub extended: BTreeMap<String, Vec<u8>>,
}

impl Metadata {
    /// Of a directory with the default security descriptor; times are 1970-01-01.
    #[must_use]
    pub fn directory() -> Self {
        Self::new(attributes::DIRECTORY, security::directory_default())
    }

    /// Of a file with the default security descriptor; times are 1970-01-01.
    #[must_use]
    pub fn file() -> Self {
        Self::new(attributes::ARCHIVE, security::file_default())
    }

    /// The same with both times set.
    #[must_use]
    pub fn at(self, time: FileTime) -> Self {
        Self {
            modified: time,
            created: time,
            ..self
        }
    }

    fn new(attributes: u32, security: Vec<u8>) -> Self {
        let epoch = FileTime::from_unix(0, 0);
        Self {
            attributes,
            security: Some(security),
            modified: epoch,
            created: epoch,
            ..Self::default()
        }
    }
}
