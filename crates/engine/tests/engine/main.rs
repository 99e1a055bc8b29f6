//! The engine over the fake compute service, a temporary store and a network in memory.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod commits;
mod containers;
mod copies;
mod crashes;
mod execs;
mod full_disk;
mod health;
mod images;
mod limits;
mod lists;
mod log_drivers;
mod logs;
mod pauses;
mod policies;
mod prunes;
mod refusals;
mod restarts;
mod starting;
mod support;
