//! Links of a layer that lead to what is below.

use std::ffi::{CStr, CString};
use std::os::fd::OwnedFd;

use porthole_layer::LayerPath;
use rustix::fs::{AtFlags, FileType};
use rustix::io::Errno;

use crate::beneath::{
    c_name, kind, link_attribute, look, modified, open_directory, set_link_attribute,
};
use crate::chain::Chain;
use crate::error::{Context, Failure, Outcome};
use crate::target;
use crate::unpack::PendingLink;
use crate::unpack::files::times;
use crate::view::View;

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
    /// The directory of the link before, which is often that of the next.
    last: Option<(LayerPath, View)>,
}

impl<'a> HardLinks<'a> {
    pub(super) const fn new(top: &'a OwnedFd, chain: &'a Chain<'a>) -> Self {
        Self {
            top,
            chain,
            last: None,
        }
    }

    /// Makes a hard link to a file of a layer below, and to its streams.
    pub(super) fn make(&mut self, link: &PendingLink) -> Outcome<()> {
        let nothing = || Failure::malformed(format!("a hard link to nothing: {}", link.target));
        let parent = link.target.parent().ok_or_else(nothing)?;
        let view = match self.last.take() {
            Some((path, view)) if path == parent => view,
            _ => self.enter(&parent)?.ok_or_else(nothing)?,
        };
        self.make_in(link, &view)?;
        self.last = Some((parent, view));
        Ok(())
    }

    fn enter(&self, path: &LayerPath) -> Outcome<Option<View>> {
        let mut view = self.chain.view(path.tree().name())?;
        for name in path.components() {
            let Some(spelt) = view.find(name)? else {
                return Ok(None);
            };
            view = view.child(&spelt)?;
        }
        Ok(Some(view))
    }

    fn make_in(&self, link: &PendingLink, view: &View) -> Outcome<()> {
        let nothing = || Failure::malformed(format!("a hard link to nothing: {}", link.target));
        let spelt = view.find(link.target.name())?.ok_or_else(nothing)?;
        let found = view.look(&spelt)?.ok_or_else(nothing)?;
        if !matches!(kind(&found.stat), FileType::RegularFile | FileType::Symlink) {
            return Err(Failure::malformed("a hard link to what is not a file"));
        }
        let (parents, name) = link.path.rsplit_once('/').ok_or_else(nothing)?;
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
        super::restore_times(&directory, &before)
    }
}

/// Makes links lead to names as they are spelt: the kernel, which follows them, knows case.
pub(super) fn spell_targets(root: &OwnedFd, below: &View, links: &[String]) -> Outcome<()> {
    if links.is_empty() {
        return Ok(());
    }
    let union = below.below(root)?;
    for link in links {
        let (parents, name) = link.rsplit_once('/').unwrap_or(("", link));
        let name = &*c_name(name).to(OPERATION)?;
        let mut directory = root.try_clone().to(OPERATION)?;
        let mut union_place = Vec::new();
        for parent in parents.split('/').filter(|name| !name.is_empty()) {
            // Its directory was renamed to its spelling below.
            let spelt = spelling_in(&directory, &c_name(parent).to(OPERATION)?)?;
            directory = open_directory(&directory, &*spelt).to("open a directory")?;
            union_place.push(spelt);
        }
        spell_target(&directory, name, &union_place, &union)?;
    }
    Ok(())
}

/// How a directory's entry is spelt by now.
fn spelling_in(directory: &OwnedFd, name: &CStr) -> Outcome<CString> {
    if look(directory, name).to("look at a directory")?.is_some() {
        return Ok(name.to_owned());
    }
    let view = View::default().below(directory)?;
    let found = view.find(&name.to_string_lossy())?;
    found.ok_or_else(|| Failure::malformed("a directory is gone"))
}

fn spell_target(directory: &OwnedFd, name: &CStr, place: &[CString], union: &View) -> Outcome<()> {
    let Some(stored) = link_attribute(directory, name).to(OPERATION)? else {
        return Ok(());
    };
    let text = rustix::fs::readlinkat(directory, name, Vec::new()).to(OPERATION)?;
    let Ok(text) = text.into_string() else {
        return Ok(());
    };
    if text.contains('\\') {
        // It leads nowhere.
        return Ok(());
    }
    let components: Vec<&str> = text.split('/').filter(|name| *name != ".").collect();
    let up = components.iter().take_while(|name| **name == "..").count();
    let Some(start) = place.len().checked_sub(up) else {
        return Ok(());
    };
    let spelt = spell(union, &place[..start], &components[up..])?;
    let wanted = target::text(up, &spelt);
    if wanted == text || wanted.len() > target::MOST_BYTES {
        return Ok(());
    }
    let stat = rustix::fs::statat(directory, name, AtFlags::SYMLINK_NOFOLLOW).to(OPERATION)?;
    let before = rustix::fs::fstat(directory).to(OPERATION)?;
    rustix::fs::unlinkat(directory, name, AtFlags::empty()).to("replace a link")?;
    rustix::fs::symlinkat(wanted.as_str(), directory, name).to("replace a link")?;
    set_link_attribute(directory, name, &stored).to("replace a link")?;
    let flags = AtFlags::SYMLINK_NOFOLLOW;
    rustix::fs::utimensat(directory, name, &times(modified(&stat)), flags).to("replace a link")?;
    super::restore_times(directory, &before)
}

/// The names of a path as they are spelt, as far as it is there and leads through no other link.
fn spell(union: &View, start: &[CString], path: &[&str]) -> Outcome<Vec<String>> {
    let mut spelt = Vec::new();
    let mut view = Some(union.child_of(start)?);
    for name in path {
        let found = match &view {
            Some(view) => view.find(name)?,
            None => None,
        };
        match (&view, found) {
            (Some(here), Some(found)) => {
                let child = here.child(&found)?;
                spelt.push(found.to_string_lossy().into_owned());
                view = Some(child).filter(|child| !child.is_empty());
            }
            _ => {
                spelt.push((*name).to_owned());
                view = None;
            }
        }
    }
    Ok(spelt)
}
