//! The store through its public side, on real directories.

mod containers;
mod crash;
mod full_disk;
mod images;
mod lineage;
mod recovery;
mod support;
