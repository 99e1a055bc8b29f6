//! A silo from outside: its birth, its channels, its end.

use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;

use rustix::fs::{Mode, OFlags};
use rustix::process::{Signal, WaitId, WaitIdOptions, pidfd_send_signal, waitid};

use crate::cgroup::Cgroup;
use crate::channel::{self, InitChannel};
use crate::error::{Context, Result, SandboxError};
use crate::filesystem::{self, Materials};
use crate::id_map::SiloMaps;
use crate::init::{self, Birth};
use crate::namespaces;
use crate::plan::{Identity, Plan};
use crate::sys::{self, Cloned};
use crate::syscall_filter::SyscallFilter;
use crate::visible_memory::VisibleMemory;

/// How much the directory of redirected streams may hold; a FIFO takes next to nothing.
const RUN_SIZE: &str = "1m";

/// What does not depend on the plan, made while there is time: before a silo is asked for.
#[derive(Debug)]
pub struct Prepared {
    pub(crate) filter: SyscallFilter,
    pub(crate) maps: SiloMaps,
}

impl Prepared {
    /// Prepares for a silo of this identity.
    ///
    /// # Errors
    /// When the host has no system call filters, or refuses a user namespace.
    pub fn new(identity: Identity) -> Result<Self> {
        Ok(Self {
            filter: SyscallFilter::new()?,
            maps: SiloMaps::new(identity)?,
        })
    }
}

/// What the services are given besides the plan.
#[derive(Debug)]
pub struct Connections<'a> {
    /// The inner end of the channel, for services with [`crate::ServiceStdio::Channel`].
    pub channel: BorrowedFd<'a>,
    /// Standard error of the services.
    pub log: BorrowedFd<'a>,
}

/// A silo whose init has been started. Dropped, it is killed.
#[derive(Debug)]
pub struct Silo {
    pid: i32,
    pidfd: OwnedFd,
    channel: InitChannel,
    run: OwnedFd,
    ended: bool,
}

impl Silo {
    /// Starts a silo in `cgroup`, of the identity that `prepared` was made for. Whether it could be built, its init reports on
    /// [`Self::channel`].
    ///
    /// # Errors
    /// When something that `plan` names is missing or the kernel refuses; nothing is left then
    /// but the cgroup, which stays the caller's.
    pub fn start(
        plan: &Plan,
        cgroup: &Cgroup,
        prepared: &Prepared,
        connections: &Connections<'_>,
    ) -> Result<Self> {
        check(plan)?;
        let materials = Materials::gather(plan, &prepared.maps)?;
        let network = plan
            .network_namespace
            .as_deref()
            .map(open_namespace)
            .transpose()?;
        let run_mount = filesystem::tmpfs(RUN_SIZE)?;
        let run = make_run_directory(&run_mount)?;
        let (ours, inits) = channel::pair()?;
        let (memory, memory_channel) = cgroup
            .limited_memory()
            .map(|account| VisibleMemory::prepare(account, run_mount.as_fd()))
            .transpose()?
            .unzip();
        let birthplace = cgroup.birthplace()?;
        let cloned = sys::clone(namespaces::AT_CLONE, birthplace.as_ref().map(AsFd::as_fd))
            .context("make", "the silo's first process")?;
        match cloned {
            Cloned::Child => init::live(&Birth {
                plan,
                materials: &materials,
                cgroup,
                prepared,
                network: network.as_ref(),
                run: run_mount.as_fd(),
                channel: inits,
                service_channel: connections.channel,
                log: connections.log,
                memory: memory_channel.as_ref().map(AsFd::as_fd),
            }),
            Cloned::Parent { pid, pidfd } => {
                let silo = Self {
                    pid,
                    pidfd,
                    channel: ours,
                    run,
                    ended: false,
                };
                drop(memory_channel);
                memory.map_or(Ok(()), VisibleMemory::answer_in_background)?;
                Ok(silo)
            }
        }
    }

    /// The host's view of init's process ID.
    #[must_use]
    pub fn pid(&self) -> u32 {
        self.pid.cast_unsigned()
    }

    /// What init reports, and what it is told.
    #[must_use]
    pub fn channel(&self) -> &InitChannel {
        &self.channel
    }

    /// A descriptor that becomes readable when init, and with it all of the silo, has ended.
    #[must_use]
    pub fn end(&self) -> BorrowedFd<'_> {
        self.pidfd.as_fd()
    }

    /// The silo's directory of redirected streams, [`crate::layout::RUN`] inside.
    #[must_use]
    pub fn run_directory(&self) -> BorrowedFd<'_> {
        self.run.as_fd()
    }

    /// Kills every process of the silo. [`Self::end`] tells when all are gone, and with the last
    /// of them the silo's mounts and namespaces; that is not waited for here, because a process
    /// that hangs in a driver or on a dead network file system dies when that lets go of it.
    ///
    /// The kernel kills all of a PID namespace with its first process, and lets nobody reap that
    /// before the others are gone.
    ///
    /// # Errors
    /// When init cannot be killed.
    pub fn kill(&self) -> Result<()> {
        if self.ended {
            return Ok(());
        }
        match pidfd_send_signal(&self.pidfd, Signal::KILL) {
            Ok(()) | Err(rustix::io::Errno::SRCH) => Ok(()),
            Err(error) => Err(error).context("kill", "the silo"),
        }
    }

    /// Reaps init if it has ended; whether it has, and with it all of the silo. Never waits.
    ///
    /// # Errors
    /// When the kernel does not tell.
    pub fn reap(&mut self) -> Result<bool> {
        if !self.ended {
            let options = WaitIdOptions::EXITED | WaitIdOptions::NOHANG;
            let status = waitid(WaitId::PidFd(self.pidfd.as_fd()), options)
                .context("look for", "the silo's end")?;
            self.ended = status.is_some();
        }
        Ok(self.ended)
    }
}

impl Drop for Silo {
    fn drop(&mut self) {
        // Nobody is left to be told; with the supervisor gone the silo would end all the same.
        let _ = self.kill();
    }
}

fn check(plan: &Plan) -> Result<()> {
    let name = &plan.host_name;
    if name.is_empty() || name.len() > 63 || name.contains(['\0', '\n', '/']) {
        let reason = "not between 1 and 63 characters of a host name";
        return Err(SandboxError::invalid(
            "use the host name",
            name.clone(),
            reason,
        ));
    }
    if plan.services.len() > usize::from(u8::MAX) {
        return Err(SandboxError::invalid("start", "services", "too many"));
    }
    Ok(())
}

fn open_namespace(path: &Path) -> Result<OwnedFd> {
    rustix::fs::open(path, OFlags::RDONLY | OFlags::CLOEXEC, Mode::empty())
        .at("open the network namespace", path)
}

/// Makes the directory that is [`crate::layout::RUN`] inside: the silo can open what is in it,
/// and neither make nor remove anything.
fn make_run_directory(mount: &OwnedFd) -> Result<OwnedFd> {
    let name = "porthole";
    rustix::fs::mkdirat(mount, name, Mode::from_raw_mode(0o755))
        .context("create", "the directory of streams")?;
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    rustix::fs::openat(mount, name, flags, Mode::empty())
        .context("open", "the directory of streams")
}
