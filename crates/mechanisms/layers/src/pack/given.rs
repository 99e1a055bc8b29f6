//! Files that a layer gets beside what is on disk.

use std::ffi::CString;
use std::io::Write;

use porthole_layer::{LayerPath, Metadata, Tree, attributes};
use porthole_winpath::name::folded;

use crate::error::{Failure, Outcome, Result};
use crate::view::View;

use super::describe::{Described, of_view};
use super::{Given, Packer, of_writer};

impl<W: Write> Packer<'_, W> {
    /// Writes the given files; `roots` are the trees as the container sees them.
    pub(super) fn given(&mut self, roots: &[(Tree, &View)]) -> Result<()> {
        self.waiting.clear();
        for given in self.given {
            let root = roots.iter().find(|(tree, _)| *tree == given.path.tree());
            let root = root.map(|(_, view)| *view);
            let written = self.write_given(given, root);
            self.named(written)?;
        }
        Ok(())
    }

    fn write_given(&mut self, given: &Given<'_>, root: Option<&View>) -> Outcome<()> {
        self.failed_at = Some(given.path.clone());
        let Some(parent) = given.path.parent() else {
            return Err(Failure::malformed("a file in the place of a tree"));
        };
        if self.is_removed(&parent) {
            tracing::warn!(path = %given.path, "its directory was deleted, so it is left out");
            return Ok(());
        }
        let (parent, view) = self.enter_given(given, &parent, root)?;
        let spelt = view.find(given.path.name())?;
        let path = join(&parent, spelt.as_ref(), given.path.name())?;
        let mut metadata = match &spelt {
            Some(spelt) => of_view(&view, spelt, self.chain)?.metadata,
            None => Metadata::file().at(given.modified),
        };
        metadata.attributes &= !attributes::READ_ONLY;
        metadata.modified = given.modified;
        let size = given.content.len() as u64;
        let mut content = given.content;
        self.packed.size += size;
        let written = self.writer.file(&path, &metadata, size, &mut content);
        written.map_err(of_writer)
    }

    /// Writes the directories that lead to a given file, as the container has them or new.
    fn enter_given(
        &mut self,
        given: &Given<'_>,
        parent: &LayerPath,
        root: Option<&View>,
    ) -> Outcome<(LayerPath, View)> {
        let mut view = match root {
            Some(root) => root.again()?,
            None => View::default(),
        };
        let mut path = LayerPath::root(parent.tree());
        self.ensure(&path, &Metadata::directory())?;
        for name in parent.components() {
            let spelt = view.find(name)?;
            let described = match &spelt {
                Some(spelt) => of_view(&view, spelt, self.chain)?,
                None => Described::of(Metadata::directory().at(given.modified)),
            };
            path = join(&path, spelt.as_ref(), name)?;
            self.ensure(&path, &described.metadata)?;
            view = match &spelt {
                Some(spelt) => view.child(spelt)?,
                None => View::default(),
            };
        }
        Ok((path, view))
    }

    fn ensure(&mut self, path: &LayerPath, metadata: &Metadata) -> Outcome<()> {
        if self.written.contains(&folded(path.as_str())) {
            return Ok(());
        }
        self.write_directory(path, metadata)
    }

    fn is_removed(&self, directory: &LayerPath) -> bool {
        let mut above = Some(directory.clone());
        while let Some(path) = above {
            if self.removed.contains(&folded(path.as_str())) {
                return true;
            }
            above = path.parent();
        }
        false
    }
}

/// A path further, by the name as it is spelt.
fn join(parent: &LayerPath, spelt: Option<&CString>, name: &str) -> Outcome<LayerPath> {
    let joined = match spelt {
        Some(spelt) => parent.join(&spelt.to_string_lossy()),
        None => parent.join(name),
    };
    joined.map_err(|error| Failure::malformed(error.to_string()))
}
