//! Hard links of a layer.

use porthole_layer::LayerPath;
use rustix::fs::AtFlags;

use crate::beneath::c_name;
use crate::error::{Context, Error, Failure, Outcome, Result};
use crate::tree::{Kind, NodeId};

use super::{MOST_NAME_BYTES, MOST_PENDING_BYTES, PendingLink, Unpacker, is_too_long};

impl Unpacker<'_> {
    pub(super) fn hard_link(&mut self, path: &LayerPath, target: LayerPath) -> Outcome<()> {
        if is_too_long(&target) {
            self.set_aside.name(path.as_str());
            return Ok(());
        }
        let found = self.find(&target);
        if found.is_some() && found == self.find(path) {
            return Err(Failure::malformed("a hard link to itself"));
        }
        let (parent, name) = self.place(path)?;
        match found {
            Some(found) => self.link_node(parent, &name, found),
            None => {
                self.pending_bytes += path.as_str().len() + target.as_str().len();
                if self.pending_bytes > MOST_PENDING_BYTES {
                    let message = "too many hard links stand before their files, or have none";
                    return Err(Failure::too_large(message));
                }
                let node = self.tree.insert(parent, &name, Kind::Pending);
                self.pending.insert(node, target);
                Ok(())
            }
        }
    }

    /// Makes `name` another name of a file of this layer, and of its streams.
    fn link_node(&mut self, parent: NodeId, name: &str, target: NodeId) -> Outcome<()> {
        let kind = self.tree.node(target).kind;
        if !matches!(kind, Kind::File | Kind::Link) {
            return Err(Failure::malformed("a hard link to what is not a file"));
        }
        self.link_name(parent, name, target)?;
        let node = self.tree.insert(parent, name, kind);
        for (stream, file) in self.tree.streams(target).to_vec() {
            let name = format!("{name}:{stream}");
            if name.len() > MOST_NAME_BYTES {
                self.set_aside.name(name);
                continue;
            }
            self.link_name(parent, &name, file)?;
            let linked = self.tree.insert(parent, &name, Kind::File);
            self.tree.add_stream(node, &stream, linked);
        }
        Ok(())
    }

    fn link_name(&mut self, parent: NodeId, name: &str, target: NodeId) -> Outcome<()> {
        let (from, from_name) = (
            self.tree.node(target).parent,
            self.tree.node(target).name.clone(),
        );
        let from_name = c_name(&from_name).to("name a hard link")?;
        let from = self.stack.open_apart(&self.tree, from)?;
        let to = self.stack.open(&mut self.tree, parent)?;
        rustix::fs::linkat(&from, &*from_name, to, name, AtFlags::empty()).to("make a hard link")
    }

    /// Makes hard links to files that came later; returns those to files of layers below.
    pub(super) fn link_pending(&mut self, layer: &str) -> Result<Vec<PendingLink>, Error> {
        let mut below = Vec::new();
        for (node, target) in std::mem::take(&mut self.pending) {
            let path = self.tree.path(node).join("/");
            let found = self.find(&target).filter(|found| {
                !matches!(self.tree.node(*found).kind, Kind::Pending | Kind::Whiteout)
            });
            let Some(found) = found else {
                below.push(PendingLink { path, target });
                continue;
            };
            let (parent, name) = (
                self.tree.node(node).parent,
                self.tree.node(node).name.clone(),
            );
            self.tree.remove(node);
            self.link_node(parent, &name, found)
                .map_err(|failure| failure.of(layer, Some(&path)))?;
        }
        Ok(below)
    }
}
