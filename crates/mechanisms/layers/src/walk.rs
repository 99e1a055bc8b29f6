//! What a sandbox's upper directory changes of the layers below.
//!
//! The container may write the upper while it is walked: it is never followed through a link, and
//! what goes between two looks is not there. What is walked grows with what has changed; of the
//! layers below, only names that are in the upper are looked up, except below a directory that hides
//! the old one.

mod compare;
mod streams;

use std::collections::{BTreeMap, HashSet};
use std::ffi::{CStr, CString};
use std::os::fd::OwnedFd;

use porthole_layer::{LayerPath, is_stream_name};
use porthole_winpath::name::folded;
use rustix::fs::{FileType, Stat};

use crate::beneath::{c_name, is_opaque, is_whiteout, kind, look, names, open_directory};
use crate::chain::Chain;
use crate::error::{Context, Failure, Outcome};
use crate::left_out::is_left_out;
use crate::view::{Found, View};
use compare::{dos, is_same};

pub(crate) use compare::gone;

/// Directories that something may lie in, one below the other.
const MOST_LEVELS: usize = 256;

/// How something in the upper stands to what is below.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Difference {
    /// Nothing is below.
    Added,
    /// Something else is below.
    Changed,
    /// The same is below.
    Same,
}

/// Something of the union that a layer would have to hold.
pub(crate) struct Entry<'a> {
    pub(crate) path: &'a LayerPath,
    /// The directory that it is in, of the upper or of a layer.
    pub(crate) parent: &'a OwnedFd,
    pub(crate) name: &'a CStr,
    pub(crate) stat: &'a Stat,
    /// What is below.
    pub(crate) below: Option<&'a Found<'a>>,
    /// Its streams, where it is not the same as below.
    pub(crate) streams: Vec<Stream>,
}

/// A stream of the union.
pub(crate) struct Stream {
    pub(crate) name: String,
    pub(crate) file: OwnedFd,
}

/// Who is told of what a walk finds.
pub(crate) trait Visit {
    /// A directory, before what is in it.
    fn directory(&mut self, entry: &Entry<'_>, difference: Difference, hides: bool) -> Outcome<()>;
    /// A file or link that is not the same as below.
    fn file(&mut self, entry: &Entry<'_>, difference: Difference) -> Outcome<()>;
    /// Something that is below and gone.
    fn removed(&mut self, path: &LayerPath) -> Outcome<()>;
    /// Something that no layer can hold.
    fn set_aside(&mut self, path: String);
}

/// Walks an upper directory.
pub(crate) struct Walk<'a, V> {
    pub(crate) chain: &'a Chain<'a>,
    pub(crate) visit: &'a mut V,
    /// Whether to tell of whiteouts of what is not below.
    pub(crate) keeps_whiteouts: bool,
}

/// A name in the upper, with the names of its streams there.
#[derive(Default)]
struct Group {
    is_there: bool,
    streams: Vec<String>,
}

/// A directory of the upper.
struct Here<'a> {
    directory: &'a OwnedFd,
    below: &'a View,
    path: &'a LayerPath,
    /// Whether what is below is hidden.
    hides: bool,
}

impl<V: Visit> Walk<'_, V> {
    /// Walks the root of a tree.
    pub(crate) fn tree(&mut self, root: &OwnedFd, below: &View, path: &LayerPath) -> Outcome<()> {
        let stat = rustix::fs::fstat(root).to("look at a directory")?;
        let found = below.nearest().map(|directory| {
            let stat = rustix::fs::fstat(directory).to("look at a layer below");
            Ok(Found {
                directory,
                stat: stat?,
            })
        });
        let found = found.transpose()?;
        let entry = Entry {
            path,
            parent: root,
            name: c".",
            stat: &stat,
            below: found.as_ref(),
            streams: Vec::new(),
        };
        let difference = if found.is_some() {
            Difference::Same
        } else {
            Difference::Added
        };
        self.visit.directory(&entry, difference, false)?;
        self.directory(&Here {
            directory: root,
            below,
            path,
            hides: false,
        })
    }

    fn directory(&mut self, here: &Here<'_>) -> Outcome<()> {
        let groups = self.groups(here)?;
        for (name, group) in &groups {
            let Ok(path) = here.path.join(name) else {
                self.visit.set_aside(format!("{}/{name}", here.path));
                continue;
            };
            if is_left_out(&path) {
                continue;
            }
            let name = c_name(name).to("look at a name")?;
            let found = here.below.look(&name)?;
            if group.is_there {
                self.named(here, &path, &name, group, found.as_ref())?;
            } else {
                self.only_streams(here, &path, &name, group, found.as_ref())?;
            }
        }
        if here.hides {
            self.hidden(here, &groups)?;
        }
        Ok(())
    }

    /// The names in a directory with those of their streams, in order.
    fn groups(&mut self, here: &Here<'_>) -> Outcome<BTreeMap<String, Group>> {
        let mut groups: BTreeMap<String, Group> = BTreeMap::new();
        for name in names(here.directory).to("list a directory")? {
            let Ok(text) = name.to_str() else {
                self.visit
                    .set_aside(format!("{}/{}", here.path, name.to_string_lossy()));
                continue;
            };
            match text.split_once(':') {
                Some((owner, stream)) if is_stream_name(stream) => {
                    let group = groups.entry(owner.to_owned()).or_default();
                    group.streams.push(stream.to_owned());
                }
                Some(_) => self.visit.set_aside(format!("{}/{text}", here.path)),
                None => groups.entry(text.to_owned()).or_default().is_there = true,
            }
        }
        self.drop_second_spellings(here, &mut groups);
        Ok(groups)
    }

    /// Windows has one file of a name, whatever its case.
    fn drop_second_spellings(&mut self, here: &Here<'_>, groups: &mut BTreeMap<String, Group>) {
        let mut spelt = HashSet::new();
        groups.retain(|name, group| {
            let is_first = !group.is_there || spelt.insert(folded(name));
            if !is_first {
                self.visit.set_aside(format!("{}/{name}", here.path));
            }
            is_first
        });
    }

    fn named(
        &mut self,
        here: &Here<'_>,
        path: &LayerPath,
        name: &CStr,
        group: &Group,
        found: Option<&Found<'_>>,
    ) -> Outcome<()> {
        let Some(stat) = look(here.directory, name).to("look at a file")? else {
            return Ok(());
        };
        if is_whiteout(&stat) {
            if found.is_some() || self.keeps_whiteouts {
                self.visit.removed(path)?;
            }
            return Ok(());
        }
        match kind(&stat) {
            FileType::Directory => self.child(here, path, name, group, &stat, found),
            FileType::RegularFile | FileType::Symlink => {
                let difference = self.compare(here, name, group, &stat, found)?;
                if difference == Difference::Same {
                    return Ok(());
                }
                let entry = Entry {
                    path,
                    parent: here.directory,
                    name,
                    stat: &stat,
                    below: found,
                    streams: self.streams(here, name, group, found)?,
                };
                self.visit.file(&entry, difference)
            }
            // A socket or FIFO, which no program of Windows makes.
            _ => {
                self.visit.set_aside(path.to_string());
                Ok(())
            }
        }
    }

    fn child(
        &mut self,
        here: &Here<'_>,
        path: &LayerPath,
        name: &CStr,
        group: &Group,
        stat: &Stat,
        found: Option<&Found<'_>>,
    ) -> Outcome<()> {
        if path.components().count() > MOST_LEVELS {
            let message = format!("it lies in more than {MOST_LEVELS} directories");
            return Err(Failure::too_large(message));
        }
        let Some(child) = gone(open_directory(here.directory, name)).to("open a directory")? else {
            return Ok(());
        };
        let is_opaque = is_opaque(&child).to("look at a directory")?;
        let is_merged = found.is_some_and(|found| kind(&found.stat) == FileType::Directory);
        let difference = match found {
            None => Difference::Added,
            Some(_) if !is_merged || is_opaque || here.hides => Difference::Changed,
            Some(found) => {
                let below = open_directory(found.directory, name).to("open a layer below")?;
                let same =
                    dos(&child)? == dos(&below)? && !self.has_streams_changed(here, name, group)?;
                if same {
                    Difference::Same
                } else {
                    Difference::Changed
                }
            }
        };
        let streams = match difference {
            Difference::Same => Vec::new(),
            _ => self.streams(here, name, group, found)?,
        };
        let entry = Entry {
            path,
            parent: here.directory,
            name,
            stat,
            below: found,
            streams,
        };
        self.visit.directory(&entry, difference, is_opaque)?;
        let below = if is_merged {
            here.below.child(name)?
        } else {
            View::default()
        };
        self.directory(&Here {
            directory: &child,
            below: &below,
            path,
            hides: here.hides || is_opaque,
        })
    }

    /// Streams of what the upper does not hold itself.
    fn only_streams(
        &mut self,
        here: &Here<'_>,
        path: &LayerPath,
        name: &CStr,
        group: &Group,
        found: Option<&Found<'_>>,
    ) -> Outcome<()> {
        let Some(found) = found.filter(|_| !here.hides) else {
            for stream in &group.streams {
                let full = c_name(&format!("{}:{stream}", name.to_string_lossy()))
                    .to("look at a stream")?;
                let stat = look(here.directory, &full).to("look at a stream")?;
                if stat.is_some_and(|stat| !is_whiteout(&stat)) {
                    self.visit.set_aside(format!("{path}:{stream}"));
                }
            }
            return Ok(());
        };
        if !self.has_streams_changed(here, name, group)? {
            return Ok(());
        }
        let entry = Entry {
            path,
            parent: found.directory,
            name,
            stat: &found.stat,
            below: Some(found),
            streams: self.streams(here, name, group, Some(found))?,
        };
        match kind(&found.stat) {
            FileType::Directory => self.visit.directory(&entry, Difference::Changed, false),
            _ => self.visit.file(&entry, Difference::Changed),
        }
    }

    /// What is below a directory that hides it, and not in the upper.
    fn hidden(&mut self, here: &Here<'_>, groups: &BTreeMap<String, Group>) -> Outcome<()> {
        let mut names: Vec<CString> = here.below.names()?.values().cloned().collect();
        names.sort_unstable();
        for name in names {
            let name = name.to_string_lossy();
            let is_there = groups.get(&*name).is_some_and(|group| group.is_there);
            if is_there || name.contains(':') {
                continue;
            }
            match here.path.join(&name) {
                Ok(path) if !is_left_out(&path) => self.visit.removed(&path)?,
                _ => {}
            }
        }
        Ok(())
    }

    fn compare(
        &self,
        here: &Here<'_>,
        name: &CStr,
        group: &Group,
        stat: &Stat,
        found: Option<&Found<'_>>,
    ) -> Outcome<Difference> {
        let Some(found) = found else {
            return Ok(Difference::Added);
        };
        let same = is_same(here.directory, name, stat, found)?
            && !self.has_streams_changed(here, name, group)?
            && !self.hides_streams(here, name, group, found)?;
        Ok(if same {
            Difference::Same
        } else {
            Difference::Changed
        })
    }
}
