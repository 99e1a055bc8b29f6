//! Links of a layer that lead to what is below.

use std::ffi::{CStr, CString};
use std::os::fd::OwnedFd;

use rustix::fs::{AtFlags, FileType};
use rustix::io::Errno;

use crate::beneath::{c_name, kind, link_attribute, modified, open_directory, set_link_attribute};
use crate::chain::Chain;
use crate::error::{Context, Failure, Outcome};
use crate::target;
use crate::unpack::PendingLink;
use crate::unpack::files::times;
use crate::view::View;

use super::trail::{self, Trail};

/// Bytes of where links lead that are looked at together.
const BATCH_BYTES: usize = 16 << 20;

const OPERATION: &str = "look at a link";

/// A directory, unless it is not there.
pub(super) fn open_if_there(parent: &OwnedFd, name: &str) -> Outcome<Option<OwnedFd>> {
    match open_directory(parent, name) {
        Err(Errno::NOENT) => Ok(None),
        directory => directory.map(Some).to("open a directory"),
    }
}

/// Makes hard links to files of layers below.
pub(super) struct HardLinks<'a> {
    top: &'a OwnedFd,
    chain: &'a Chain<'a>,
    /// The way to the link before, in its tree.
    trail: Option<(&'static str, Trail)>,
}

impl<'a> HardLinks<'a> {
    pub(super) const fn new(top: &'a OwnedFd, chain: &'a Chain<'a>) -> Self {
        Self {
            top,
            chain,
            trail: None,
        }
    }

    /// The links in the order in which they are made soonest.
    pub(super) fn sorted(links: &[PendingLink]) -> Vec<&PendingLink> {
        let mut links: Vec<_> = links.iter().collect();
        links.sort_by_cached_key(|link| trail::order(link.target.as_str().split('/')));
        links
    }

    /// Makes a hard link to a file of a layer below, and to its streams; whether the file is there.
    pub(super) fn make(&mut self, link: &PendingLink) -> Outcome<bool> {
        let Some(parent) = link.target.parent() else {
            return Ok(false);
        };
        let tree = parent.tree().name();
        let mut trail = match self.trail.take() {
            Some((known, trail)) if known == tree => trail,
            _ => Trail::new(self.chain.view(tree)?),
        };
        let mut depth = 0;
        for name in parent.components() {
            let Some(spelt) = trail.at(depth).find(name)? else {
                break;
            };
            trail.enter(depth, spelt)?;
            depth += 1;
        }
        let is_there = depth == parent.components().count();
        let is_made = is_there && self.make_in(link, trail.at(depth))?;
        self.trail = Some((tree, trail));
        Ok(is_made)
    }

    fn make_in(&self, link: &PendingLink, view: &View) -> Outcome<bool> {
        let Some(spelt) = view.find(link.target.name())? else {
            return Ok(false);
        };
        let Some(found) = view.look(&spelt)? else {
            return Ok(false);
        };
        if !matches!(kind(&found.stat), FileType::RegularFile | FileType::Symlink) {
            return Err(Failure::malformed("a hard link to what is not a file"));
        }
        let Some((parents, name)) = link.path.rsplit_once('/') else {
            return Ok(false);
        };
        let mut directory = self.top.try_clone().to("open the layer")?;
        for parent in parents.split('/') {
            directory = open_directory(&directory, parent).to("open a directory")?;
        }
        let before = rustix::fs::fstat(&directory).to("look at a directory")?;
        let make = |from: &OwnedFd, from_name: &CStr, name: &str| {
            rustix::fs::linkat(from, from_name, &directory, name, AtFlags::empty())
                .to("make a hard link")
        };
        make(found.directory, &spelt, name)?;
        for stream in self.chain.streams(&spelt, &found)? {
            let full = format!("{}:{stream}", spelt.to_string_lossy());
            let full = c_name(&full).to("name a stream")?;
            if let Some(found) = view.look(&full)? {
                make(found.directory, &full, &format!("{name}:{stream}"))?;
            }
        }
        super::restore_times(&directory, &before)?;
        Ok(true)
    }
}

/// Makes links lead to names as they are spelt: the kernel, which follows them, knows case. The links
/// are paths from the root on, as they are spelt.
pub(super) fn spell_targets(root: &OwnedFd, below: &View, links: &[String]) -> Outcome<()> {
    if links.is_empty() {
        return Ok(());
    }
    let mut trail = Trail::new(below.below(root)?);
    let mut batch = Vec::new();
    let mut bytes = 0;
    for link in links {
        let Some(leading) = Leading::read(root, link)? else {
            continue;
        };
        bytes += leading.text.len();
        batch.push(leading);
        if bytes > BATCH_BYTES {
            spell_batch(&mut trail, std::mem::take(&mut batch))?;
            bytes = 0;
        }
    }
    spell_batch(&mut trail, batch)
}

fn spell_batch(trail: &mut Trail, mut batch: Vec<Leading<'_>>) -> Outcome<()> {
    batch.sort_by_cached_key(|link| trail::order(link.way()));
    for link in batch {
        link.spell(trail)?;
    }
    Ok(())
}

/// A symbolic link, and where it leads.
struct Leading<'a> {
    root: &'a OwnedFd,
    /// The directories that it is in.
    parents: Vec<&'a str>,
    name: CString,
    /// What the extended attribute says of it.
    stored: Vec<u8>,
    text: String,
}

impl<'a> Leading<'a> {
    /// Looks at a link; none where it leads nowhere, or as nobody here has written it.
    fn read(root: &'a OwnedFd, link: &'a str) -> Outcome<Option<Self>> {
        let (parents, name) = link.rsplit_once('/').unwrap_or(("", link));
        let name = c_name(name).to(OPERATION)?;
        let parents: Vec<_> = parents.split('/').filter(|name| !name.is_empty()).collect();
        let directory = open_parents(root, &parents)?;
        let Some(stored) = link_attribute(&directory, &name).to(OPERATION)? else {
            return Ok(None);
        };
        let text = rustix::fs::readlinkat(&directory, &name, Vec::new()).to(OPERATION)?;
        let leading = text.into_string().ok().filter(|text| !text.contains('\\'));
        Ok(leading.map(|text| Self {
            root,
            parents,
            name,
            stored,
            text,
        }))
    }

    /// How far up it leads, and the names from there on.
    fn split(&self) -> (usize, Vec<&str>) {
        let mut names: Vec<&str> = self.text.split('/').filter(|name| *name != ".").collect();
        let up = names.iter().take_while(|name| **name == "..").count();
        names.drain(..up);
        (up, names)
    }

    /// The names that it leads through from the root on; only those that it has when it leads out.
    fn way(&self) -> impl Iterator<Item = &str> {
        let (up, names) = self.split();
        let start = self.parents.len().saturating_sub(up);
        self.parents[..start].iter().copied().chain(names)
    }

    fn spell(self, trail: &mut Trail) -> Outcome<()> {
        let (up, names) = self.split();
        let Some(start) = self.parents.len().checked_sub(up) else {
            return Ok(());
        };
        let spelt = spell(trail, &self.parents[..start], &names)?;
        let wanted = target::text(up, &spelt);
        if wanted == self.text || wanted.len() > target::MOST_BYTES {
            return Ok(());
        }
        let (directory, name) = (open_parents(self.root, &self.parents)?, &*self.name);
        let stat = rustix::fs::statat(&directory, name, AtFlags::SYMLINK_NOFOLLOW).to(OPERATION)?;
        let before = rustix::fs::fstat(&directory).to(OPERATION)?;
        rustix::fs::unlinkat(&directory, name, AtFlags::empty()).to("replace a link")?;
        rustix::fs::symlinkat(wanted.as_str(), &directory, name).to("replace a link")?;
        set_link_attribute(&directory, name, &self.stored).to("replace a link")?;
        let flags = AtFlags::SYMLINK_NOFOLLOW;
        rustix::fs::utimensat(&directory, name, &times(modified(&stat)), flags)
            .to("replace a link")?;
        super::restore_times(&directory, &before)
    }
}

fn open_parents(root: &OwnedFd, parents: &[&str]) -> Outcome<OwnedFd> {
    let mut directory = root.try_clone().to(OPERATION)?;
    for parent in parents {
        directory = open_directory(&directory, *parent).to("open a directory")?;
    }
    Ok(directory)
}

/// The names of a path as they are spelt, as far as it is there and leads through no other link.
fn spell(trail: &mut Trail, start: &[&str], path: &[&str]) -> Outcome<Vec<String>> {
    for (depth, name) in start.iter().enumerate() {
        trail.enter(depth, c_name(name).to(OPERATION)?)?;
    }
    let mut depth = start.len();
    let mut spelt = Vec::new();
    let mut is_there = true;
    for name in path {
        let found = match is_there {
            true => trail.at(depth).find(name)?,
            false => None,
        };
        let Some(found) = found else {
            is_there = false;
            spelt.push((*name).to_owned());
            continue;
        };
        spelt.push(found.to_string_lossy().into_owned());
        is_there = !trail.enter(depth, found)?.is_empty();
        depth += 1;
    }
    Ok(spelt)
}
