//! The scope that systemd has made for the silo: this process is in it, what stays is born below.

use std::io::Read as _;

use anyhow::{Context, Result};
use porthole_protocol::supervisor::{SCOPE_SUPERVISOR, SiloSpec};
use porthole_sandbox::cgroup::{Birthplace, Hierarchies};

/// Waits until the scope is there and makes the supervisor's cgroup in it.
///
/// The process that was started stays in the scope's own cgroup until it ends: a move within would
/// take as long as the move into it did.
pub(crate) fn enter(spec: &SiloSpec) -> Result<Birthplace> {
    let mut nothing = Vec::new();
    std::io::stdin()
        .take(1)
        .read_to_end(&mut nothing)
        .context("cannot wait for the scope")?;
    let hierarchies = Hierarchies::detect()?;
    Birthplace::make(&hierarchies, &spec.cgroup_parent, SCOPE_SUPERVISOR)
        .with_context(|| format!("the scope {} cannot be used", spec.cgroup_parent))
}
