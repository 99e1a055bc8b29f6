//! Copies files into and out of a container's drive C: as tar archives.
//!
//! Everything here is hostile: the drive belongs to a container that may change it meanwhile, and
//! the archive to whoever wrote it. So no path is ever handed to the kernel whole. A place is
//! found name by name from the drive's root (`drive`), in whatever case its names are spelt
//! there; links are followed here, and lead nowhere but back into the drive.
//!
//! Reading order: `drive` (finding a place), `pack` and `unpack` (the two directions),
//! `serve` (the protocol of one connection).

mod compression;
mod directory;
mod drive;
mod entry;
mod error;
mod pack;
mod serve;
mod stat;
mod unpack;

pub use drive::{Drive, Ownership};
pub use error::{Error, Result};
pub use serve::serve;
