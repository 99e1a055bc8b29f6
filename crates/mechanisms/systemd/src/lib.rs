//! What Porthole asks of systemd: a cgroup that systemd will leave alone, and to be told that the
//! daemon is ready.
//!
//! On a host with one cgroup tree that tree is systemd's. What it has not handed out it may move,
//! reset or remove. So each container gets a *scope*: a unit for processes that somebody else has
//! started, with its cgroup delegated to us. The scope lives as long as a process is in it, and no
//! restart of a daemon touches it.
//!
//! A crate of its own because it brings a D-Bus library, which supervisors must not hold.

mod client;
mod error;
mod notify;
mod scope;

use std::path::Path;

pub use client::Systemd;
pub use error::{Error, ErrorKind, Result};
pub use notify::ready;
pub use scope::Scope;

/// Whether systemd manages this host (as `sd_booted` tells it).
#[must_use]
pub fn is_running() -> bool {
    Path::new("/run/systemd/system").is_dir()
}
