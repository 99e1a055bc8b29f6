//! The engine over the fake compute service, a temporary store and a network in memory.

mod containers;
mod execs;
mod images;
mod logs;
mod restarts;
mod support;
