//! The layers below a layer or a sandbox.

use std::ffi::CStr;
use std::path::Path;

use porthole_layer::FileTime;
use rustix::fs::FileType;

use crate::beneath::{self, attribute, link_attribute, modified};
use crate::error::{Context, Outcome};
use crate::kept::Kept;
use crate::stored::{More, Stored, WINDOWS};
use crate::view::{Found, View};

/// The layers below, the nearest first.
#[derive(Debug)]
pub(crate) struct Chain<'a> {
    layers: &'a [&'a Path],
    pub(crate) kept: Kept,
}

impl<'a> Chain<'a> {
    /// Layers whose directories are these.
    pub(crate) fn open(layers: &'a [&'a Path]) -> Outcome<Self> {
        let mut kept = Kept::default();
        // The nearest last, though one digest stands for the same everywhere.
        for layer in layers.iter().rev() {
            let layer = beneath::open_top(layer).to("open a layer below")?;
            kept.read(&layer)?;
        }
        Ok(Self { layers, kept })
    }

    /// The root of a tree.
    pub(crate) fn view(&self, tree: &str) -> Outcome<View> {
        View::open(self.layers, tree)
    }

    /// What is stored of something below.
    pub(crate) fn stored(&self, name: &CStr, found: &Found<'_>) -> Outcome<Stored> {
        const OPERATION: &str = "look at a layer below";
        let value = match beneath::kind(&found.stat) {
            FileType::Symlink => link_attribute(found.directory, name).to(OPERATION)?,
            FileType::Directory => {
                let directory = beneath::open_directory(found.directory, name).to(OPERATION)?;
                attribute(directory, WINDOWS).to(OPERATION)?
            }
            _ => {
                let file = beneath::open_file(found.directory, name).to(OPERATION)?;
                attribute(file, WINDOWS).to(OPERATION)?
            }
        };
        value.map_or(Ok(Stored::default()), |value| Stored::decode(&value))
    }

    /// The streams of something below.
    pub(crate) fn streams(&self, name: &CStr, found: &Found<'_>) -> Outcome<Vec<String>> {
        let More { streams, .. } = self.stored(name, found)?.more(&self.kept)?;
        Ok(streams)
    }

    /// When something below was made.
    pub(crate) fn created(&self, name: &CStr, found: &Found<'_>) -> Outcome<FileTime> {
        let stored = self.stored(name, found)?;
        let changed = stored.modified_or(modified(&found.stat));
        Ok(stored.created.map_or(changed, FileTime))
    }
}
