//! Where entries go: directories are made where they are missing, and what was there makes room.

use porthole_layer::LayerPath;
use rustix::fs::{AtFlags, Mode};

use crate::error::{Context, Failure, Outcome};
use crate::tree::{Kind, NodeId, Tree};

use super::Unpacker;

impl Unpacker<'_> {
    /// What is at a path of this layer.
    pub(super) fn find(&self, path: &LayerPath) -> Option<NodeId> {
        path.as_str()
            .split('/')
            .try_fold(Tree::ROOT, |node, name| self.tree.child(node, name))
    }

    /// The directory at a path, made where it is missing. Where it is itself what an entry says,
    /// it may take the place of a file.
    pub(super) fn enter(&mut self, path: &LayerPath, replaces: bool) -> Outcome<NodeId> {
        let names: Vec<&str> = path.as_str().split('/').collect();
        if names.len() > self.limits.levels {
            let most = self.limits.levels;
            return Err(Failure::too_large(format!(
                "it lies in more than {most} directories"
            )));
        }
        let mut node = Tree::ROOT;
        for (index, name) in names.iter().enumerate() {
            let is_last = index + 1 == names.len();
            node = match self.tree.child(node, name) {
                Some(child) if self.tree.node(child).kind == Kind::Directory => child,
                Some(child) if self.tree.node(child).kind == Kind::Whiteout => {
                    self.replace_whiteout(child)?
                }
                Some(child) if is_last && replaces => {
                    let (parent, spelt) = (node, self.tree.node(child).name.to_string());
                    self.remove(child)?;
                    self.make_directory(parent, &spelt)?
                }
                Some(_) => return Err(Failure::malformed("what it lies in is not a directory")),
                None => self.make_directory(node, name)?,
            };
        }
        Ok(node)
    }

    /// A directory where the layers below are to show nothing.
    fn replace_whiteout(&mut self, whiteout: NodeId) -> Outcome<NodeId> {
        let (parent, name) = (
            self.tree.node(whiteout).parent,
            self.tree.node(whiteout).name.to_string(),
        );
        self.remove(whiteout)?;
        let node = self.make_directory(parent, &name)?;
        self.hide_below(node)?;
        Ok(node)
    }

    fn make_directory(&mut self, parent: NodeId, name: &str) -> Outcome<NodeId> {
        self.count()?;
        let directory = self.stack.open(&mut self.tree, parent)?;
        let mode = Mode::from_raw_mode(0o755);
        rustix::fs::mkdirat(directory, name, mode).to("make a directory")?;
        let node = self.tree.insert(parent, name, Kind::Directory);
        self.tree.node_mut(node).is_implied = true;
        if self.is_masked {
            let made = self.stack.open(&mut self.tree, node)?;
            rustix::fs::fchmod(made, mode).to("make a directory")?;
        }
        Ok(node)
    }

    /// The directory and the name of an entry that takes the place of whatever was there.
    pub(super) fn place(&mut self, path: &LayerPath) -> Outcome<(NodeId, String)> {
        let Some(parent) = path.parent() else {
            return Err(Failure::malformed("a tree that is not a directory"));
        };
        let parent = self.enter(&parent, false)?;
        let Some(before) = self.tree.child(parent, path.name()) else {
            return Ok((parent, path.name().to_owned()));
        };
        let spelt = self.tree.node(before).name.to_string();
        self.remove(before)?;
        Ok((parent, spelt))
    }

    /// Removes what an entry made, for a later one takes its place.
    pub(super) fn remove(&mut self, node: NodeId) -> Outcome<()> {
        let streams = self.tree.remove(node);
        for node in std::iter::once(node).chain(streams) {
            let (parent, name, kind) = {
                let node = self.tree.node(node);
                (node.parent, node.name.clone(), node.kind)
            };
            self.tree.remove(node);
            if kind == Kind::Pending {
                self.pending.remove(&node);
                continue;
            }
            self.stack.leave(&mut self.tree, node)?;
            let flags = if kind == Kind::Directory {
                AtFlags::REMOVEDIR
            } else {
                AtFlags::empty()
            };
            let directory = self.stack.open(&mut self.tree, parent)?;
            rustix::fs::unlinkat(directory, &*name, flags).map_err(|error| match error {
                rustix::io::Errno::NOTEMPTY => {
                    Failure::malformed("it takes the place of a directory that is not empty")
                }
                error => Failure::io("replace what an entry before has made", error),
            })?;
        }
        Ok(())
    }
}
