//! The system calls that a silo's processes may make.
//!
//! A list of what is allowed, in the manner of Docker's default profile, without what needs a
//! capability that no process of a silo has. Everything else fails with `EPERM`, or with `ENOSYS`
//! where a C library tries a new call first and falls back on an old one ([`UNKNOWN`]).

mod allowed;
mod i386;
mod listener;

use std::collections::BTreeMap;
use std::os::fd::OwnedFd;

use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch,
};

use crate::error::{Context, ErrorKind, Result, SandboxError};
use allowed::ALLOWED;
pub(crate) use listener::{Answer, Call, Listener};

/// Not implemented, as far as a silo can tell: their arguments lie in memory, where no filter can
/// look, and each has a predecessor whose arguments a filter can see.
const UNKNOWN: [i64; 3] = [libc::SYS_clone3, libc::SYS_openat2, libc::SYS_fchmodat2];

/// Calls that set a file's mode, with the position of the mode among their arguments. The bits
/// that lend the owner's or the group's identity are refused: on a mapped directory the owner may
/// be root.
const MODE_CALLS: [(i64, u8); 8] = [
    (libc::SYS_chmod, 1),
    (libc::SYS_fchmod, 1),
    (libc::SYS_fchmodat, 2),
    (libc::SYS_creat, 1),
    (libc::SYS_mkdir, 1),
    (libc::SYS_mkdirat, 2),
    (libc::SYS_mknod, 1),
    (libc::SYS_mknodat, 2),
];

/// Calls that set a mode only if they make a file: positions of flags and mode.
const OPEN_CALLS: [(i64, u8, u8); 2] = [(libc::SYS_open, 1, 2), (libc::SYS_openat, 2, 3)];

/// Address families that a silo may use.
const FAMILIES: [i32; 4] = [
    libc::AF_UNIX,
    libc::AF_INET,
    libc::AF_INET6,
    libc::AF_NETLINK,
];

const IDENTITY_BITS: u64 = (libc::S_ISUID | libc::S_ISGID) as u64;

/// Flags of `clone` that make namespaces.
const NAMESPACES: u64 = (libc::CLONE_NEWNS
    | libc::CLONE_NEWCGROUP
    | libc::CLONE_NEWUTS
    | libc::CLONE_NEWIPC
    | libc::CLONE_NEWUSER
    | libc::CLONE_NEWPID
    | libc::CLONE_NEWNET) as u64;

/// The filter, compiled and ready to be installed after a clone.
#[derive(Debug)]
pub(crate) struct SyscallFilter {
    allowed: BpfProgram,
    unknown: BpfProgram,
}

impl SyscallFilter {
    /// Compiles the filter for this machine's architecture.
    ///
    /// # Errors
    /// On an architecture for which there is none.
    pub(crate) fn new() -> Result<Self> {
        let architecture: TargetArch = std::env::consts::ARCH.try_into().map_err(unsupported)?;
        let errno = |number: i32| SeccompAction::Errno(number.cast_unsigned());
        let compile = |rules, otherwise, matched| -> Result<BpfProgram> {
            SeccompFilter::new(rules, otherwise, matched, architecture)
                .and_then(TryInto::try_into)
                .map_err(unsupported)
        };
        let unknown = UNKNOWN.iter().map(|&call| (call, Vec::new())).collect();
        let allowed = allowed_rules().map_err(unsupported)?;
        let allowed = compile(allowed, errno(libc::EPERM), SeccompAction::Allow)?;
        let unknown = compile(unknown, SeccompAction::Allow, errno(libc::ENOSYS))?;
        Ok(Self {
            allowed: i386::before(allowed),
            unknown: i386::before(unknown),
        })
    }

    /// Has the supervisor asked for every `sysinfo` of the calling thread and all it starts, for
    /// good. Returns the descriptor at which it is asked. To be called before [`Self::install`].
    pub(crate) fn install_questions() -> Result<OwnedFd> {
        let call = u32::try_from(libc::SYS_sysinfo).map_err(std::io::Error::other);
        call.and_then(listener::install)
            .context("install", "the filter that asks about memory")
    }

    /// Puts the calling thread and all it starts behind the filter, for good.
    pub(crate) fn install(&self) -> Result<()> {
        // The list of what is allowed comes last: it does not allow another filter.
        for program in [&self.unknown, &self.allowed] {
            seccompiler::apply_filter(program)
                .map_err(std::io::Error::other)
                .context("install", "the system call filter")?;
        }
        Ok(())
    }
}

fn unsupported(error: impl std::error::Error + Send + Sync + 'static) -> SandboxError {
    let source = std::io::Error::other(error);
    SandboxError::new(
        ErrorKind::Unsupported,
        "compile",
        "the system call filter",
        source,
    )
}

fn allowed_rules() -> std::result::Result<BTreeMap<i64, Vec<SeccompRule>>, BackendError> {
    let mut rules: BTreeMap<i64, Vec<SeccompRule>> =
        // The other filter refuses what is unknown; refused here too, the error would be this one's.
        ALLOWED.iter().chain(&UNKNOWN).map(|&call| (call, Vec::new())).collect();
    rules.insert(libc::SYS_clone, vec![rule(without(0, NAMESPACES)?)?]);
    for (call, mode) in MODE_CALLS {
        rules.insert(call, vec![rule(without(mode, IDENTITY_BITS)?)?]);
    }
    for (call, flags, mode) in OPEN_CALLS {
        let creates = libc::O_CREAT.cast_unsigned().into();
        let unnamed = (libc::O_TMPFILE & !libc::O_DIRECTORY)
            .cast_unsigned()
            .into();
        rules.insert(
            call,
            vec![
                SeccompRule::new(vec![without(flags, creates)?, without(flags, unnamed)?])?,
                rule(without(mode, IDENTITY_BITS)?)?,
            ],
        );
    }
    let family = |family: i32| {
        let equal = SeccompCmpOp::Eq;
        let value = family.cast_unsigned().into();
        SeccompCondition::new(0, SeccompCmpArgLen::Dword, equal, value).and_then(rule)
    };
    let families = FAMILIES
        .into_iter()
        .map(family)
        .collect::<std::result::Result<_, _>>()?;
    rules.insert(libc::SYS_socket, families);
    Ok(rules)
}

/// Holds when none of `bits` is set in an argument.
fn without(argument: u8, bits: u64) -> std::result::Result<SeccompCondition, BackendError> {
    SeccompCondition::new(
        argument,
        SeccompCmpArgLen::Dword,
        SeccompCmpOp::MaskedEq(bits),
        0,
    )
}

fn rule(condition: SeccompCondition) -> std::result::Result<SeccompRule, BackendError> {
    SeccompRule::new(vec![condition])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_filter_compiles_and_names_no_call_twice() {
        SyscallFilter::new().unwrap();
        let mut calls: Vec<i64> = ALLOWED.to_vec();
        calls.extend(MODE_CALLS.iter().map(|call| call.0));
        calls.extend(OPEN_CALLS.iter().map(|call| call.0));
        calls.extend(UNKNOWN);
        calls.extend([libc::SYS_clone, libc::SYS_socket]);
        let count = calls.len();
        calls.sort_unstable();
        calls.dedup();
        assert_eq!(calls.len(), count);
    }

    #[test]
    fn what_reaches_beyond_the_silo_is_not_allowed() {
        for call in [
            libc::SYS_mount,
            libc::SYS_unshare,
            libc::SYS_setns,
            libc::SYS_bpf,
            libc::SYS_keyctl,
            libc::SYS_io_uring_setup,
            libc::SYS_userfaultfd,
            libc::SYS_open_by_handle_at,
            libc::SYS_perf_event_open,
        ] {
            assert!(!ALLOWED.contains(&call), "{call}");
        }
    }
}
