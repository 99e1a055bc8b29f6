//! The directories that lead to where the unpacker is, all open.

use std::os::fd::OwnedFd;

use crate::beneath::open_directory;
use crate::error::{Context, Outcome};
use crate::tree::{NodeId, Tree};

use super::files;

/// Open directories, each in the one before. Archives come directory by directory, so most entries
/// find theirs open.
#[derive(Debug)]
pub(super) struct Stack {
    root: OwnedFd,
    open: Vec<(NodeId, OwnedFd)>,
}

impl Stack {
    pub(super) const fn new(root: OwnedFd) -> Self {
        Self {
            root,
            open: Vec::new(),
        }
    }

    /// The layer's directory.
    pub(super) const fn root(&self) -> &OwnedFd {
        &self.root
    }

    /// A directory, which stays open until another elsewhere is opened.
    pub(super) fn open(&mut self, tree: &mut Tree, directory: NodeId) -> Outcome<&OwnedFd> {
        let is_top = |(top, _): &(NodeId, OwnedFd)| *top == directory;
        if !self.open.last().is_some_and(is_top) {
            let trail = tree.trail(directory);
            let common = self.open.iter().zip(&trail);
            let common = common
                .take_while(|((open, _), wanted)| open == *wanted)
                .count();
            self.shorten(tree, common)?;
            for node in &trail[common..] {
                let parent = self.open.last().map_or(&self.root, |(_, open)| open);
                let child =
                    open_directory(parent, &*tree.node(*node).name).to("open a directory")?;
                self.open.push((*node, child));
            }
        }
        Ok(self.open.last().map_or(&self.root, |(_, open)| open))
    }

    /// A directory, without leaving the one that is open.
    pub(super) fn open_apart(&self, tree: &Tree, directory: NodeId) -> Outcome<OwnedFd> {
        let trail = tree.trail(directory);
        let common = self.open.iter().zip(&trail);
        let common = common
            .take_while(|((open, _), wanted)| open == *wanted)
            .count();
        let nearest = common
            .checked_sub(1)
            .map_or(&self.root, |index| &self.open[index].1);
        let mut current = nearest.try_clone().to("open a directory")?;
        for node in &trail[common..] {
            current = open_directory(&current, &*tree.node(*node).name).to("open a directory")?;
        }
        Ok(current)
    }

    /// Closes a directory that is about to be removed, if it is open.
    pub(super) fn leave(&mut self, tree: &mut Tree, node: NodeId) -> Outcome<()> {
        match self.open.iter().position(|(open, _)| *open == node) {
            Some(index) => self.shorten(tree, index),
            None => Ok(()),
        }
    }

    /// Closes everything.
    pub(super) fn leave_all(&mut self, tree: &mut Tree) -> Outcome<()> {
        self.shorten(tree, 0)
    }

    /// Closes all but the first `length`. Each gets its time then, for what was made in it has
    /// changed that.
    fn shorten(&mut self, tree: &mut Tree, length: usize) -> Outcome<()> {
        while self.open.len() > length {
            let Some((node, directory)) = self.open.pop() else {
                break;
            };
            files::set_times(&directory, tree.node(node).modified)?;
        }
        Ok(())
    }
}
