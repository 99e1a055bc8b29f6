//! From the drive to an archive.

use std::ffi::CString;
use std::fs::File;
use std::io::{Read, Write};

use porthole_protocol::archive::{FailureKind, Kind};
use porthole_sandbox::filesystem::each_name;
use rustix::fs::{Mode, OFlags, ResolveFlags};
use tar::{Builder, EntryType, Header};

use crate::drive::{MOST_LEVELS, Node, ONE_NAME, Trail, open_node, read_link, too_deep};
use crate::error::{Context, Error, Result};
use crate::stat::{kind, not_a_directory, permissions};

/// How GNU tar names the entry that holds a name which is too long for a header.
const LONG_NAME: &[u8] = b"././@LongLink";

/// Writes a place with all that is in it to `output`, under `name`.
pub(crate) fn pack(trail: &Trail, name: &str, output: impl Write) -> Result<()> {
    let mut packer = Packer {
        builder: Builder::new(output),
        stays_on_drive: false,
    };
    let node = trail.last();
    match kind(node) {
        Kind::Directory => packer.directory(node, name.as_bytes(), 0)?,
        _ => packer.entry(trail.parent(), node, name.as_bytes(), 0)?,
    }
    packer.builder.finish().at("write", "the archive")
}

/// Writes all that is on the drive to `output`, and nothing that is mounted over it.
pub(crate) fn pack_drive(trail: &Trail, output: impl Write) -> Result<()> {
    let mut packer = Packer {
        builder: Builder::new(output),
        stays_on_drive: true,
    };
    packer.content(trail.last(), b"", 0)?;
    packer.builder.finish().at("write", "the archive")
}

struct Packer<W: Write> {
    builder: Builder<W>,
    /// Whether what is mounted over the drive is left out.
    stays_on_drive: bool,
}

impl<W: Write> Packer<W> {
    fn entry(&mut self, parent: &Node, node: &Node, name: &[u8], level: usize) -> Result<()> {
        match kind(node) {
            Kind::Directory => self.directory(node, name, level),
            Kind::File => self.file(parent, node, name),
            Kind::Link => self.link(node, name),
            // As dockerd passes over sockets.
            Kind::Other => Ok(()),
        }
    }

    fn directory(&mut self, node: &Node, name: &[u8], level: usize) -> Result<()> {
        if level > MOST_LEVELS {
            return Err(too_deep(&String::from_utf8_lossy(name)));
        }
        if !node.is_directory() {
            return Err(not_a_directory());
        }
        let below = [name, b"/"].concat();
        self.append(node, EntryType::Directory, &below, 0, &mut std::io::empty())?;
        self.content(node, &below, level)
    }

    /// What is in a directory; names begin with `below`.
    fn content(&mut self, node: &Node, below: &[u8], level: usize) -> Result<()> {
        for child in children(node)? {
            if self.stays_on_drive && is_mounted(node, &child) {
                continue;
            }
            let name = [below, child.to_bytes()].concat();
            let found = open_node(&node.descriptor, child);
            // What a program has deleted meanwhile is not there to be copied.
            match found {
                Err(_) if !is_there(node, &name) => {}
                found => self.entry(node, &found?, &name, level + 1)?,
            }
        }
        Ok(())
    }

    fn file(&mut self, parent: &Node, node: &Node, name: &[u8]) -> Result<()> {
        let shown = String::from_utf8_lossy(name);
        // It may have become something else meanwhile, a FIFO at worst.
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        let open = || {
            let file = rustix::fs::openat2(
                &parent.descriptor,
                &*node.name,
                flags,
                Mode::empty(),
                ONE_NAME,
            )?;
            let stat = rustix::fs::fstat(&file)?;
            Ok::<_, rustix::io::Errno>((file, stat))
        };
        let (file, stat) = open().at("open", &shown)?;
        let opened = Node {
            descriptor: file,
            name: node.name.clone(),
            stat,
        };
        if kind(&opened) != Kind::File {
            let message = format!("{shown:?} changed while it was copied");
            return Err(Error::new(FailureKind::Host, message));
        }
        let size = u64::try_from(stat.st_size).unwrap_or(0);
        let content = File::from(opened.descriptor.try_clone().at("open", &shown)?);
        // One that grows is copied as it was, one that shrinks ends the archive.
        let mut content = Exactly {
            left: size,
            content,
        };
        self.append(&opened, EntryType::Regular, name, size, &mut content)
    }

    fn link(&mut self, node: &Node, name: &[u8]) -> Result<()> {
        let target = read_link(node)?;
        let mut header = header(node, EntryType::Symlink, 0);
        if target.len() > header.as_old().linkname.len() {
            self.long(EntryType::GNULongLink, target.as_bytes())?;
        }
        fill(&mut header.as_old_mut().linkname, target.as_bytes());
        self.named(header, name, &mut std::io::empty())
    }

    fn append(
        &mut self,
        node: &Node,
        kind: EntryType,
        name: &[u8],
        size: u64,
        content: &mut dyn Read,
    ) -> Result<()> {
        self.named(header(node, kind, size), name, content)
    }

    fn named(&mut self, mut header: Header, name: &[u8], content: &mut dyn Read) -> Result<()> {
        if name.len() > header.as_old().name.len() {
            self.long(EntryType::GNULongName, name)?;
        }
        // The bytes as they are: `tar` would take a leading "./" off, which clients look for.
        fill(&mut header.as_old_mut().name, name);
        header.set_cksum();
        let appended = self.builder.append(&header, content);
        appended.at("archive", String::from_utf8_lossy(name))
    }

    fn long(&mut self, kind: EntryType, text: &[u8]) -> Result<()> {
        let mut header = Header::new_gnu();
        fill(&mut header.as_old_mut().name, LONG_NAME);
        header.set_entry_type(kind);
        header.set_mode(0o644);
        header.set_size(text.len() as u64 + 1);
        header.set_cksum();
        let content = [text, b"\0"].concat();
        let appended = self.builder.append(&header, content.as_slice());
        appended.at("archive", String::from_utf8_lossy(text))
    }
}

/// Fills a field, as far as it goes.
fn fill(field: &mut [u8], text: &[u8]) {
    let length = text.len().min(field.len());
    field.fill(0);
    field[..length].copy_from_slice(&text[..length]);
}

fn header(node: &Node, kind: EntryType, size: u64) -> Header {
    let mut header = Header::new_gnu();
    header.set_entry_type(kind);
    header.set_mode(permissions(node));
    header.set_uid(0);
    header.set_gid(0);
    header.set_mtime(u64::try_from(node.stat.st_mtime).unwrap_or(0));
    header.set_size(size);
    header
}

/// The names in a directory, in order.
fn children(node: &Node) -> Result<Vec<CString>> {
    let mut names = Vec::new();
    each_name(&node.descriptor, |name| {
        names.push(name.to_owned());
        true
    })
    .at("list", node.name.to_string_lossy())?;
    names.sort();
    Ok(names)
}

/// Whether something is mounted over the name.
fn is_mounted(node: &Node, name: &CString) -> bool {
    let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
    let within = ONE_NAME | ResolveFlags::NO_XDEV;
    let opened = rustix::fs::openat2(&node.descriptor, name, flags, Mode::empty(), within);
    opened.is_err_and(|error| error == rustix::io::Errno::XDEV)
}

fn is_there(node: &Node, name: &[u8]) -> bool {
    let last = name.rsplit(|byte| *byte == b'/').next().unwrap_or(name);
    let flags = rustix::fs::AtFlags::SYMLINK_NOFOLLOW;
    rustix::fs::statat(&node.descriptor, last, flags).is_ok()
}

/// Exactly so many bytes of a file that may change.
struct Exactly {
    left: u64,
    content: File,
}

impl Read for Exactly {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.left == 0 {
            return Ok(0);
        }
        let read = (&self.content).take(self.left).read(buffer)?;
        if read == 0 && !buffer.is_empty() {
            let message = "it became shorter while it was copied";
            return Err(std::io::Error::other(message));
        }
        self.left -= read as u64;
        Ok(read)
    }
}
