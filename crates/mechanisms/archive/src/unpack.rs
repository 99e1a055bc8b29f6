//! From an archive to the drive.

use std::borrow::Cow;
use std::cell::Cell;
use std::ffi::{CStr, CString};
use std::fs::File;
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::rc::Rc;

use porthole_protocol::archive::{FailureKind, Place};
use porthole_sandbox::filesystem::each_name;
use rustix::fs::{AtFlags, FileType, Mode, OFlags, Timespec, Timestamps, UTIME_OMIT};
use rustix::io::Errno;
use tar::{Archive, Entry, EntryType};

use crate::compression;
use crate::directory::Directory;
use crate::drive::{Drive, MOST_LEVELS, Node, ONE_NAME, Trail, Walk, too_deep};
use crate::entry;
use crate::error::{Context, Error, Result};
use crate::stat::file_permissions;

/// Bytes that an entry's headers may have: its name and records are read into memory.
const MOST_HEADER_BYTES: u64 = 1 << 20;

/// Directories whose times are set when everything is unpacked.
const MOST_TIMES: usize = 1 << 16;

impl Drive {
    /// Unpacks an archive, which may be compressed, into an existing directory.
    pub(crate) fn unpack(&self, place: &Place, keeps_kinds: bool, input: impl Read) -> Result<()> {
        let mut target = self.root()?;
        self.walk(&mut target, &place.components, Walk::Follow)?;
        if !target.last().is_directory() {
            let message = "extraction point is not a directory";
            return Err(Error::new(FailureKind::NotADirectory, message));
        }
        let budget = Rc::new(Cell::new(MOST_HEADER_BYTES));
        let input = Metered {
            input: compression::unpacked(input)?,
            budget: Rc::clone(&budget),
        };
        let mut unpacker = Unpacker {
            drive: self,
            target,
            keeps_kinds,
            current: None,
            times: Vec::new(),
        };
        let mut archive = Archive::new(input);
        for entry in archive.entries().map_err(|error| bad_archive(&error))? {
            budget.set(u64::MAX);
            let mut entry = entry.map_err(|error| bad_archive(&error))?;
            unpacker.entry(&mut entry)?;
            // What is left of it would count as headers of the next.
            io::copy(&mut entry, &mut io::sink()).map_err(|error| bad_archive(&error))?;
            budget.set(MOST_HEADER_BYTES);
        }
        unpacker.set_times()
    }
}

fn bad_archive(error: &io::Error) -> Error {
    Error::new(
        FailureKind::BadArchive,
        format!("cannot read the archive: {error}"),
    )
}

struct Unpacker<'a> {
    drive: &'a Drive,
    target: Trail,
    keeps_kinds: bool,
    /// The directory of the entry before, which is often that of the next.
    current: Option<(Vec<String>, Directory)>,
    times: Vec<(Vec<String>, i64)>,
}

/// An entry's header, checked.
struct Described {
    path: Vec<u8>,
    kind: EntryType,
    mode: u32,
    modified: i64,
}

impl Unpacker<'_> {
    fn entry<R: Read>(&mut self, entry: &mut Entry<'_, R>) -> Result<()> {
        let described = describe(entry)?;
        if described.kind == EntryType::XGlobalHeader {
            return Ok(());
        }
        let mut components = entry::components(&described.path)?;
        let Some(name) = components.pop() else {
            return match described.kind {
                EntryType::Directory => Ok(()),
                _ => Err(Error::entry(&described.path, "it has no name")),
            };
        };
        let mut parent = self.enter(components, &described)?;
        let unpacked = self.put(&mut parent.1, &name, entry, &described);
        if unpacked.is_ok() && described.kind == EntryType::Directory {
            self.note_time(&parent.0, name, described.modified);
        }
        self.current = Some(parent);
        unpacked
    }

    /// The directory that an entry goes into, made if it is missing.
    fn enter(
        &mut self,
        path: Vec<String>,
        described: &Described,
    ) -> Result<(Vec<String>, Directory)> {
        if let Some(current) = self.current.take_if(|(current, _)| *current == path) {
            return Ok(current);
        }
        let mut trail = self.target.duplicate()?;
        let entered = self.drive.walk(&mut trail, &path, Walk::Make);
        match entered {
            Ok(()) if trail.last().is_directory() => Ok((path, Directory::new(trail))),
            Err(error) if error.kind() != FailureKind::NotFound => Err(error),
            _ => Err(Error::entry(
                &described.path,
                "what it is to lie in is not a directory",
            )),
        }
    }

    fn note_time(&mut self, parent: &[String], name: String, modified: i64) {
        if self.times.len() < MOST_TIMES {
            let path = parent.iter().cloned().chain([name]).collect();
            self.times.push((path, modified));
        }
    }

    fn put<R: Read>(
        &self,
        parent: &mut Directory,
        name: &str,
        entry: &mut Entry<'_, R>,
        described: &Described,
    ) -> Result<()> {
        let name = spell_stream(parent, name, described)?;
        let found = parent.find(&name)?;
        let is_directory = described.kind == EntryType::Directory;
        if let Some(found) = &found {
            self.check_kinds(found, is_directory, described)?;
        }
        let name = match found {
            Some(found) if is_directory && found.is_directory() => return Ok(()),
            Some(found) => match remove(parent, &found, described)? {
                Kept::InPlace => return overwrite(parent, &found, entry, described),
                // What takes its place keeps the case of its name, as on Windows.
                Kept::Nothing => found.name,
            },
            None => CString::new(&*name)
                .map_err(io::Error::from)
                .at("create", String::from_utf8_lossy(&described.path))?,
        };
        self.make(parent, &name, entry, described)?;
        parent.made(&name);
        Ok(())
    }

    fn check_kinds(&self, found: &Node, is_directory: bool, described: &Described) -> Result<()> {
        let path = String::from_utf8_lossy(&described.path);
        let target = format!("C:\\{}", self.target.names().join("\\"));
        let message = match (found.is_directory(), is_directory) {
            // Docker's texts.
            (true, false) => {
                format!("cannot overwrite directory {path:?} with non-directory {target:?}")
            }
            (false, true) => {
                format!("cannot overwrite non-directory {path:?} with directory {target:?}")
            }
            _ => return Ok(()),
        };
        if self.keeps_kinds {
            Err(Error::new(FailureKind::BadArchive, message))
        } else {
            Ok(())
        }
    }

    fn make<R: Read>(
        &self,
        parent: &Directory,
        name: &CStr,
        entry: &mut Entry<'_, R>,
        described: &Described,
    ) -> Result<()> {
        let shown = String::from_utf8_lossy(&described.path);
        let node = parent.node();
        match described.kind {
            EntryType::Directory => {
                let mode = Mode::from_raw_mode(0o755);
                let made = self
                    .drive
                    .as_owner_in(node, || rustix::fs::mkdirat(&node.descriptor, name, mode))?;
                made.at("create", shown)
            }
            EntryType::Symlink => {
                let target = link_name(entry, described)?;
                let text = entry::link_text(&described.path, &target, &parent.trail.names())?;
                let (directory, times) = (&node.descriptor, times(described.modified));
                let made = self.drive.as_owner_in(node, || {
                    rustix::fs::symlinkat(text.as_str(), directory, name)?;
                    let flags = AtFlags::SYMLINK_NOFOLLOW;
                    rustix::fs::utimensat(directory, name, &times, flags)
                })?;
                made.at("create", shown)
            }
            EntryType::Link => {
                self.hard_link(parent, name, &link_name(entry, described)?, described)
            }
            _ => {
                let flags = OFlags::WRONLY
                    | OFlags::CREATE
                    | OFlags::EXCL
                    | OFlags::NOFOLLOW
                    | OFlags::CLOEXEC;
                let file = self.drive.as_owner_in(node, || {
                    let mode = Mode::from_raw_mode(0o644);
                    rustix::fs::openat2(&node.descriptor, name, flags, mode, ONE_NAME)
                })?;
                fill(file.at("create", shown)?, entry, described)
            }
        }
    }

    fn hard_link(
        &self,
        parent: &Directory,
        name: &CStr,
        target: &[u8],
        described: &Described,
    ) -> Result<()> {
        let (shown, leads) = (
            String::from_utf8_lossy(&described.path),
            String::from_utf8_lossy(target),
        );
        let refuse = |why: &str| {
            let message = format!("invalid hardlink {shown:?} -> {leads:?}: {why}");
            Error::new(FailureKind::BadArchive, message)
        };
        let components = entry::components(target)
            .map_err(|_| refuse("it does not lead to a file of the archive"))?;
        let mut trail = self.target.duplicate()?;
        self.drive
            .walk(&mut trail, &components, Walk::KeepLast)
            .map_err(|_| refuse("no such file"))?;
        if trail.last().kind() != FileType::RegularFile {
            return Err(refuse("it does not lead to a file"));
        }
        let flags = AtFlags::empty();
        let (from, to) = (trail.parent(), parent.node());
        rustix::fs::linkat(
            &from.descriptor,
            &*trail.last().name,
            &to.descriptor,
            name,
            flags,
        )
        .at("link", shown)
    }

    /// Directories get their times last: making something in them changes those.
    fn set_times(&self) -> Result<()> {
        for (path, modified) in self.times.iter().rev() {
            let mut trail = self.target.duplicate()?;
            // Gone, or somebody else's by now: nothing that the archive says holds for it.
            if self.drive.walk(&mut trail, path, Walk::KeepLast).is_err()
                || !trail.last().is_directory()
            {
                continue;
            }
            let (parent, node) = (trail.parent(), trail.last());
            let flags = AtFlags::SYMLINK_NOFOLLOW;
            // A directory that is mapped from the host may be another's.
            let _ =
                rustix::fs::utimensat(&parent.descriptor, &*node.name, &times(*modified), flags);
        }
        Ok(())
    }
}

/// A stream's name begins with its file's, as that is spelt on the drive.
fn spell_stream<'a>(
    parent: &mut Directory,
    name: &'a str,
    described: &Described,
) -> Result<Cow<'a, str>> {
    let Some((owner, stream)) = entry::split_stream(name) else {
        return Ok(name.into());
    };
    if described.kind != EntryType::Regular {
        return Err(Error::entry(&described.path, "a stream is a file"));
    }
    match parent.find(owner)? {
        Some(owner) => Ok(format!("{}:{stream}", owner.name.to_string_lossy()).into()),
        None => Err(Error::entry(&described.path, "it is a stream of nothing")),
    }
}

fn describe<R: Read>(entry: &Entry<'_, R>) -> Result<Described> {
    let path = entry.path_bytes().into_owned();
    let header = entry.header();
    let mode = header.mode().map_err(|error| Error::entry(&path, error))?;
    let modified = header.mtime().map_err(|error| Error::entry(&path, error))?;
    let kind = match header.entry_type() {
        // Old archives mark directories by the end of their names alone.
        EntryType::Regular | EntryType::Continuous if path.ends_with(b"/") => EntryType::Directory,
        EntryType::Continuous => EntryType::Regular,
        kind => kind,
    };
    match kind {
        EntryType::Regular
        | EntryType::Directory
        | EntryType::Symlink
        | EntryType::Link
        | EntryType::XGlobalHeader => {}
        EntryType::Char | EntryType::Block => {
            return Err(Error::entry(&path, "it is a device"));
        }
        EntryType::Fifo => return Err(Error::entry(&path, "it is a FIFO")),
        EntryType::GNUSparse => return Err(Error::entry(&path, "it is a sparse file of GNU tar")),
        other => {
            let why = format!("its type {:?} is unknown", char::from(other.as_byte()));
            return Err(Error::entry(&path, why));
        }
    }
    Ok(Described {
        path,
        kind,
        mode,
        modified: i64::try_from(modified).unwrap_or(0),
    })
}

fn link_name<R: Read>(entry: &Entry<'_, R>, described: &Described) -> Result<Vec<u8>> {
    match entry.link_name_bytes() {
        Some(name) => Ok(name.into_owned()),
        None => Err(Error::entry(&described.path, "it leads nowhere")),
    }
}

/// What became of a thing that another is to take the place of.
enum Kept {
    Nothing,
    /// A file that something is mounted on: it can only be written to.
    InPlace,
}

fn remove(parent: &Directory, found: &Node, described: &Described) -> Result<Kept> {
    let directory = &parent.node().descriptor;
    let removed = if found.is_directory() {
        remove_tree(directory, &found.name, 0)
    } else {
        rustix::fs::unlinkat(directory, &*found.name, AtFlags::empty()).map_err(Into::into)
    };
    match removed {
        Ok(()) => Ok(Kept::Nothing),
        Err(Removal::Host(Errno::BUSY)) if found.kind() == FileType::RegularFile => {
            Ok(Kept::InPlace)
        }
        Err(Removal::Host(error)) => {
            Err(error).at("replace", String::from_utf8_lossy(&described.path))
        }
        Err(Removal::TooDeep) => Err(too_deep(&String::from_utf8_lossy(&described.path))),
    }
}

enum Removal {
    Host(Errno),
    TooDeep,
}

impl From<Errno> for Removal {
    fn from(error: Errno) -> Self {
        Self::Host(error)
    }
}

fn remove_tree(parent: &OwnedFd, name: &CStr, level: usize) -> std::result::Result<(), Removal> {
    if level > MOST_LEVELS {
        return Err(Removal::TooDeep);
    }
    let flags = OFlags::PATH | OFlags::DIRECTORY | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let directory = rustix::fs::openat2(parent, name, flags, Mode::empty(), ONE_NAME)?;
    let mut names = Vec::new();
    each_name(&directory, |name| {
        names.push(name.to_owned());
        true
    })?;
    for name in names {
        match rustix::fs::unlinkat(&directory, &*name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => {}
            Err(Errno::ISDIR) => remove_tree(&directory, &name, level + 1)?,
            Err(error) => return Err(error.into()),
        }
    }
    Ok(rustix::fs::unlinkat(parent, name, AtFlags::REMOVEDIR)?)
}

fn overwrite<R: Read>(
    parent: &Directory,
    found: &Node,
    entry: &mut Entry<'_, R>,
    described: &Described,
) -> Result<()> {
    if described.kind != EntryType::Regular {
        let why = "it would take the place of a file that is mapped into the container";
        return Err(Error::entry(&described.path, why));
    }
    let flags = OFlags::WRONLY | OFlags::TRUNC | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let file = rustix::fs::openat2(
        &parent.node().descriptor,
        &*found.name,
        flags,
        Mode::empty(),
        ONE_NAME,
    );
    let file = file.at("open", String::from_utf8_lossy(&described.path))?;
    fill(file, entry, described)
}

/// Gives a new file its content, permissions and time.
fn fill<R: Read>(file: OwnedFd, entry: &mut Entry<'_, R>, described: &Described) -> Result<()> {
    let shown = String::from_utf8_lossy(&described.path);
    let mut file = File::from(file);
    io::copy(entry, &mut file).at("write", &shown)?;
    let mode = Mode::from_raw_mode(file_permissions(described.mode));
    // A file that is mapped from the host may be another's.
    match rustix::fs::fchmod(&file, mode) {
        Ok(()) | Err(Errno::PERM) => {}
        Err(error) => return Err(error).at("set the permissions of", &shown),
    }
    match rustix::fs::futimens(&file, &times(described.modified)) {
        Ok(()) | Err(Errno::PERM | Errno::ACCESS) => Ok(()),
        Err(error) => Err(error).at("set the time of", &shown),
    }
}

fn times(modified: i64) -> Timestamps {
    Timestamps {
        last_access: Timespec {
            tv_sec: 0,
            tv_nsec: UTIME_OMIT,
        },
        last_modification: Timespec {
            tv_sec: modified,
            tv_nsec: 0,
        },
    }
}

/// A reader of which only so much can be read.
struct Metered<R> {
    input: R,
    budget: Rc<Cell<u64>>,
}

impl<R: Read> Read for Metered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let budget = self.budget.get();
        if budget == 0 && !buffer.is_empty() {
            let message = format!("the headers of an entry exceed {MOST_HEADER_BYTES} bytes");
            return Err(io::Error::other(message));
        }
        let read = self.input.by_ref().take(budget).read(buffer)?;
        self.budget.set(budget - read as u64);
        Ok(read)
    }
}
