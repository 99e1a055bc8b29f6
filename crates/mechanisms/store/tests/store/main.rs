//! The store through its public side, on real directories.

mod containers;
mod crash;
mod full_disk;
mod images;
mod recovery;
mod support;
