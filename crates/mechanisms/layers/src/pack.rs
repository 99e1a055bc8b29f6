//! From directories to a layer's archive.

mod content;
mod describe;
mod given;

use std::collections::{HashMap, HashSet};
use std::io::{self, Write};
use std::os::fd::OwnedFd;
use std::path::Path;

use porthole_layer::{FileTime, LayerPath, LayerWriter, Metadata, Tree};
use porthole_winpath::name::folded;
use rustix::fs::FileType;

use crate::beneath::{kind, open_top};
use crate::chain::Chain;
use crate::error::{Context, ErrorKind, Failure, Outcome, Result, of_archive};
use crate::limits::SetAside;
use crate::settle::TREES;
use crate::view::View;
use crate::walk::{Difference, Entry, Stream, Visit, Walk};
use content::{Exactly, size_of};
use describe::{Described, describe};

/// A file that a layer gets beside what is on disk, such as `Hives/Software_Delta` or a user's
/// `Files/Users/…/NTUSER.DAT`. It takes the place of one on disk.
#[derive(Debug, Clone)]
pub struct Given<'a> {
    /// Where it is in the layer.
    pub path: LayerPath,
    /// What is in it.
    pub content: &'a [u8],
    /// When it was changed last.
    pub modified: FileTime,
}

/// A layer that was packed.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Packed {
    /// Bytes of files.
    pub size: u64,
    /// What no layer can hold.
    pub set_aside: SetAside,
}

/// Packs what a sandbox's `upper` changes of the layers below (their directories, the nearest
/// first) as a layer's archive, uncompressed: what is new or changed with all directories that lead
/// there, and whiteouts of what is gone. Files keep the metadata that they have below.
///
/// # Errors
/// A file that becomes shorter while it is read; a failure of the file system or of `output`.
pub fn pack_changes<W: Write>(
    upper: &Path,
    lowers: &[&Path],
    given: &[Given<'_>],
    output: W,
) -> Result<(W, Packed)> {
    let failed = |failure: Failure| failure.of(OF_CONTAINER, None);
    let top = open_top(upper).to("open the sandbox").map_err(failed)?;
    let chain = Chain::open(lowers).map_err(failed)?;
    let below = chain.view(Tree::Files.name()).map_err(failed)?;
    let mut ignored = |_| {};
    let mut packer = Packer::new(OF_CONTAINER, output, &chain, given, &mut ignored);
    packer.tree(&top, &below, Tree::Files, false)?;
    packer.hives()?;
    let union = below.below(&top).map_err(failed)?;
    packer.given(&[(Tree::Files, &union)])?;
    packer.finish()
}

/// How errors call a layer that has no digest yet.
pub(crate) const OF_CONTAINER: &str = "of the container";

/// Packs a layer's whole directory as its archive, uncompressed; `seen` is told of the bytes of
/// files.
///
/// # Errors
/// As [`pack_changes`].
pub fn pack_layer<W: Write>(
    directory: &Path,
    given: &[Given<'_>],
    output: W,
    seen: &mut dyn FnMut(u64),
) -> Result<(W, Packed)> {
    let name = directory.display().to_string();
    let failed = |failure: Failure| failure.of(&name, None);
    let of_itself = [directory];
    let chain = Chain::open(&of_itself).map_err(failed)?;
    let mut packer = Packer::new(&name, output, &chain, given, seen);
    let mut roots = Vec::new();
    for (tree, name) in [Tree::Files, Tree::Hives, Tree::UtilityVm]
        .into_iter()
        .zip(TREES)
    {
        let view = chain.view(name).map_err(failed)?;
        let root = view.nearest().map(OwnedFd::try_clone).transpose();
        if let Some(root) = root.to("open the layer").map_err(failed)? {
            packer.tree(&root, &View::default(), tree, true)?;
            roots.push((tree, view));
        }
        if tree == Tree::Hives {
            packer.hives()?;
        }
    }
    let roots: Vec<_> = roots.iter().map(|(tree, view)| (*tree, view)).collect();
    packer.given(&roots)?;
    packer.finish()
}

struct Packer<'a, W: Write> {
    layer: &'a str,
    chain: &'a Chain<'a>,
    given: &'a [Given<'a>],
    given_paths: HashSet<String>,
    seen: &'a mut dyn FnMut(u64),
    writer: LayerWriter<W>,
    /// Directories that have not changed, and lead to where the walk is.
    waiting: Vec<(LayerPath, Metadata)>,
    written: HashSet<String>,
    /// What the layer removes.
    removed: HashSet<String>,
    /// The first name of each file that has several.
    links: HashMap<(u64, u64), LayerPath>,
    packed: Packed,
    failed_at: Option<LayerPath>,
}

impl<'a, W: Write> Packer<'a, W> {
    fn new(
        layer: &'a str,
        output: W,
        chain: &'a Chain<'a>,
        given: &'a [Given<'a>],
        seen: &'a mut dyn FnMut(u64),
    ) -> Self {
        Self {
            layer,
            chain,
            given,
            given_paths: given
                .iter()
                .map(|given| folded(given.path.as_str()))
                .collect(),
            seen,
            writer: LayerWriter::new(output),
            waiting: Vec::new(),
            written: HashSet::new(),
            removed: HashSet::new(),
            links: HashMap::new(),
            packed: Packed {
                size: 0,
                set_aside: SetAside::of_archive(),
            },
            failed_at: None,
        }
    }

    fn tree(
        &mut self,
        root: &OwnedFd,
        below: &View,
        tree: Tree,
        keeps_whiteouts: bool,
    ) -> Result<()> {
        let chain = self.chain;
        let walked = Walk {
            chain,
            visit: self,
            keeps_whiteouts,
        }
        .tree(root, below, &LayerPath::root(tree));
        self.named(walked)
    }

    /// Gives a failure the names of layer and entry.
    fn named<T>(&mut self, result: Outcome<T>) -> Result<T> {
        result.map_err(|failure| {
            let entry = self.failed_at.take();
            failure.of(self.layer, entry.as_ref().map(LayerPath::as_str))
        })
    }

    /// Windows wants this directory in every layer.
    fn hives(&mut self) -> Result<()> {
        let path = LayerPath::root(Tree::Hives);
        if self.written.contains(&folded(path.as_str())) {
            return Ok(());
        }
        // It has the time of the newest hive, as Windows exports it.
        let is_hive = |given: &&Given<'_>| given.path.tree() == Tree::Hives;
        let newest = self
            .given
            .iter()
            .filter(is_hive)
            .map(|given| given.modified)
            .max();
        let metadata =
            newest.map_or_else(Metadata::directory, |time| Metadata::directory().at(time));
        let written = self.write_directory(&path, &metadata);
        self.named(written)
    }

    fn finish(self) -> Result<(W, Packed)> {
        let output = self
            .writer
            .finish()
            .map_err(|error| of_archive(self.layer, error))?;
        Ok((output, self.packed))
    }

    /// Writes the directories that lead to a path.
    fn lead_to(&mut self, path: &LayerPath) -> Outcome<()> {
        for (parent, metadata) in std::mem::take(&mut self.waiting) {
            if is_above(&parent, path) {
                self.write_directory(&parent, &metadata)?;
            }
        }
        self.failed_at = Some(path.clone());
        Ok(())
    }

    fn write_directory(&mut self, path: &LayerPath, metadata: &Metadata) -> Outcome<()> {
        self.failed_at = Some(path.clone());
        self.written.insert(folded(path.as_str()));
        self.writer.directory(path, metadata).map_err(of_writer)
    }

    fn write_streams(&mut self, streams: &[Stream]) -> Outcome<()> {
        for stream in streams {
            let size = size_of(&stream.file)?;
            let mut content = Exactly::new(&stream.file, size)?;
            let written = self.writer.stream(&stream.name, size, &mut content);
            written.map_err(of_writer)?;
            self.packed.size += size;
            (self.seen)(size);
        }
        Ok(())
    }

    fn write_file(&mut self, entry: &Entry<'_>, described: &Described) -> Outcome<()> {
        let Some(file) = &described.file else {
            return Ok(());
        };
        let stat = rustix::fs::fstat(file).to("look at a file")?;
        let inode = (stat.st_dev, stat.st_ino);
        if stat.st_nlink > 1 {
            if let Some(first) = self.links.get(&inode) {
                return self.writer.hard_link(entry.path, first).map_err(of_writer);
            }
            self.links.insert(inode, entry.path.clone());
        }
        let size = size_of(file)?;
        let mut content = Exactly::new(file, size)?;
        let written = self
            .writer
            .file(entry.path, &described.metadata, size, &mut content);
        written.map_err(of_writer)?;
        self.packed.size += size;
        (self.seen)(size);
        self.write_streams(&entry.streams)
    }

    fn write_link(&mut self, path: &LayerPath, described: &Described) -> Outcome<()> {
        let Some(link) = &described.link else {
            return Ok(());
        };
        let written = if link.is_junction {
            self.writer
                .junction(path, &described.metadata, &link.target)
        } else {
            self.writer.symlink(path, &described.metadata, &link.target)
        };
        written.map_err(of_writer)
    }

    fn is_given(&self, path: &LayerPath) -> bool {
        !self.given_paths.is_empty() && self.given_paths.contains(&folded(path.as_str()))
    }
}

impl<W: Write> Visit for Packer<'_, W> {
    fn directory(&mut self, entry: &Entry<'_>, difference: Difference, hides: bool) -> Outcome<()> {
        self.failed_at = Some(entry.path.clone());
        let Some(described) = describe(entry, self.chain)? else {
            return Ok(());
        };
        // The root of a tree stands in every layer.
        if difference == Difference::Same && entry.path.parent().is_some() {
            self.waiting
                .retain(|(parent, _)| is_above(parent, entry.path));
            self.waiting.push((entry.path.clone(), described.metadata));
            return Ok(());
        }
        self.lead_to(entry.path)?;
        self.write_directory(entry.path, &described.metadata)?;
        self.write_streams(&entry.streams)?;
        if hides && entry.below.is_none() {
            // What it hides is not known here.
            return self.writer.opaque(entry.path).map_err(of_writer);
        }
        Ok(())
    }

    fn file(&mut self, entry: &Entry<'_>, _difference: Difference) -> Outcome<()> {
        if self.is_given(entry.path) {
            return Ok(());
        }
        self.failed_at = Some(entry.path.clone());
        let Some(described) = describe(entry, self.chain)? else {
            return Ok(());
        };
        self.lead_to(entry.path)?;
        match kind(entry.stat) {
            FileType::Symlink => self.write_link(entry.path, &described),
            _ => self.write_file(entry, &described),
        }
    }

    fn removed(&mut self, path: &LayerPath) -> Outcome<()> {
        if self.is_given(path) {
            return Ok(());
        }
        self.lead_to(path)?;
        self.removed.insert(folded(path.as_str()));
        self.writer.whiteout(path).map_err(of_writer)
    }

    fn set_aside(&mut self, path: String) {
        self.packed.set_aside.name(path);
    }
}

fn is_above(parent: &LayerPath, path: &LayerPath) -> bool {
    let rest = path.as_str().strip_prefix(parent.as_str());
    rest.is_some_and(|rest| rest.starts_with('/'))
}

fn of_writer(error: porthole_layer::LayerError) -> Failure {
    use porthole_layer::LayerErrorKind;
    match error.kind {
        LayerErrorKind::Io(error) if error.kind() == io::ErrorKind::UnexpectedEof => {
            Failure::new(ErrorKind::Changed, "it became shorter while it was read")
        }
        LayerErrorKind::Io(error) if error.kind() == io::ErrorKind::BrokenPipe => {
            Failure::new(ErrorKind::Origin, "nobody takes the archive any more")
        }
        LayerErrorKind::Io(error) => Failure::io("write the archive", error),
        kind => Failure::malformed(kind.to_string()),
    }
}
