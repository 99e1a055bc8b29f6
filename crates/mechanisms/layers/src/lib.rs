//! Layers between archive and directory.
//!
//! A layer is an archive in Windows' format (`porthole-layer`) on its way, and on disk a directory
//! that overlayfs takes: `Files`, `Hives` and `UtilityVM`, with whiteouts as devices, opaque
//! directories by overlayfs's own mark, and what Windows keeps of a file in extended attributes.
//!
//! | | from | to |
//! |---|---|---|
//! | [`unpack()`], then [`settle()`] | archive | directory, settled on the layers below |
//! | [`take_in`] | stream | blob and directory, not yet part of the store |
//! | [`pack_changes`], [`pack_layer`] | sandbox or directory | archive |
//! | [`commit()`] | sandbox | blob and directory |
//! | [`changes()`] | sandbox | what `docker diff` shows |
//! | [`write_plain`] | blob | archive |
//!
//! Every byte of an archive is hostile: entries and bytes are counted against [`Limits`], and
//! nothing is opened but by one name beneath a directory's descriptor. What a container has written,
//! and may be writing, is read in the same way.
//!
//! Everything here blocks.

mod beneath;
mod chain;
mod changes;
mod commit;
mod compression;
mod error;
mod intake;
mod kept;
mod left_out;
mod limits;
mod metered;
mod pack;
mod pipe;
mod plain;
mod settle;
mod stored;
mod target;
mod tree;
mod unpack;
mod view;
mod walk;

pub use changes::{Change, ChangeKind, changes};
pub use commit::commit;
pub use compression::Compression;
pub use error::{Error, ErrorKind, Result};
pub use intake::{Expected, TakenLayer, take_in, take_in_stored};
pub use limits::{Limits, SetAside};
pub use pack::{Given, Packed, pack_changes, pack_layer};
pub use plain::write_plain;
pub use settle::settle;
pub use unpack::{Unpacked, Unsettled, unpack};
