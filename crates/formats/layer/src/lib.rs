//! The Windows image layer format: a tar archive with PAX records.
//!
//! A layer holds three trees: `Files` (what is on C:), `Hives` (the registry's changes) and
//! `UtilityVM` (what a utility VM boots). Beside what any tar archive says of an entry, PAX records
//! carry Windows' attributes, security descriptor, times in units of 100 ns, extended attributes
//! and whether a link is a junction; alternate data streams are entries of their own behind their
//! file; `.wh.NAME` removes a file of a layer below.
//!
//! [`LayerWriter`] gives the same bytes for the same calls. [`LayerReader`] takes every byte as
//! hostile: what it returns has been checked, and it holds no more than one entry's records.
//!
//! ```
//! use porthole_layer::{Entry, EntryKind, LayerPath, LayerReader, LayerWriter, Metadata};
//!
//! let mut layer = LayerWriter::new(Vec::new());
//! let path = LayerPath::new("Files/App/hello.txt").unwrap();
//! layer.file(&path, &Metadata::file(), 5, &mut &b"hello"[..]).unwrap();
//! let archive = layer.finish().unwrap();
//!
//! let mut reader = LayerReader::new(archive.as_slice());
//! let mut paths = Vec::new();
//! while let Some(entry) = reader.next_entry().unwrap() {
//!     paths.push(entry.path.to_string());
//! }
//! assert_eq!(paths, ["Files", "Files/App", "Files/App/hello.txt"]);
//! ```

#![forbid(unsafe_code)]

mod entry;
mod error;
mod header;
mod metadata;
mod path;
mod pax;
mod read;
pub mod security;
mod time;
mod write;

pub use entry::{Entry, EntryKind};
pub use error::{LayerError, LayerErrorKind};
pub use metadata::{Metadata, attributes};
pub use path::{LayerPath, PathError, Tree};
pub use read::LayerReader;
pub use time::FileTime;
pub use write::{LayerWriter, is_stream_name};
