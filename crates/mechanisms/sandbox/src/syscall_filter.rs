//! The system calls that a silo's processes may make.
//!
//! A list of what is allowed, in the manner of Docker's default profile, without what needs a
//! capability that no process of a silo has. Everything else fails with `EPERM`, or with `ENOSYS`
//! where a C library tries a new call first and falls back on an old one ([`UNKNOWN`]).

use std::collections::BTreeMap;

use seccompiler::{
    BackendError, BpfProgram, SeccompAction, SeccompCmpArgLen, SeccompCmpOp, SeccompCondition,
    SeccompFilter, SeccompRule, TargetArch,
};

use crate::error::{Context, ErrorKind, Result, SandboxError};

/// Allowed whatever their arguments.
///
/// `ptrace` and `process_vm_*` are among them, as in Docker's profile: processes of one silo are
/// one user and no boundary to each other, and wineserver needs them for `ReadProcessMemory`.
const ALLOWED: &[i64] = &[
    libc::SYS_accept,
    libc::SYS_accept4,
    libc::SYS_access,
    libc::SYS_alarm,
    libc::SYS_arch_prctl,
    libc::SYS_bind,
    libc::SYS_brk,
    libc::SYS_capget,
    libc::SYS_capset,
    libc::SYS_chdir,
    libc::SYS_chown,
    libc::SYS_clock_getres,
    libc::SYS_clock_gettime,
    libc::SYS_clock_nanosleep,
    libc::SYS_close,
    libc::SYS_close_range,
    libc::SYS_connect,
    libc::SYS_copy_file_range,
    libc::SYS_dup,
    libc::SYS_dup2,
    libc::SYS_dup3,
    libc::SYS_epoll_create,
    libc::SYS_epoll_create1,
    libc::SYS_epoll_ctl,
    libc::SYS_epoll_pwait,
    libc::SYS_epoll_pwait2,
    libc::SYS_epoll_wait,
    libc::SYS_eventfd,
    libc::SYS_eventfd2,
    libc::SYS_execve,
    libc::SYS_execveat,
    libc::SYS_exit,
    libc::SYS_exit_group,
    libc::SYS_faccessat,
    libc::SYS_faccessat2,
    libc::SYS_fadvise64,
    libc::SYS_fallocate,
    libc::SYS_fchdir,
    libc::SYS_fchown,
    libc::SYS_fchownat,
    libc::SYS_fcntl,
    libc::SYS_fdatasync,
    libc::SYS_fgetxattr,
    libc::SYS_flistxattr,
    libc::SYS_flock,
    libc::SYS_fork,
    libc::SYS_fremovexattr,
    libc::SYS_fsetxattr,
    libc::SYS_fstat,
    libc::SYS_fstatfs,
    libc::SYS_fsync,
    libc::SYS_ftruncate,
    libc::SYS_futex,
    libc::SYS_futex_waitv,
    libc::SYS_futimesat,
    libc::SYS_get_robust_list,
    libc::SYS_getcpu,
    libc::SYS_getcwd,
    libc::SYS_getdents,
    libc::SYS_getdents64,
    libc::SYS_getegid,
    libc::SYS_geteuid,
    libc::SYS_getgid,
    libc::SYS_getgroups,
    libc::SYS_getitimer,
    libc::SYS_getpeername,
    libc::SYS_getpgid,
    libc::SYS_getpgrp,
    libc::SYS_getpid,
    libc::SYS_getppid,
    libc::SYS_getpriority,
    libc::SYS_getrandom,
    libc::SYS_getresgid,
    libc::SYS_getresuid,
    libc::SYS_getrlimit,
    libc::SYS_getrusage,
    libc::SYS_getsid,
    libc::SYS_getsockname,
    libc::SYS_getsockopt,
    libc::SYS_gettid,
    libc::SYS_gettimeofday,
    libc::SYS_getuid,
    libc::SYS_getxattr,
    libc::SYS_inotify_add_watch,
    libc::SYS_inotify_init,
    libc::SYS_inotify_init1,
    libc::SYS_inotify_rm_watch,
    libc::SYS_io_cancel,
    libc::SYS_io_destroy,
    libc::SYS_io_getevents,
    libc::SYS_io_setup,
    libc::SYS_io_submit,
    libc::SYS_ioctl,
    libc::SYS_ioprio_get,
    libc::SYS_ioprio_set,
    libc::SYS_kill,
    libc::SYS_lchown,
    libc::SYS_lgetxattr,
    libc::SYS_link,
    libc::SYS_linkat,
    libc::SYS_listen,
    libc::SYS_listxattr,
    libc::SYS_llistxattr,
    libc::SYS_lremovexattr,
    libc::SYS_lseek,
    libc::SYS_lsetxattr,
    libc::SYS_lstat,
    libc::SYS_madvise,
    libc::SYS_membarrier,
    libc::SYS_memfd_create,
    libc::SYS_mincore,
    libc::SYS_mlock,
    libc::SYS_mlock2,
    libc::SYS_mlockall,
    libc::SYS_mmap,
    libc::SYS_modify_ldt,
    libc::SYS_mprotect,
    libc::SYS_mq_getsetattr,
    libc::SYS_mq_notify,
    libc::SYS_mq_open,
    libc::SYS_mq_timedreceive,
    libc::SYS_mq_timedsend,
    libc::SYS_mq_unlink,
    libc::SYS_mremap,
    libc::SYS_mseal,
    libc::SYS_msgctl,
    libc::SYS_msgget,
    libc::SYS_msgrcv,
    libc::SYS_msgsnd,
    libc::SYS_msync,
    libc::SYS_munlock,
    libc::SYS_munlockall,
    libc::SYS_munmap,
    libc::SYS_nanosleep,
    libc::SYS_newfstatat,
    libc::SYS_pause,
    libc::SYS_pidfd_open,
    libc::SYS_pidfd_send_signal,
    libc::SYS_pipe,
    libc::SYS_pipe2,
    libc::SYS_pkey_alloc,
    libc::SYS_pkey_free,
    libc::SYS_pkey_mprotect,
    libc::SYS_poll,
    libc::SYS_ppoll,
    libc::SYS_prctl,
    libc::SYS_pread64,
    libc::SYS_preadv,
    libc::SYS_preadv2,
    libc::SYS_prlimit64,
    libc::SYS_process_mrelease,
    libc::SYS_process_vm_readv,
    libc::SYS_process_vm_writev,
    libc::SYS_pselect6,
    libc::SYS_ptrace,
    libc::SYS_pwrite64,
    libc::SYS_pwritev,
    libc::SYS_pwritev2,
    libc::SYS_read,
    libc::SYS_readahead,
    libc::SYS_readlink,
    libc::SYS_readlinkat,
    libc::SYS_readv,
    libc::SYS_recvfrom,
    libc::SYS_recvmmsg,
    libc::SYS_recvmsg,
    libc::SYS_removexattr,
    libc::SYS_rename,
    libc::SYS_renameat,
    libc::SYS_renameat2,
    libc::SYS_restart_syscall,
    libc::SYS_rmdir,
    libc::SYS_rseq,
    libc::SYS_rt_sigaction,
    libc::SYS_rt_sigpending,
    libc::SYS_rt_sigprocmask,
    libc::SYS_rt_sigqueueinfo,
    libc::SYS_rt_sigreturn,
    libc::SYS_rt_sigsuspend,
    libc::SYS_rt_sigtimedwait,
    libc::SYS_rt_tgsigqueueinfo,
    libc::SYS_sched_get_priority_max,
    libc::SYS_sched_get_priority_min,
    libc::SYS_sched_getaffinity,
    libc::SYS_sched_getattr,
    libc::SYS_sched_getparam,
    libc::SYS_sched_getscheduler,
    libc::SYS_sched_rr_get_interval,
    libc::SYS_sched_setaffinity,
    libc::SYS_sched_setattr,
    libc::SYS_sched_setparam,
    libc::SYS_sched_setscheduler,
    libc::SYS_sched_yield,
    libc::SYS_select,
    libc::SYS_semctl,
    libc::SYS_semget,
    libc::SYS_semop,
    libc::SYS_semtimedop,
    libc::SYS_sendfile,
    libc::SYS_sendmmsg,
    libc::SYS_sendmsg,
    libc::SYS_sendto,
    libc::SYS_set_robust_list,
    libc::SYS_set_tid_address,
    libc::SYS_setfsgid,
    libc::SYS_setfsuid,
    libc::SYS_setgid,
    libc::SYS_setgroups,
    libc::SYS_setitimer,
    libc::SYS_setpgid,
    libc::SYS_setpriority,
    libc::SYS_setregid,
    libc::SYS_setresgid,
    libc::SYS_setresuid,
    libc::SYS_setreuid,
    libc::SYS_setrlimit,
    libc::SYS_setsid,
    libc::SYS_setsockopt,
    libc::SYS_setuid,
    libc::SYS_setxattr,
    libc::SYS_shmat,
    libc::SYS_shmctl,
    libc::SYS_shmdt,
    libc::SYS_shmget,
    libc::SYS_shutdown,
    libc::SYS_sigaltstack,
    libc::SYS_signalfd,
    libc::SYS_signalfd4,
    libc::SYS_socketpair,
    libc::SYS_splice,
    libc::SYS_stat,
    libc::SYS_statfs,
    libc::SYS_statx,
    libc::SYS_symlink,
    libc::SYS_symlinkat,
    libc::SYS_sync,
    libc::SYS_sync_file_range,
    libc::SYS_syncfs,
    libc::SYS_sysinfo,
    libc::SYS_tee,
    libc::SYS_tgkill,
    libc::SYS_time,
    libc::SYS_timer_create,
    libc::SYS_timer_delete,
    libc::SYS_timer_getoverrun,
    libc::SYS_timer_gettime,
    libc::SYS_timer_settime,
    libc::SYS_timerfd_create,
    libc::SYS_timerfd_gettime,
    libc::SYS_timerfd_settime,
    libc::SYS_times,
    libc::SYS_tkill,
    libc::SYS_truncate,
    libc::SYS_umask,
    libc::SYS_uname,
    libc::SYS_unlink,
    libc::SYS_unlinkat,
    libc::SYS_utime,
    libc::SYS_utimensat,
    libc::SYS_utimes,
    libc::SYS_vfork,
    libc::SYS_vmsplice,
    libc::SYS_wait4,
    libc::SYS_waitid,
    libc::SYS_write,
    libc::SYS_writev,
];

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
pub struct SyscallFilter {
    allowed: BpfProgram,
    unknown: BpfProgram,
}

impl SyscallFilter {
    /// Compiles the filter for this machine's architecture.
    ///
    /// # Errors
    /// On an architecture for which there is none.
    pub fn new() -> Result<Self> {
        let architecture: TargetArch = std::env::consts::ARCH.try_into().map_err(unsupported)?;
        let errno = |number: i32| SeccompAction::Errno(number.cast_unsigned());
        let compile = |rules, otherwise, matched| -> Result<BpfProgram> {
            SeccompFilter::new(rules, otherwise, matched, architecture)
                .and_then(TryInto::try_into)
                .map_err(unsupported)
        };
        let unknown = UNKNOWN.iter().map(|&call| (call, Vec::new())).collect();
        Ok(Self {
            allowed: compile(
                allowed_rules().map_err(unsupported)?,
                errno(libc::EPERM),
                SeccompAction::Allow,
            )?,
            unknown: compile(unknown, SeccompAction::Allow, errno(libc::ENOSYS))?,
        })
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
