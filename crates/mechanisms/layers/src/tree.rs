//! What has been unpacked so far, by name: Windows takes two spellings for one.

use std::collections::HashMap;

use porthole_layer::FileTime;
use porthole_winpath::name::folded;

/// Something that was unpacked. What came first is the least.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(crate) struct NodeId(u32);

/// What it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Kind {
    Directory,
    File,
    Link,
    Whiteout,
    /// A hard link whose file is not there yet.
    Pending,
}

/// Something that was unpacked.
#[derive(Debug)]
pub(crate) struct Node {
    pub(crate) parent: NodeId,
    /// As it is spelt on disk.
    pub(crate) name: Box<str>,
    pub(crate) kind: Kind,
    /// When a directory was last changed.
    pub(crate) modified: FileTime,
    /// Whether no entry has said anything of this directory.
    pub(crate) is_implied: bool,
}

/// All that was unpacked.
#[derive(Debug)]
pub(crate) struct Tree {
    nodes: Vec<Node>,
    children: HashMap<(NodeId, Box<str>), NodeId>,
    /// The streams of files and directories that have some.
    streams: HashMap<NodeId, Vec<(String, NodeId)>>,
}

impl Tree {
    /// The layer's own directory.
    pub(crate) const ROOT: NodeId = NodeId(0);

    /// Nothing but the layer's directory.
    pub(crate) fn new() -> Self {
        let root = Node {
            parent: Self::ROOT,
            name: "".into(),
            kind: Kind::Directory,
            modified: FileTime::from_unix(0, 0),
            is_implied: true,
        };
        Self {
            nodes: vec![root],
            children: HashMap::new(),
            streams: HashMap::new(),
        }
    }

    pub(crate) fn node(&self, id: NodeId) -> &Node {
        &self.nodes[id.0 as usize]
    }

    pub(crate) fn node_mut(&mut self, id: NodeId) -> &mut Node {
        &mut self.nodes[id.0 as usize]
    }

    /// What is in a directory under a name in whatever case.
    pub(crate) fn child(&self, parent: NodeId, name: &str) -> Option<NodeId> {
        self.children.get(&(parent, folded(name).into())).copied()
    }

    pub(crate) fn insert(&mut self, parent: NodeId, name: &str, kind: Kind) -> NodeId {
        // As many as the limit of entries allows, which is far below.
        let id = NodeId(u32::try_from(self.nodes.len()).unwrap_or(u32::MAX));
        self.nodes.push(Node {
            parent,
            name: name.into(),
            kind,
            modified: FileTime::from_unix(0, 0),
            is_implied: false,
        });
        self.children.insert((parent, folded(name).into()), id);
        id
    }

    /// Forgets something; returns its streams.
    pub(crate) fn remove(&mut self, id: NodeId) -> Vec<NodeId> {
        let node = &self.nodes[id.0 as usize];
        self.children
            .remove(&(node.parent, folded(&node.name).into()));
        let streams = self.streams.remove(&id).unwrap_or_default();
        streams.into_iter().map(|(_, stream)| stream).collect()
    }

    pub(crate) fn add_stream(&mut self, owner: NodeId, name: &str, stream: NodeId) {
        self.streams
            .entry(owner)
            .or_default()
            .push((name.to_owned(), stream));
    }

    /// The streams of a file, by name.
    pub(crate) fn streams(&self, owner: NodeId) -> &[(String, NodeId)] {
        self.streams.get(&owner).map_or(&[], Vec::as_slice)
    }

    /// The directories from the layer's own down to a directory, without the former.
    pub(crate) fn trail(&self, mut id: NodeId) -> Vec<NodeId> {
        let mut trail = Vec::new();
        while id != Self::ROOT {
            trail.push(id);
            id = self.node(id).parent;
        }
        trail.reverse();
        trail
    }

    /// The names from the layer's directory on.
    pub(crate) fn path(&self, id: NodeId) -> Vec<String> {
        let trail = self.trail(id).into_iter();
        trail.map(|id| self.node(id).name.to_string()).collect()
    }

    /// The directories that no entry has said anything of.
    pub(crate) fn implied(&self) -> impl Iterator<Item = NodeId> {
        let is_implied = |node: &Node| node.kind == Kind::Directory && node.is_implied;
        let nodes = self.nodes.iter().zip(0_u32..).skip(1);
        nodes
            .filter(move |(node, _)| is_implied(node))
            .map(|(_, id)| NodeId(id))
    }
}
