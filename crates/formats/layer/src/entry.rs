//! Entries of a layer.

use crate::metadata::Metadata;
use crate::path::LayerPath;

/// An entry of a layer.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Where it is; of a whiteout, what it removes.
    pub path: LayerPath,
    /// What it is.
    pub kind: EntryKind,
    /// What the layer says of it. Hard links, streams and whiteouts have none.
    pub metadata: Metadata,
}

/// What an entry is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum EntryKind {
    /// A directory.
    Directory,
    /// A file; its content is read from the reader.
    File {
        /// Bytes of content.
        size: u64,
    },
    /// A symbolic link. Whether it is one to a directory is an attribute.
    Symlink {
        /// Where it leads, as Windows writes it. It has not been checked: it means nothing outside
        /// the container.
        target: String,
    },
    /// A junction or mount point.
    Junction {
        /// Where it leads, as [`Symlink`](Self::Symlink)'s.
        target: String,
    },
    /// Another name of a file in this layer or one below, perhaps in another tree.
    HardLink {
        /// The file.
        target: LayerPath,
    },
    /// An alternate data stream of the file or directory before it; its content is read from the
    /// reader.
    Stream {
        /// The stream's name.
        name: String,
        /// Bytes of content.
        size: u64,
    },
    /// The path of layers below is gone.
    Whiteout,
    /// Everything in this directory of layers below is gone.
    Opaque,
    /// Something whose name, or whose link's target, is no text, for it has half a surrogate pair
    /// (U+FFFD stands for it in the path). No file outside Windows can have such a name; the archive
    /// keeps what it holds of it.
    SetAside,
}
