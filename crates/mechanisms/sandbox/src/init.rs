//! The silo's first process: builds the silo around itself, starts its services, reaps.
//!
//! It is a copy of the supervisor, not another executable: nothing has to be found, verified and
//! loaded inside, and there is no executable of the host that a process inside could reach and
//! write through `/proc/1/exe` (CVE-2019-5736). After the build it is an unprivileged user behind
//! the same system call filter as the programs.

use std::fs;
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::event::{PollFd, PollFlags, poll};
use rustix::fs::{Mode, OFlags};
use rustix::process::{Signal, set_parent_process_death_signal};

use crate::cgroup::Cgroup;
use crate::channel::{Report, SupervisorChannel};
use crate::error::{Context, Result, SandboxError};
use crate::filesystem::Materials;
use crate::plan::{Plan, ServiceStdio, layout};
use crate::privileges::KillOrder;
use crate::silo::Prepared;
use crate::syscall_filter::SyscallFilter;
use crate::{namespaces, privileges, sys, visible_memory};

/// How long wineserver may take until its socket appears.
const WINESERVER_PATIENCE: Duration = Duration::from_secs(10);

/// What init is born with.
#[derive(Debug)]
pub(crate) struct Birth<'a> {
    pub(crate) plan: &'a Plan,
    pub(crate) materials: &'a Materials,
    pub(crate) cgroup: &'a Cgroup,
    pub(crate) prepared: &'a Prepared,
    pub(crate) network: Option<&'a OwnedFd>,
    pub(crate) run: BorrowedFd<'a>,
    pub(crate) channel: SupervisorChannel,
    pub(crate) service_channel: BorrowedFd<'a>,
    pub(crate) log: BorrowedFd<'a>,
    /// Where to hand over the questions about memory, of a silo with a limit of it.
    pub(crate) memory: Option<BorrowedFd<'a>>,
}

/// Lives the life of a silo's init.
pub(crate) fn live(birth: &Birth<'_>) -> ! {
    let services = build(birth).and_then(|kill_order| {
        kill_order.stand_with_programs()?;
        let services = start_services(birth)?;
        kill_order.stand_behind_programs()?;
        Ok(services)
    });
    match services {
        Ok(services) => {
            // The services' ends of their channels are theirs alone: who dies closes them.
            sys::keep_only(&[birth.channel.as_fd()]);
            birth.channel.report(&Report::Built);
            watch(&birth.channel, &services)
        }
        Err(error) => {
            birth.channel.report(&Report::Failed(error.chain()));
            sys::exit_now(1)
        }
    }
}

fn build(birth: &Birth<'_>) -> Result<KillOrder> {
    birth.cgroup.enter()?;
    let kill_order = privileges::set_limits()?;
    namespaces::enter_cgroup_namespace()?;
    namespaces::enter_network(birth.network)?;
    rustix::system::sethostname(birth.plan.host_name.as_bytes())
        .context("set the host name to", &birth.plan.host_name)?;
    birth
        .materials
        .assemble(birth.plan, birth.run, birth.memory.is_some())?;
    // They are the programs': the silo may need more to be built.
    privileges::set_asked_limits(&birth.plan.resource_limits)?;
    namespaces::enter_user(birth.prepared.maps.of_silo().as_fd())?;
    privileges::drop_all(birth.plan.drive.identity)?;
    let kept = [
        birth.channel.as_fd(),
        birth.service_channel,
        birth.log,
        kill_order.as_fd(),
    ];
    sys::keep_only(&kept.into_iter().chain(birth.memory).collect::<Vec<_>>());
    if let Some(channel) = birth.memory {
        visible_memory::hand_over(&SyscallFilter::install_questions()?, channel)?;
    }
    birth.prepared.filter.install()?;
    // Set last, because a change of IDs clears it.
    set_parent_process_death_signal(Some(Signal::KILL)).context("watch", "the supervisor")?;
    Ok(kill_order)
}

fn start_services(birth: &Birth<'_>) -> Result<Vec<i32>> {
    let null = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
        .at("open", "/dev/null")?;
    for fd in [
        rustix::stdio::stdin(),
        rustix::stdio::stdout(),
        rustix::stdio::stderr(),
    ] {
        // The supervisor's own standard descriptors may lead to the host's terminal or log.
        sys::replace(fd, null.as_fd()).context("close", "the supervisor's descriptors")?;
    }
    let mut pids = Vec::new();
    for service in &birth.plan.services {
        let program = sys::Program::new(
            &service.executable,
            &service.arguments,
            &service.environment,
        )
        .context("start", &service.executable)?;
        let io = match service.stdio {
            ServiceStdio::Null => null.as_fd(),
            ServiceStdio::Channel => birth.service_channel,
        };
        let pid = program
            .spawn([io, io, birth.log])
            .context("start", service.executable.as_str())?;
        pids.push(pid);
        if service.awaits_wineserver {
            await_wineserver(pid)?;
        }
    }
    Ok(pids)
}

/// Waits until wineserver listens: a client that finds no socket would start a second one.
fn await_wineserver(pid: i32) -> Result<()> {
    let deadline = Instant::now() + WINESERVER_PATIENCE;
    let mut pause = Duration::from_micros(100);
    while !wineserver_listens() {
        if let Some((_, status)) = sys::reap_one(pid) {
            return Err(SandboxError::invalid(
                "start",
                "wineserver",
                &describe(status),
            ));
        }
        if Instant::now() > deadline {
            return Err(SandboxError::invalid(
                "start",
                "wineserver",
                "its socket did not appear",
            ));
        }
        std::thread::sleep(pause);
        pause = (pause * 2).min(Duration::from_millis(5));
    }
    Ok(())
}

/// Whether `/tmp/wine-*/server-*/socket` exists; Wine chooses the names.
fn wineserver_listens() -> bool {
    let entries = |directory: &Path| {
        fs::read_dir(directory)
            .into_iter()
            .flatten()
            .flatten()
            .map(|entry| entry.path())
    };
    entries(Path::new(layout::TMP))
        .flat_map(|directory| entries(&directory).collect::<Vec<_>>())
        .any(|server| server.join("socket").exists())
}

/// Reaps, reports and obeys until the supervisor is gone.
fn watch(channel: &SupervisorChannel, services: &[i32]) -> ! {
    let Ok(signals) = sys::signal_descriptor() else {
        sys::exit_now(1)
    };
    loop {
        reap_all(channel, services);
        let mut ready = [
            PollFd::new(&signals, PollFlags::IN),
            PollFd::from_borrowed_fd(channel.as_fd(), PollFlags::IN),
        ];
        if poll(&mut ready, None).is_err() {
            continue;
        }
        let mut pending = [0; 128];
        while rustix::io::read(&signals, &mut pending).is_ok() {}
        match channel.receive() {
            Ok((service, signal)) => {
                if let Some(&pid) = services.get(usize::from(service)) {
                    sys::send_signal(pid, signal.into());
                }
            }
            Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => {}
            // Without its supervisor a silo has neither an end nor a voice: everything ends.
            Err(_) => sys::exit_now(1),
        }
    }
}

fn reap_all(channel: &SupervisorChannel, services: &[i32]) {
    while let Some((pid, status)) = sys::reap() {
        let service = services.iter().position(|&service| service == pid);
        if let Some(service) = service.and_then(|index| u8::try_from(index).ok()) {
            channel.report(&Report::ServiceEnded {
                service,
                how: describe(status),
            });
        }
    }
}

/// A wait status in words.
fn describe(status: i32) -> String {
    if libc::WIFSIGNALED(status) {
        format!("killed by signal {}", libc::WTERMSIG(status))
    } else {
        format!("exited with {}", libc::WEXITSTATUS(status))
    }
}
