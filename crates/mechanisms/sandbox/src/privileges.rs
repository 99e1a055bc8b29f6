//! What init and every process after it may no longer do.

use std::fs;
use std::io::Write;
use std::os::fd::{AsFd, BorrowedFd};

use rustix::process::{DumpableBehavior, Resource, Rlimit, getrlimit, setrlimit};
use rustix::thread::{CapabilitySet, CapabilitySets, Gid, Uid};

use crate::error::{Context, Result};
use crate::plan::Identity;

/// Descriptors at most for each process: wineserver holds several for each handle of the silo.
const OPEN_FILES: u64 = 1 << 20;

/// The place of a silo's programs in the queue of what is killed when memory runs out, in
/// thousandths of the memory that there is. Beside a killed program whose memory is not free yet,
/// init is the largest process of a small silo: killed, it would take the whole silo with it.
const PROGRAMS_SCORE: &str = "100";
/// Init's own place, and the one that no process of the silo can get below.
const INIT_SCORE: &str = "0";

/// This process's place in the queue of what is killed when memory runs out.
#[derive(Debug)]
pub(crate) struct KillOrder(fs::File);

impl KillOrder {
    fn open() -> Result<Self> {
        let file = fs::File::options()
            .write(true)
            .open("/proc/self/oom_score_adj")
            .context("open", "/proc/self/oom_score_adj")?;
        Ok(Self(file))
    }

    /// From now on this process stands where its programs shall, who inherit that.
    pub(crate) fn stand_with_programs(&self) -> Result<()> {
        self.set(PROGRAMS_SCORE)
    }

    /// From now on this process stands behind its programs.
    pub(crate) fn stand_behind_programs(&self) -> Result<()> {
        self.set(INIT_SCORE)
    }

    fn set(&self, score: &str) -> Result<()> {
        (&self.0)
            .write_all(score.as_bytes())
            .context("set", "/proc/self/oom_score_adj")
    }
}

impl AsFd for KillOrder {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.0.as_fd()
    }
}

/// Resource limits and the place in the queue of what is killed when memory runs out. To be
/// called while `/proc` is the host's and this process is still its root.
pub(crate) fn set_limits() -> Result<KillOrder> {
    let most = fs::read_to_string("/proc/sys/fs/nr_open")
        .ok()
        .and_then(|text| text.trim().parse().ok())
        .map_or(OPEN_FILES, |most: u64| most.min(OPEN_FILES));
    let same = |value| Rlimit {
        current: value,
        maximum: value,
    };
    // A host that has given up the right to raise limits still lets us use what it has left.
    setrlimit(Resource::Nofile, same(Some(most)))
        .or_else(|_| setrlimit(Resource::Nofile, same(getrlimit(Resource::Nofile).maximum)))
        .context("limit", "open files")?;
    // A core dump would be written by the host, to a place that the host's setting names.
    setrlimit(Resource::Core, same(Some(0))).context("limit", "core dumps")?;
    // The supervisor protects itself; its silo must not inherit that.
    let kill_order = KillOrder::open()?;
    kill_order.stand_behind_programs()?;
    Ok(kill_order)
}

/// Resource limits that somebody asks for. To be called while this process is still its host's root,
/// for some may be raised.
pub(crate) fn set_asked_limits(asked: &[(Resource, Rlimit)]) -> Result<()> {
    for (resource, limit) in asked {
        setrlimit(*resource, *limit).context("limit", format!("{resource:?}"))?;
    }
    Ok(())
}

/// Becomes the silo's user without any capability, for good.
///
/// No capability has proved necessary: wineserver and programs are one user, who owns what they
/// write; low ports and ping are opened by settings of the network namespace.
pub(crate) fn drop_all(identity: Identity) -> Result<()> {
    let operation = "drop privileges of";
    let become_user = || -> rustix::io::Result<()> {
        rustix::thread::set_thread_groups(&[])?;
        let (user, group) = (Uid::from_raw(identity.id()), Gid::from_raw(identity.id()));
        rustix::thread::set_thread_res_gid(group, group, group)?;
        for capability in (0..64).map(|bit| CapabilitySet::from_bits_retain(1 << bit)) {
            match rustix::thread::capability_is_in_bounding_set(capability) {
                Ok(true) => rustix::thread::remove_capability_from_bounding_set(capability)?,
                Ok(false) => {}
                // Beyond the last capability that this kernel knows.
                Err(_) => break,
            }
        }
        rustix::thread::set_thread_res_uid(user, user, user)?;
        rustix::thread::clear_ambient_capability_set()?;
        let none = CapabilitySet::empty();
        rustix::thread::set_capabilities(
            None,
            CapabilitySets {
                effective: none,
                permitted: none,
                inheritable: none,
            },
        )?;
        rustix::thread::set_no_new_privs(true)?;
        // Init holds a copy of the supervisor's memory and runs as the silo's user: nobody inside
        // may trace it, read its memory or follow its links in /proc.
        rustix::process::set_dumpable_behavior(DumpableBehavior::NotDumpable)
    };
    become_user().context(operation, "init")
}
