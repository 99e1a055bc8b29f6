//! What of an unpacked layer depends on the layers below: how names are spelt, hard links to files
//! below, where links lead, and streams of files that are gone.

mod links;
mod trail;

use std::collections::HashMap;
use std::ffi::{CStr, CString};
use std::os::fd::OwnedFd;
use std::path::Path;

use porthole_winpath::name::folded;
use rustix::fs::{AtFlags, FileType, RenameFlags, Stat, XattrFlags};

use crate::beneath::{
    IMPLIED, OPAQUE, attribute, c_name, entries, is_opaque, kind, look, open_directory, open_top,
};
use crate::chain::Chain;
use crate::error::{Context, Failure, Outcome, Result};
use crate::stored::{DOS, WINDOWS};
use crate::unpack::files::make_whiteout;
use crate::unpack::{PendingLink, Unsettled};
use crate::view::View;

/// Bytes that the paths of a layer's symbolic links may have: they are kept in memory.
const MOST_LINKS_BYTES: usize = 64 << 20;

/// The top directories of a layer.
pub(crate) const TREES: [&str; 3] = ["Files", "Hives", "UtilityVM"];

/// Settles an unpacked layer on those below (their directories, the nearest first), which must be
/// settled themselves: every name gets the spelling that it has below, hard links to files below are
/// made, links lead to names as they are spelt, and what hides nothing goes. Layers may be unpacked
/// at the same time; they are settled one after another, the base first.
///
/// # Errors
/// A hard link to what is not there, by entry; a failure of the file system.
pub fn settle(
    layer: &str,
    directory: &Path,
    unsettled: &Unsettled,
    lowers: &[&Path],
) -> Result<()> {
    settle_with(layer, directory, unsettled, lowers, |link| {
        let nothing = format!("a hard link to nothing: {}", link.target);
        Err(Failure::malformed(nothing).of(layer, Some(&link.path)))
    })
}

/// The same; `nothing` says what becomes of a hard link to what is not there.
pub(crate) fn settle_with(
    layer: &str,
    directory: &Path,
    unsettled: &Unsettled,
    lowers: &[&Path],
    mut nothing: impl FnMut(&PendingLink) -> Result<()>,
) -> Result<()> {
    let failed = |failure: Failure| failure.of(layer, None);
    let top = open_top(directory).to("open the layer").map_err(failed)?;
    let mut chain = Chain::open(lowers).map_err(failed)?;
    // With its own, for with it it will be read.
    chain.kept.read(&top).map_err(failed)?;
    let mut hard_links = links::HardLinks::new(&top, &chain);
    for link in links::HardLinks::sorted(&unsettled.hard_links) {
        let is_made = hard_links
            .make(link)
            .map_err(|failure| failure.of(layer, Some(&link.path)))?;
        if !is_made {
            nothing(link)?;
        }
    }
    for tree in TREES {
        let Some(root) = links::open_if_there(&top, tree).map_err(failed)? else {
            continue;
        };
        let below = chain.view(tree).map_err(failed)?;
        let mut settling = Settling {
            chain: &chain,
            unsettled,
            path: vec![tree.to_owned()],
            links: Vec::new(),
            links_bytes: 0,
        };
        let hides = unsettled.opaque_trees.iter().any(|opaque| opaque == tree);
        settling
            .directory(&root, &below, hides)
            .and_then(|()| links::spell_targets(&root, &below, &settling.links))
            .map_err(|failure| failure.of(layer, Some(&settling.path.join("/"))))?;
    }
    Ok(())
}

struct Settling<'a> {
    chain: &'a Chain<'a>,
    unsettled: &'a Unsettled,
    /// Names from the layer's directory on, as they are spelt by now.
    path: Vec<String>,
    /// Symbolic links, by their paths from the tree's root on.
    links: Vec<String>,
    links_bytes: usize,
}

impl Settling<'_> {
    /// Settles a directory on what is below. With `hides`, it is the root of a tree that hides
    /// everything.
    fn directory(&mut self, directory: &OwnedFd, below: &View, hides: bool) -> Outcome<()> {
        let mut place = Place {
            directory,
            below,
            is_spelt: self.unsettled.is_spelt,
            replaced: Vec::new(),
            has_changed: false,
        };
        let before = rustix::fs::fstat(directory).to("look at a directory")?;
        let all = entries(directory).to("list a directory")?;
        let (streams, files): (Vec<_>, Vec<_>) = all
            .into_iter()
            .partition(|(name, _)| name.to_bytes().contains(&b':'));
        let mut renamed = HashMap::new();
        for (name, kind) in &files {
            let spelt = place.spell(name, name)?;
            if let Some(spelt) = spelt.as_ref().filter(|spelt| *spelt != name) {
                renamed.insert(name.to_string_lossy().into_owned(), spelt.clone());
            }
            self.file(&mut place, name, spelt, *kind, hides)?;
        }
        for (name, _) in &streams {
            place.spell_stream(name, &renamed)?;
        }
        place.hide_streams(self.chain)?;
        if hides {
            place.hide_all()?;
        }
        place.describe(&before)
    }

    /// Settles what is in a directory under `name`; `spelt` is what it is called below, and now.
    fn file(
        &mut self,
        place: &mut Place<'_>,
        name: &CStr,
        spelt: Option<CString>,
        kind: FileType,
        hides: bool,
    ) -> Outcome<()> {
        // The unpacker makes no other device.
        if kind == FileType::CharacterDevice {
            place.replaced.extend(spelt.clone());
            return spelt.map_or_else(|| place.unlink(name), |_| Ok(()));
        }
        if kind == FileType::Directory {
            return self.child(place, name, spelt, hides);
        }
        if kind == FileType::Symlink {
            self.remember_link(spelt.as_deref().unwrap_or(name))?;
        }
        place.replaced.extend(spelt);
        Ok(())
    }

    fn remember_link(&mut self, name: &CStr) -> Outcome<()> {
        let mut path = self.path[1..].join("/");
        path.push('/');
        path.push_str(&name.to_string_lossy());
        self.links_bytes += path.len();
        if self.links_bytes > MOST_LINKS_BYTES {
            return Err(Failure::too_large("it has too many symbolic links"));
        }
        self.links.push(path);
        Ok(())
    }

    fn child(
        &mut self,
        place: &mut Place<'_>,
        name: &CStr,
        spelt: Option<CString>,
        hides: bool,
    ) -> Outcome<()> {
        let now = spelt.clone().unwrap_or_else(|| name.to_owned());
        let child = open_directory(place.directory, &*now).to("open a directory")?;
        let mut below = View::default();
        if let Some(spelt) = spelt {
            let is_directory = place
                .below
                .look(&spelt)?
                .is_some_and(|found| kind(&found.stat) == FileType::Directory);
            if !is_directory {
                place.replaced.push(spelt.clone());
            } else if hides {
                rustix::fs::fsetxattr(&child, OPAQUE, b"y", XattrFlags::empty())
                    .to("mark a directory as opaque")?;
            }
            if is_directory && !is_opaque(&child).to("look at a directory")? {
                below = place.below.child(&spelt)?;
            }
        }
        self.path.push(now.to_string_lossy().into_owned());
        self.directory(&child, &below, false)?;
        self.path.pop();
        Ok(())
    }
}

/// A directory and what is below it.
struct Place<'a> {
    directory: &'a OwnedFd,
    below: &'a View,
    is_spelt: bool,
    /// What is below and no longer seen.
    replaced: Vec<CString>,
    has_changed: bool,
}

impl Place<'_> {
    /// Gives `name`, which is to be `wanted`, the spelling that is below; `None` if nothing is.
    fn spell(&mut self, name: &CStr, wanted: &CStr) -> Outcome<Option<CString>> {
        if self.below.is_empty() {
            return Ok(None);
        }
        let spelt = if self.below.look(wanted)?.is_some() {
            Some(wanted.to_owned())
        } else if self.is_spelt {
            None
        } else {
            let listed = self.below.names()?;
            wanted
                .to_str()
                .ok()
                .and_then(|text| listed.get(&folded(text)))
                .cloned()
        };
        if let Some(spelt) = &spelt
            && spelt.as_c_str() != name
        {
            self.rename(name, spelt)?;
        }
        Ok(spelt)
    }

    /// Gives a stream the spelling of its file, which may have been `renamed`, and that of the stream
    /// below.
    fn spell_stream(&mut self, name: &CStr, renamed: &HashMap<String, CString>) -> Outcome<()> {
        let text = name.to_string_lossy();
        let (owner, stream) = text.split_once(':').unwrap_or((&text, ""));
        let owner = match renamed.get(owner) {
            Some(owner) => owner.to_string_lossy(),
            None => owner.into(),
        };
        let wanted = c_name(&format!("{owner}:{stream}")).to("name a stream")?;
        let spelt = self.spell(name, &wanted)?;
        if spelt.is_none() && wanted.as_c_str() != name {
            self.rename(name, &wanted)?;
        }
        Ok(())
    }

    /// Says of the directory what is known below where no entry has said anything of it; otherwise it
    /// is as it was.
    fn describe(&self, before: &Stat) -> Outcome<()> {
        let mark = attribute(self.directory, IMPLIED).to("look at a directory")?;
        if mark.is_some() {
            rustix::fs::fremovexattr(self.directory, IMPLIED).to("describe a directory")?;
            if !self.below.is_empty() {
                return self.inherit();
            }
        }
        if self.has_changed {
            restore_times(self.directory, before)?;
        }
        Ok(())
    }

    fn rename(&mut self, from: &CStr, to: &CStr) -> Outcome<()> {
        self.has_changed = true;
        let flags = RenameFlags::NOREPLACE;
        rustix::fs::renameat_with(self.directory, from, self.directory, to, flags)
            .to("give a file its spelling below")
    }

    fn unlink(&mut self, name: &CStr) -> Outcome<()> {
        self.has_changed = true;
        rustix::fs::unlinkat(self.directory, name, AtFlags::empty())
            .to("remove a whiteout of nothing")
    }

    /// What takes the place of a file takes that of its streams, too.
    fn hide_streams(&mut self, chain: &Chain<'_>) -> Outcome<()> {
        for name in std::mem::take(&mut self.replaced) {
            let Some(found) = self.below.look(&name)? else {
                continue;
            };
            for stream in chain.streams(&name, &found)? {
                let full =
                    c_name(&format!("{}:{stream}", name.to_string_lossy())).to("name a stream")?;
                let is_below = self.below.look(&full)?.is_some();
                if is_below
                    && look(self.directory, &full)
                        .to("look at a stream")?
                        .is_none()
                {
                    self.has_changed = true;
                    make_whiteout(self.directory, &*full)?;
                }
            }
        }
        Ok(())
    }

    /// Hides whatever is below and not here.
    fn hide_all(&mut self) -> Outcome<()> {
        for name in self.below.names()?.values() {
            if look(self.directory, name).to("look at a file")?.is_none() {
                self.has_changed = true;
                make_whiteout(self.directory, name.as_c_str())?;
            }
        }
        Ok(())
    }

    /// Takes over what is known below of a directory that no entry has said anything of.
    fn inherit(&self) -> Outcome<()> {
        const OPERATION: &str = "take over what is known of a directory";
        let Some(nearest) = self.below.nearest() else {
            return Ok(());
        };
        for name in [WINDOWS, DOS] {
            if let Some(value) = attribute(nearest, name).to(OPERATION)? {
                rustix::fs::fsetxattr(self.directory, name, &value, XattrFlags::empty())
                    .to(OPERATION)?;
            }
        }
        restore_times(self.directory, &rustix::fs::fstat(nearest).to(OPERATION)?)
    }
}

fn restore_times(directory: &OwnedFd, before: &Stat) -> Outcome<()> {
    let time = rustix::fs::Timespec {
        tv_sec: before.st_mtime,
        tv_nsec: before.st_mtime_nsec.try_into().unwrap_or(0),
    };
    let times = rustix::fs::Timestamps {
        last_access: time,
        last_modification: time,
    };
    rustix::fs::futimens(directory, &times).to("set a directory's times")
}
