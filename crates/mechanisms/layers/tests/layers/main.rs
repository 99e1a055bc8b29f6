//! Layers unpacked, packed and compared, as root on the host's file system.
#![allow(clippy::unwrap_used)]

mod bad_input;
mod checker;
mod cost;
mod crash;
mod intake;
mod pack;
mod properties;
mod support;
mod unpack;
