//! From a layer's archive to a directory that overlayfs takes.
//!
//! Two threads: one decompresses, the other hashes what comes out and makes the files. What has
//! been made is known by name ([`crate::tree`]), so the disk is never asked; an entry costs the
//! calls that make it.

pub(crate) mod files;
mod hard_links;
mod places;
mod stack;
mod streams;

use std::collections::BTreeMap;
use std::io::{BufReader, Read};
use std::os::fd::OwnedFd;
use std::path::Path;

use porthole_layer::{Entry, EntryKind, LayerPath, LayerReader, Metadata};
use porthole_store::Digest;
use rustix::fs::XattrFlags;

use crate::beneath::{IMPLIED, OPAQUE, c_name, open_top};
use crate::compression;
use crate::error::{Context, Failure, Outcome, Result, of_archive};
use crate::kept::{self, Keeper};
use crate::limits::{Limits, SetAside};
use crate::pipe::{CHUNK, Reader, pipe};
use crate::stored::{Shape, WindowsLink, is_read_only};
use crate::tree::{Kind, NodeId, Tree};
use stack::Stack;

/// Bytes that the paths of all hard links that wait for their files may have: they are kept in
/// memory.
const MOST_PENDING_BYTES: usize = 64 << 20;

/// Bytes that a name can have on file systems of Linux.
const MOST_NAME_BYTES: usize = 255;

/// A layer that was unpacked.
#[derive(Debug)]
pub struct Unpacked {
    /// The digest of the archive, uncompressed.
    pub diff_id: Digest,
    /// Bytes of files; one with several names counts once.
    pub size: u64,
    /// Bytes of the archive, uncompressed.
    pub archive_size: u64,
    /// What is not on disk.
    pub set_aside: SetAside,
    /// What depends on the layers below.
    pub unsettled: Unsettled,
}

/// What of an unpacked layer depends on the layers below, for [`crate::settle()`].
#[derive(Debug, Default)]
pub struct Unsettled {
    /// Hard links to files that the layer does not hold.
    pub(crate) hard_links: Vec<PendingLink>,
    /// Trees that hide all of those below.
    pub(crate) opaque_trees: Vec<String>,
    /// Whether names are spelt as below, for they come from a union with what is below.
    pub(crate) is_spelt: bool,
}

/// A hard link to a file that the layer does not hold.
#[derive(Debug)]
pub(crate) struct PendingLink {
    /// Its path from the layer's directory on, as it was unpacked.
    pub(crate) path: String,
    pub(crate) target: LayerPath,
}

/// Unpacks a layer's archive (gzip, Zstandard or neither, as its first bytes say) into `directory`,
/// which must be empty and on a file system with extended attributes. `layer` is what errors call
/// it.
///
/// The directory is complete after [`settle()`](crate::settle()). On an error, part of the layer is in
/// it; nothing is anywhere else.
///
/// # Errors
/// Whatever is wrong with the layer, by entry; more than `limits`; a failure of the file system.
pub fn unpack(
    layer: &str,
    archive: impl Read + Send,
    directory: &Path,
    limits: &Limits,
) -> Result<Unpacked> {
    let failed = |error| Failure::stream(error).of(layer, None);
    let (compression, archive) = compression::detect(archive).map_err(failed)?;
    std::thread::scope(|scope| {
        let (mut sender, receiver) = pipe();
        let decoding = scope.spawn(move || {
            let mut plain = compression.decoder(archive)?;
            std::io::copy(&mut plain, &mut sender)?;
            sender.finish()
        });
        let unpacked = unpack_plain(layer, receiver, directory, limits);
        let decoded = decoding
            .join()
            .unwrap_or_else(|panic| std::panic::resume_unwind(panic));
        prefer_cause(layer, unpacked, decoded)
    })
}

/// Of the failures at both ends of a pipe, the one that is the other's cause.
pub(crate) fn prefer_cause<T>(
    layer: &str,
    unpacked: Result<T>,
    fed: std::io::Result<()>,
) -> Result<T> {
    match (unpacked, fed) {
        // Who stops reading breaks the pipe; who writes nothing more, too.
        (Err(error), Err(cause)) if error.kind() == crate::ErrorKind::Origin => {
            Err(Failure::stream(cause).of(layer, error.entry()))
        }
        (Ok(_), Err(cause)) => Err(Failure::stream(cause).of(layer, None)),
        (unpacked, _) => unpacked,
    }
}

/// Unpacks an archive that is not compressed.
pub(crate) fn unpack_plain(
    layer: &str,
    archive: Reader,
    directory: &Path,
    limits: &Limits,
) -> Result<Unpacked> {
    let metered = crate::metered::Metered::new(archive, limits.bytes);
    let mut reader = LayerReader::new(BufReader::with_capacity(CHUNK, metered));
    let mut unpacker =
        Unpacker::new(directory, limits).map_err(|failure| failure.of(layer, None))?;
    while let Some(entry) = reader
        .next_entry()
        .map_err(|error| of_archive(layer, error))?
    {
        let path = entry.path.clone();
        unpacker
            .entry(entry, &mut reader)
            .map_err(|failure| failure.of(layer, Some(path.as_str())))?;
    }
    // What follows the archive's end is part of what its digest promises.
    let mut rest = reader.into_inner();
    std::io::copy(&mut rest, &mut std::io::sink())
        .map_err(|error| Failure::stream(error).of(layer, None))?;
    let (diff_id, archive_size) = rest.into_inner().finish();
    unpacker.finish(layer, diff_id, archive_size)
}

struct Unpacker<'a> {
    limits: &'a Limits,
    entries: u64,
    size: u64,
    tree: Tree,
    stack: Stack,
    keeper: Keeper,
    set_aside: SetAside,
    pending: BTreeMap<NodeId, LayerPath>,
    /// Bytes of paths of hard links that wait for their files.
    pending_bytes: usize,
    opaque_trees: Vec<String>,
    last: Option<Last>,
    buffer: Vec<u8>,
    /// Whether new files have less than their mode, by the process's mask.
    is_masked: bool,
}

/// The file or directory that streams would belong to.
struct Last {
    path: LayerPath,
    node: NodeId,
    shape: Shape,
    metadata: Metadata,
    streams: Vec<String>,
}

impl<'a> Unpacker<'a> {
    fn new(directory: &Path, limits: &'a Limits) -> Outcome<Self> {
        let root = open_top(directory).to("open the directory to unpack into")?;
        Ok(Self {
            limits,
            entries: 0,
            size: 0,
            tree: Tree::new(),
            stack: Stack::new(root),
            keeper: Keeper::default(),
            set_aside: SetAside::default(),
            pending: BTreeMap::new(),
            pending_bytes: 0,
            opaque_trees: Vec::new(),
            last: None,
            buffer: vec![0; CHUNK],
            is_masked: files::is_masked(),
        })
    }

    fn entry(&mut self, entry: Entry, content: &mut impl Read) -> Outcome<()> {
        self.count()?;
        if !matches!(entry.kind, EntryKind::Stream { .. } | EntryKind::SetAside) {
            self.last = None;
        }
        if entry.kind == EntryKind::SetAside || is_too_long(&entry.path) {
            self.set_aside.name(entry.path.as_str());
            return Ok(());
        }
        match entry.kind {
            EntryKind::Directory => self.directory(entry.path, entry.metadata),
            EntryKind::File { size } => self.file(entry.path, entry.metadata, size, content),
            EntryKind::Symlink { target } => self.link(&entry.path, &entry.metadata, target, false),
            EntryKind::Junction { target } => self.link(&entry.path, &entry.metadata, target, true),
            EntryKind::HardLink { target } => self.hard_link(&entry.path, target),
            EntryKind::Stream { name, size } => self.stream(&entry.path, &name, size, content),
            EntryKind::Whiteout => self.whiteout(&entry.path),
            EntryKind::Opaque => self.opaque(&entry.path),
            EntryKind::SetAside => Ok(()),
        }
    }

    /// Counts an entry, or a directory that none has said anything of.
    fn count(&mut self) -> Outcome<()> {
        self.entries += 1;
        let most = self.limits.entries;
        if self.entries > most {
            return Err(Failure::too_large(format!(
                "it has more than {most} entries"
            )));
        }
        Ok(())
    }

    fn directory(&mut self, path: LayerPath, metadata: Metadata) -> Outcome<()> {
        let node = self.enter(&path, true)?;
        let descriptor = self.stack.open(&mut self.tree, node)?;
        if !self.tree.node(node).is_implied {
            files::forget(descriptor)?;
        }
        files::describe(
            descriptor,
            Shape::Directory,
            &metadata,
            &[],
            &mut self.keeper,
        )?;
        let entered = self.tree.node_mut(node);
        entered.modified = metadata.modified;
        entered.is_implied = false;
        self.last = Some(Last {
            path,
            node,
            shape: Shape::Directory,
            metadata,
            streams: Vec::new(),
        });
        self.check_metadata()
    }

    fn file(
        &mut self,
        path: LayerPath,
        metadata: Metadata,
        size: u64,
        content: &mut impl Read,
    ) -> Outcome<()> {
        let (parent, name) = self.place(&path)?;
        let is_read_only = is_read_only(Shape::File, &metadata);
        let file = self.create(parent, &name, is_read_only)?;
        files::describe(&file, Shape::File, &metadata, &[], &mut self.keeper)?;
        files::fill(&file, size, content, &mut self.buffer)?;
        files::set_times(&file, metadata.modified)?;
        self.size = self.size.saturating_add(size);
        let node = self.tree.insert(parent, &name, Kind::File);
        self.last = Some(Last {
            path,
            node,
            shape: Shape::File,
            metadata,
            streams: Vec::new(),
        });
        self.check_metadata()
    }

    fn link(
        &mut self,
        path: &LayerPath,
        metadata: &Metadata,
        target: String,
        is_junction: bool,
    ) -> Outcome<()> {
        let (parent, name) = self.place(path)?;
        let level = level(path);
        let link = WindowsLink {
            target,
            is_junction,
        };
        let c_name = c_name(&name).to("name a link")?;
        let directory = self.stack.open(&mut self.tree, parent)?;
        let leads_out =
            files::make_link(directory, &c_name, level, link, metadata, &mut self.keeper)?;
        if leads_out {
            self.set_aside.link(path.as_str());
        }
        self.tree.insert(parent, &name, Kind::Link);
        self.check_metadata()
    }

    /// A whiteout says that the layers below have nothing here; what this layer has stays.
    fn whiteout(&mut self, path: &LayerPath) -> Outcome<()> {
        match self.find(path) {
            Some(node) if self.tree.node(node).kind == Kind::Directory => self.hide_below(node),
            Some(_) => Ok(()),
            None => {
                let (parent, name) = self.place(path)?;
                let directory = self.stack.open(&mut self.tree, parent)?;
                files::make_whiteout(directory, &*name)?;
                self.tree.insert(parent, &name, Kind::Whiteout);
                Ok(())
            }
        }
    }

    fn opaque(&mut self, path: &LayerPath) -> Outcome<()> {
        let node = self.enter(path, true)?;
        self.hide_below(node)
    }

    fn hide_below(&mut self, node: NodeId) -> Outcome<()> {
        if self.tree.node(node).parent == Tree::ROOT {
            // Overlayfs merges the roots of layers, whatever they say.
            self.opaque_trees
                .push(self.tree.node(node).name.to_string());
            return Ok(());
        }
        let directory = self.stack.open(&mut self.tree, node)?;
        rustix::fs::fsetxattr(directory, OPAQUE, b"y", XattrFlags::empty())
            .to("mark a directory as opaque")
    }

    fn create(&mut self, parent: NodeId, name: &str, is_read_only: bool) -> Outcome<OwnedFd> {
        let is_masked = self.is_masked;
        let directory = self.stack.open(&mut self.tree, parent)?;
        files::create(directory, name, is_read_only, is_masked)
    }

    /// Marks directories that no entry has said anything of, for those below may know something.
    fn mark_implied(&mut self) -> Outcome<()> {
        let implied: Vec<NodeId> = self.tree.implied().collect();
        for node in implied {
            let directory = self.stack.open(&mut self.tree, node)?;
            rustix::fs::fsetxattr(directory, IMPLIED, b"y", XattrFlags::empty())
                .to("mark a directory")?;
        }
        Ok(())
    }

    fn check_metadata(&self) -> Outcome<()> {
        if self.keeper.is_too_large() {
            return Err(Failure::too_large("its files have too much metadata"));
        }
        Ok(())
    }

    fn finish(mut self, layer: &str, diff_id: Digest, archive_size: u64) -> Result<Unpacked> {
        let hard_links = self.link_pending(layer)?;
        let failed = |failure: Failure| failure.of(layer, None);
        // A layer may hold nothing; a union is mounted of this directory of each.
        self.enter(&LayerPath::root(porthole_layer::Tree::Files), false)
            .map_err(failed)?;
        self.mark_implied().map_err(failed)?;
        self.stack.leave_all(&mut self.tree).map_err(failed)?;
        if !self.keeper.bytes().is_empty() {
            files::write_new(self.stack.root(), kept::FILE, self.keeper.bytes()).map_err(failed)?;
        }
        Ok(Unpacked {
            diff_id,
            size: self.size,
            archive_size,
            set_aside: self.set_aside,
            unsettled: Unsettled {
                hard_links,
                opaque_trees: self.opaque_trees,
                is_spelt: false,
            },
        })
    }
}

/// Directories below C: that something lies in.
pub(crate) fn level(path: &LayerPath) -> usize {
    let below = path.components().count().saturating_sub(1);
    match path.tree() {
        porthole_layer::Tree::UtilityVm => below.saturating_sub(1),
        _ => below,
    }
}

fn is_too_long(path: &LayerPath) -> bool {
    path.components().any(|name| name.len() > MOST_NAME_BYTES)
}
