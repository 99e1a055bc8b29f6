//! What Windows keeps of a file, on a file system of Linux.
//!
//! | of a layer | on disk |
//! |---|---|
//! | read-only (files) | no right to write in the mode, as Wine has it |
//! | hidden, system (files and directories) | `user.DOSATTRIB`, as Wine has it |
//! | time of change | the file's |
//! | all that is not the default | `trusted.porthole.windows`, which overlayfs copies with a file |
//! | what of that is long | `Metadata` in the layer, by its digest ([`crate::kept`]) |
//!
//! Nothing is stored of a file that a Linux machine has put into a layer: what its entry says is
//! the default.

use std::collections::BTreeMap;

use porthole_layer::{FileTime, Metadata, attributes, security};
use rustix::fs::Timespec;
use serde::{Deserialize, Serialize};

use crate::error::{Failure, Outcome};
use crate::kept::{Keeper, Kept, Part};

/// The extended attribute that holds what is not the default.
pub(crate) const WINDOWS: &str = "trusted.porthole.windows";
/// The one that Wine has from Samba.
pub(crate) const DOS: &str = "user.DOSATTRIB";
/// The attributes that [`DOS`] holds.
const IN_DOS: u32 = attributes::HIDDEN | attributes::SYSTEM;
/// The format's version.
const VERSION: u8 = 1;

/// What the extended attribute says.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Stored {
    /// All attributes, where the mode and [`DOS`] do not say them.
    pub(crate) attributes: Option<u32>,
    /// When it was made, where that is not when it was changed.
    pub(crate) created: Option<u64>,
    /// When it was changed, where the disk cannot say it; the disk says 1970 then.
    modified: Option<u64>,
    security: Option<Part>,
    more: Option<Part>,
}

/// What few files have.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct More {
    sddl: Option<String>,
    extended: BTreeMap<String, Vec<u8>>,
    /// Where a link leads, as Windows writes it.
    pub(crate) link: Option<WindowsLink>,
    /// Alternate data streams.
    pub(crate) streams: Vec<String>,
}

/// A link of Windows.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct WindowsLink {
    pub(crate) target: String,
    pub(crate) is_junction: bool,
}

/// What something is, as far as its defaults go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Shape {
    File,
    Directory,
    /// A link, which has neither mode nor [`DOS`].
    Link,
}

impl Shape {
    /// The attributes that it has without being told, apart from those that the disk says.
    const fn attributes(self) -> u32 {
        match self {
            Self::File => attributes::ARCHIVE,
            Self::Directory => attributes::DIRECTORY,
            Self::Link => attributes::REPARSE_POINT,
        }
    }

    /// Those that the disk says.
    const fn on_disk(self) -> u32 {
        match self {
            Self::File => attributes::READ_ONLY | IN_DOS,
            Self::Directory => IN_DOS,
            Self::Link => 0,
        }
    }

    fn security(self, attributes: u32) -> Vec<u8> {
        let is_directory = attributes & attributes::DIRECTORY != 0;
        if is_directory {
            security::directory_default()
        } else {
            security::file_default()
        }
    }
}

/// What an entry's metadata become on disk.
#[derive(Debug)]
pub(crate) struct OnDisk {
    /// The value of [`DOS`].
    pub(crate) dos: Option<String>,
    /// The value of [`WINDOWS`].
    pub(crate) windows: Option<Vec<u8>>,
}

/// Whether a file is to have no right to write in its mode.
pub(crate) const fn is_read_only(shape: Shape, metadata: &Metadata) -> bool {
    metadata.attributes & attributes::READ_ONLY & shape.on_disk() != 0
}

/// Splits an entry's metadata into what the disk says by itself and what is stored.
pub(crate) fn to_disk(
    shape: Shape,
    metadata: &Metadata,
    link: Option<WindowsLink>,
    streams: &[String],
    keeper: &mut Keeper,
) -> OnDisk {
    let word = metadata.attributes;
    let expected = shape.attributes() | (word & shape.on_disk());
    let default = metadata
        .security
        .as_ref()
        .is_none_or(|security| *security == shape.security(word));
    let more = More {
        sddl: metadata
            .sddl
            .clone()
            .filter(|_| metadata.security.is_none()),
        extended: metadata.extended.clone(),
        link,
        streams: streams.to_vec(),
    };
    let stored = Stored {
        attributes: (word != expected).then_some(word),
        created: (metadata.created != metadata.modified).then_some(metadata.created.0),
        modified: (!is_on_disk(metadata.modified)).then_some(metadata.modified.0),
        security: metadata
            .security
            .as_ref()
            .filter(|_| !default)
            .map(|security| keeper.part(security)),
        more: (more != More::default()).then(|| keeper.part(&encoded(&more))),
    };
    let dos = word & IN_DOS & shape.on_disk();
    OnDisk {
        dos: (dos != 0).then(|| format!("0x{dos:x}")),
        windows: (stored != Stored::default()).then(|| stored.encode()),
    }
}

/// Whether file systems know the time: those of ext4 end first.
fn is_on_disk(time: FileTime) -> bool {
    (-0x8000_0000..0x3_8000_0000).contains(&time.to_unix().0)
}

/// What the disk is to say of a time of change.
pub(crate) fn time_on_disk(time: FileTime) -> Timespec {
    let (seconds, nanoseconds) = if is_on_disk(time) {
        time.to_unix()
    } else {
        (0, 0)
    };
    Timespec {
        tv_sec: seconds,
        tv_nsec: nanoseconds.into(),
    }
}

/// What the disk says of a file by itself.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Seen {
    pub(crate) shape: Shape,
    pub(crate) is_read_only: bool,
    /// What [`DOS`] holds.
    pub(crate) dos: u32,
    pub(crate) modified: FileTime,
}

impl Stored {
    fn encode(&self) -> Vec<u8> {
        let mut bytes = vec![VERSION];
        bytes.extend(encoded(self));
        bytes
    }

    /// Reads the extended attribute.
    pub(crate) fn decode(bytes: &[u8]) -> Outcome<Self> {
        let stored = match bytes {
            [VERSION, rest @ ..] => postcard::from_bytes(rest).ok(),
            _ => None,
        };
        stored.ok_or_else(|| Failure::malformed(format!("{WINDOWS} is damaged")))
    }

    /// When the file was changed; `seen` is what the disk says.
    pub(crate) fn modified_or(&self, seen: FileTime) -> FileTime {
        let is_marked = seen == FileTime::from_unix(0, 0);
        self.modified.filter(|_| is_marked).map_or(seen, FileTime)
    }

    /// What few files have.
    pub(crate) fn more(&self, kept: &Kept) -> Outcome<More> {
        let Some(part) = &self.more else {
            return Ok(More::default());
        };
        postcard::from_bytes(&kept.bytes(part)?)
            .map_err(|_| Failure::malformed(format!("what {WINDOWS} refers to is damaged")))
    }

    /// The metadata of an entry again. `created` is when it was made, where nothing is stored.
    pub(crate) fn metadata(
        &self,
        seen: &Seen,
        created: FileTime,
        more: &More,
        kept: &Kept,
    ) -> Outcome<Metadata> {
        let word = self.attributes.unwrap_or(seen.shape.attributes());
        let mut on_disk = seen.dos & IN_DOS;
        if seen.is_read_only {
            on_disk |= attributes::READ_ONLY;
        }
        let mask = seen.shape.on_disk();
        let attributes = (word & !mask) | (on_disk & mask);
        let security = match (&self.security, &more.sddl) {
            (Some(part), _) => Some(kept.bytes(part)?),
            (None, Some(_)) => None,
            (None, None) => Some(seen.shape.security(attributes)),
        };
        Ok(Metadata {
            attributes,
            security,
            sddl: more.sddl.clone(),
            modified: self.modified_or(seen.modified),
            created: self.created.map_or(created, FileTime),
            extended: more.extended.clone(),
        })
    }
}

/// What [`DOS`] says, as Wine reads it.
pub(crate) fn parse_dos(value: &[u8]) -> u32 {
    let text = std::str::from_utf8(value).unwrap_or_default();
    let digits = text
        .trim_end_matches('\0')
        .strip_prefix("0x")
        .unwrap_or_default();
    u32::from_str_radix(digits, 16).unwrap_or(0) & IN_DOS
}

fn encoded(value: &impl Serialize) -> Vec<u8> {
    postcard::to_stdvec(value).expect("plain data into memory")
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn back(shape: Shape, metadata: &Metadata) -> (OnDisk, Metadata) {
        let mut keeper = Keeper::default();
        let on_disk = to_disk(shape, metadata, None, &[], &mut keeper);
        let kept = Kept::of(&keeper);
        let stored = on_disk
            .windows
            .as_deref()
            .map_or_else(Stored::default, |bytes| Stored::decode(bytes).unwrap());
        let time = time_on_disk(metadata.modified);
        let nanoseconds = u32::try_from(time.tv_nsec).unwrap();
        let on_disk_time = FileTime::from_unix(time.tv_sec, nanoseconds);
        let seen = Seen {
            shape,
            is_read_only: is_read_only(shape, metadata),
            dos: on_disk
                .dos
                .as_deref()
                .map_or(0, |dos| parse_dos(dos.as_bytes())),
            modified: on_disk_time,
        };
        let more = stored.more(&kept).unwrap();
        let metadata = stored.metadata(&seen, seen.modified, &more, &kept).unwrap();
        (on_disk, metadata)
    }

    #[test]
    fn defaults_cost_nothing() {
        for (shape, metadata) in [
            (Shape::File, Metadata::file()),
            (Shape::Directory, Metadata::directory()),
        ] {
            let (on_disk, again) = back(shape, &metadata);
            assert!(on_disk.windows.is_none() && on_disk.dos.is_none());
            assert_eq!(again, metadata);
        }
        let mut hidden = Metadata::file();
        hidden.attributes |= attributes::HIDDEN | attributes::READ_ONLY;
        let (on_disk, again) = back(Shape::File, &hidden);
        assert!(on_disk.windows.is_none() && is_read_only(Shape::File, &hidden));
        assert_eq!((on_disk.dos.as_deref(), again), (Some("0x2"), hidden));
    }

    #[test]
    fn what_wine_has_not_written_is_no_attribute() {
        for (text, word) in [
            ("0x6", 6),
            ("0x26", 6),
            ("", 0),
            ("6", 0),
            ("0xzz", 0),
            ("0x2\0", 2),
        ] {
            assert_eq!(parse_dos(text.as_bytes()), word, "{text}");
        }
        assert!(Stored::decode(b"").is_err() && Stored::decode(&[9, 0]).is_err());
    }

    proptest! {
        #[test]
        fn everything_comes_back(
            word in any::<u32>(),
            created in any::<u64>(),
            modified in any::<u64>(),
            security in prop::collection::vec(any::<u8>(), 1..300),
            extended in prop::collection::btree_map("[A-Z]{1,8}", prop::collection::vec(any::<u8>(), 0..90), 0..3),
            is_directory in any::<bool>(),
        ) {
            let shape = if is_directory { Shape::Directory } else { Shape::File };
            let metadata = Metadata {
                attributes: word,
                security: Some(security),
                sddl: None,
                modified: FileTime(modified),
                created: FileTime(created),
                extended,
            };
            prop_assert_eq!(back(shape, &metadata).1, metadata);
        }

        #[test]
        fn damage_never_crashes(bytes in prop::collection::vec(any::<u8>(), 0..60)) {
            if let Ok(stored) = Stored::decode(&bytes) {
                let _ = stored.more(&Kept::default());
            }
        }
    }
}
