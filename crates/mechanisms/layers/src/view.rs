//! A directory as the layers below show it: what the nearest says, and below that the others.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::ffi::{CStr, CString};
use std::os::fd::OwnedFd;
use std::path::Path;

use porthole_winpath::name::folded;
use rustix::fs::{FileType, Stat};
use rustix::io::Errno;

use crate::beneath::{c_name, entries, is_opaque, is_whiteout, look, open_directory, open_top};
use crate::error::{Context, Outcome};

/// One directory of a chain of layers: all that are merged at its place, the nearest first.
#[derive(Debug, Default)]
pub(crate) struct View {
    directories: Vec<OwnedFd>,
    /// The names, once they were needed: to read them again for each look-up would take time that
    /// grows with the square of their number.
    listed: OnceCell<HashMap<String, CString>>,
}

/// What a name stands for.
#[derive(Debug)]
pub(crate) struct Found<'a> {
    /// The directory that it is in.
    pub(crate) directory: &'a OwnedFd,
    pub(crate) stat: Stat,
}

impl View {
    const fn of(directories: Vec<OwnedFd>) -> Self {
        Self {
            directories,
            listed: OnceCell::new(),
        }
    }

    /// The tree `tree` of layers, the nearest first.
    pub(crate) fn open(layers: &[&Path], tree: &str) -> Outcome<Self> {
        let mut directories = Vec::new();
        for layer in layers {
            let layer = open_top(layer).to("open a layer below")?;
            match open_directory(&layer, tree) {
                Err(Errno::NOENT) => {}
                directory => directories.push(directory.to("open a layer below")?),
            }
        }
        Ok(Self::of(directories))
    }

    /// One with `directory` above.
    pub(crate) fn below(&self, directory: &OwnedFd) -> Outcome<Self> {
        let all = std::iter::once(directory).chain(&self.directories);
        let directories = all
            .map(OwnedFd::try_clone)
            .collect::<std::io::Result<_>>()
            .to("open a layer")?;
        Ok(Self::of(directories))
    }

    /// Whether nothing is there.
    pub(crate) fn is_empty(&self) -> bool {
        self.directories.is_empty()
    }

    /// A directory of this one; empty where there is none.
    pub(crate) fn child(&self, name: &CStr) -> Outcome<Self> {
        let mut directories = Vec::new();
        for directory in &self.directories {
            match open_directory(directory, name) {
                Ok(child) => {
                    let hides = is_opaque(&child).to("look at a layer below")?;
                    directories.push(child);
                    if hides {
                        break;
                    }
                }
                Err(Errno::NOENT | Errno::NAMETOOLONG) => {}
                // A file, a link, or what says that it is gone.
                Err(Errno::NOTDIR | Errno::LOOP) => break,
                Err(error) => return Err(error).to("open a layer below"),
            }
        }
        Ok(Self::of(directories))
    }

    /// The same directory, opened again.
    pub(crate) fn again(&self) -> Outcome<Self> {
        let directories = self.directories.iter().map(OwnedFd::try_clone);
        let directories = directories
            .collect::<std::io::Result<_>>()
            .to("open a layer")?;
        Ok(Self::of(directories))
    }

    /// The directory of the nearest layer that has it.
    pub(crate) fn nearest(&self) -> Option<&OwnedFd> {
        self.directories.first()
    }

    /// What a name of this spelling stands for.
    pub(crate) fn look(&self, name: &CStr) -> Outcome<Option<Found<'_>>> {
        for directory in &self.directories {
            if let Some(stat) = look(directory, name).to("look at a layer below")? {
                return Ok((!is_whiteout(&stat)).then_some(Found { directory, stat }));
            }
        }
        Ok(None)
    }

    /// How something is spelt here that Windows would find under `name`.
    pub(crate) fn find(&self, name: &str) -> Outcome<Option<CString>> {
        let exact = c_name(name).to("look up a name")?;
        if self.look(&exact)?.is_some() {
            return Ok(Some(exact));
        }
        Ok(self.names()?.get(&folded(name)).cloned())
    }

    /// All names, by what Windows takes for the same. Names that are no text are left out: Windows
    /// has none of them.
    pub(crate) fn names(&self) -> Outcome<&HashMap<String, CString>> {
        if let Some(listed) = self.listed.get() {
            return Ok(listed);
        }
        let names = self.read_names()?;
        Ok(self.listed.get_or_init(|| names))
    }

    fn read_names(&self) -> Outcome<HashMap<String, CString>> {
        let mut all: HashMap<String, Option<CString>> = HashMap::new();
        for directory in &self.directories {
            for (name, kind) in entries(directory).to("list a layer below")? {
                let Ok(text) = name.to_str() else { continue };
                let folded = folded(text);
                if all.contains_key(&folded) {
                    continue;
                }
                // Layers have no other device.
                let is_whiteout = kind == FileType::CharacterDevice;
                all.insert(folded, (!is_whiteout).then_some(name));
            }
        }
        let shown = all.into_iter();
        Ok(shown
            .filter_map(|(folded, name)| Some((folded, name?)))
            .collect())
    }
}
