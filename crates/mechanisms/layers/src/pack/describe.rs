//! What an entry of a layer says of something on disk.

use std::ffi::CStr;
use std::os::fd::OwnedFd;

use porthole_layer::{FileTime, Metadata, attributes};
use rustix::fs::{FileType, Stat};

use crate::beneath::{attribute, kind, link_attribute, modified, open_directory, open_file};
use crate::chain::Chain;
use crate::error::{Context, Outcome};
use crate::stored::{DOS, Seen, Shape, Stored, WINDOWS, WindowsLink, parse_dos};
use crate::target;
use crate::unpack::level;
use crate::view::{Found, View};
use crate::walk::{Entry, gone};

/// Something on disk as an entry.
pub(super) struct Described {
    pub(super) metadata: Metadata,
    /// The file, open.
    pub(super) file: Option<OwnedFd>,
    /// Where a link leads.
    pub(super) link: Option<WindowsLink>,
}

impl Described {
    pub(super) const fn of(metadata: Metadata) -> Self {
        Self {
            metadata,
            file: None,
            link: None,
        }
    }
}

/// What the entry of something in the union says; `None` when it is gone.
pub(super) fn describe(entry: &Entry<'_>, chain: &Chain<'_>) -> Outcome<Option<Described>> {
    if kind(entry.stat) == FileType::Symlink {
        return describe_link(entry, chain);
    }
    let is_directory = kind(entry.stat) == FileType::Directory;
    let opened = if is_directory {
        open_directory(entry.parent, entry.name)
    } else {
        open_file(entry.parent, entry.name)
    };
    let Some(file) = gone(opened).to("open a file")? else {
        return Ok(None);
    };
    // It may be another by now.
    let stat = rustix::fs::fstat(&file).to("look at a file")?;
    if kind(&stat) != kind(entry.stat) {
        return Ok(None);
    }
    let metadata = of_open(&file, &stat, entry.name, entry.below, chain)?;
    Ok(Some(Described {
        metadata,
        file: (!is_directory).then_some(file),
        link: None,
    }))
}

/// What the entry of something would say that a view shows.
pub(super) fn of_view(view: &View, name: &CStr, chain: &Chain<'_>) -> Outcome<Described> {
    let found = view.look(name)?;
    let Some(found) = found.filter(|found| kind(&found.stat) != FileType::Symlink) else {
        return Ok(Described::of(Metadata::directory()));
    };
    let opened = if kind(&found.stat) == FileType::Directory {
        open_directory(found.directory, name)
    } else {
        open_file(found.directory, name)
    };
    let file = opened.to("open a file")?;
    let metadata = of_open(&file, &found.stat, name, None, chain)?;
    Ok(Described::of(metadata))
}

fn of_open(
    file: &OwnedFd,
    stat: &Stat,
    name: &CStr,
    below: Option<&Found<'_>>,
    chain: &Chain<'_>,
) -> Outcome<Metadata> {
    let value = attribute(file, WINDOWS).to("look at a file")?;
    let stored = value.map_or(Ok(Stored::default()), |value| Stored::decode(&value))?;
    let dos = attribute(file, DOS).to("look at a file")?;
    let is_directory = kind(stat) == FileType::Directory;
    let seen = Seen {
        shape: if is_directory {
            Shape::Directory
        } else {
            Shape::File
        },
        is_read_only: stat.st_mode & 0o222 == 0,
        dos: dos.map_or(0, |value| parse_dos(&value)),
        modified: modified(stat),
    };
    let created = created(&stored, &seen, name, below, chain)?;
    let more = stored.more(&chain.kept)?;
    stored.metadata(&seen, created, &more, &chain.kept)
}

/// When something was made: one that was copied from below when that was.
fn created(
    stored: &Stored,
    seen: &Seen,
    name: &CStr,
    below: Option<&Found<'_>>,
    chain: &Chain<'_>,
) -> Outcome<FileTime> {
    let same_kind = |found: &&Found<'_>| {
        let is_directory = kind(&found.stat) == FileType::Directory;
        is_directory == (seen.shape == Shape::Directory)
    };
    match below.filter(same_kind) {
        Some(found) if stored.created.is_none() => chain.created(name, found),
        _ => Ok(stored.modified_or(seen.modified)),
    }
}

fn describe_link(entry: &Entry<'_>, chain: &Chain<'_>) -> Outcome<Option<Described>> {
    const OPERATION: &str = "look at a link";
    let text = rustix::fs::readlinkat(entry.parent, entry.name, Vec::new());
    let Some(text) = gone(text).to(OPERATION)? else {
        return Ok(None);
    };
    let text = text.to_string_lossy().into_owned();
    let value = link_attribute(entry.parent, entry.name);
    let Some(value) = gone(value).to(OPERATION)? else {
        return Ok(None);
    };
    let seen = Seen {
        shape: Shape::Link,
        is_read_only: false,
        dos: 0,
        modified: modified(entry.stat),
    };
    let Some(value) = value else {
        let mut metadata = Metadata::file().at(seen.modified);
        metadata.attributes = attributes::REPARSE_POINT;
        if leads_to_directory(entry, &text) {
            metadata.attributes |= attributes::DIRECTORY;
            metadata.security = Metadata::directory().security;
        }
        let link = Some(WindowsLink {
            target: target::to_windows(&text),
            is_junction: false,
        });
        return Ok(Some(Described {
            metadata,
            file: None,
            link,
        }));
    };
    let stored = Stored::decode(&value)?;
    let more = stored.more(&chain.kept)?;
    let created = stored.modified_or(seen.modified);
    let metadata = stored.metadata(&seen, created, &more, &chain.kept)?;
    let link = more.link.or_else(|| {
        Some(WindowsLink {
            target: target::to_windows(&text),
            is_junction: false,
        })
    });
    Ok(Some(Described {
        metadata,
        file: None,
        link,
    }))
}

/// Whether a link without metadata, made by a program of Unix, leads to a directory in the same tree:
/// Windows has two kinds of links. Only what lies beside it or below is looked at.
fn leads_to_directory(entry: &Entry<'_>, text: &str) -> bool {
    let here = open_directory(entry.parent, text).is_ok();
    let below = entry
        .below
        .is_some_and(|found| open_directory(found.directory, text).is_ok());
    let to_root = text.trim_matches(['/', '.']).is_empty() && level(entry.path) > 0;
    here || below || to_root
}
