//! The silo that a spec asks for: its plan, and everything that exists once it is started.

mod plan;

use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixStream;
use std::path::Path;
use std::time::Instant;

use anyhow::{Context, Result};
use porthole_protocol::supervisor::{SiloSpec, Statistics};
use porthole_sandbox::cgroup::{Cgroup, Hierarchies, OutOfMemoryWatch};
use porthole_sandbox::{Connections, Identity, Prepared, Silo};

pub(crate) use plan::{AGENT, WINESERVER, drive, identity, limits, processors};

/// A silo that has been started, with all that is to be undone at its end.
#[derive(Debug)]
pub(crate) struct RunningSilo {
    pub(crate) silo: Silo,
    pub(crate) cgroup: Cgroup,
    pub(crate) out_of_memory: Option<OutOfMemoryWatch>,
    /// What the services write to their standard error.
    pub(crate) service_log: OwnedFd,
    pub(crate) identity: Identity,
    /// Whether wineserver runs, and so whether there is a registry to be written.
    pub(crate) wineserver_lives: bool,
    started: Instant,
}

impl RunningSilo {
    /// Starts it. Returns the outer end of the agent's channel too. When this fails, nothing of
    /// it is left.
    pub(crate) fn start(
        spec: &SiloSpec,
        prepared: &Prepared,
        staging: &Path,
    ) -> Result<(Self, UnixStream)> {
        let plan = plan::from_spec(spec, staging)?;
        let hierarchies = Hierarchies::detect()?;
        let (ours, inner) = UnixStream::pair().context("cannot make the agent's channel")?;
        ours.set_nonblocking(true)
            .context("cannot use the agent's channel")?;
        let (service_log, inner_log) = log_pipe().context("cannot make the services' log")?;
        let cgroup = Cgroup::create(
            &hierarchies,
            &spec.cgroup_parent,
            spec.cgroup_name(),
            &limits(&spec.limits),
        )?;
        let connections = Connections {
            channel: inner.as_fd(),
            log: inner_log.as_fd(),
        };
        let started = Instant::now();
        let born = cgroup.watch_out_of_memory().and_then(|watch| {
            Silo::start(&plan, &cgroup, prepared, &connections).map(|silo| (silo, watch))
        });
        let (silo, out_of_memory) = match born {
            Ok(born) => born,
            Err(error) => {
                cgroup
                    .remove()
                    .unwrap_or_else(|left| crate::journal::write_line(&left.chain()));
                return Err(error.into());
            }
        };
        let identity = plan.drive.identity;
        let running = Self {
            silo,
            cgroup,
            out_of_memory,
            service_log,
            identity,
            wineserver_lives: false,
            started,
        };
        Ok((running, ours))
    }

    /// Usage figures.
    pub(crate) fn statistics(&self) -> Statistics {
        let usage = self.cgroup.usage();
        Statistics {
            uptime_ns: u64::try_from(self.started.elapsed().as_nanos()).unwrap_or(u64::MAX),
            cpu_total_ns: usage.cpu_total_ns,
            cpu_user_ns: usage.cpu_user_ns,
            cpu_kernel_ns: usage.cpu_kernel_ns,
            memory_usage: usage.memory_usage,
            memory_peak: usage.memory_peak,
            memory_private: usage.memory_private,
            read_count: usage.read_count,
            read_bytes: usage.read_bytes,
            write_count: usage.write_count,
            write_bytes: usage.write_bytes,
            pids: usage.pids,
        }
    }
}

fn log_pipe() -> rustix::io::Result<(OwnedFd, OwnedFd)> {
    let (ours, inner) = rustix::pipe::pipe_with(rustix::pipe::PipeFlags::CLOEXEC)?;
    rustix::io::ioctl_fionbio(&ours, true)?;
    Ok((ours, inner))
}
