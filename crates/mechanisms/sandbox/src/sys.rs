//! System calls for which there is no safe wrapper in `rustix`.
//!
//! Unsafe because they take raw pointers or duplicate the process. Everything here is called from
//! a single-threaded process: the supervisor before and after the clone, and the silo's init.
#![allow(unsafe_code)]

use std::ffi::CString;
use std::io;
use std::os::fd::{AsRawFd, BorrowedFd, FromRawFd, OwnedFd, RawFd};
use std::ptr;

/// `libc`'s constant of this name is too narrow for its value.
const CLONE_INTO_CGROUP: u64 = 0x2_0000_0000;

/// Which process returned from [`clone`].
pub(crate) enum Cloned {
    /// The new process.
    Child,
    /// The caller, with the child's ID and a descriptor that stands for it.
    Parent { pid: i32, pidfd: OwnedFd },
}

/// Duplicates this process with `flags`, in `cgroup` (a directory of the v2 tree) if given.
///
/// The caller must be single-threaded; the child then is a process like any other.
pub(crate) fn clone(flags: i32, cgroup: Option<BorrowedFd<'_>>) -> io::Result<Cloned> {
    let mut pidfd: RawFd = -1;
    // SAFETY: an all-zero `clone_args` is valid and means "nothing asked".
    let mut arguments: libc::clone_args = unsafe { std::mem::zeroed() };
    arguments.flags = u64::from((flags | libc::CLONE_PIDFD).cast_unsigned());
    arguments.exit_signal = libc::SIGCHLD.cast_unsigned().into();
    arguments.pidfd = ptr::from_mut(&mut pidfd).addr() as u64;
    if let Some(cgroup) = cgroup {
        arguments.flags |= CLONE_INTO_CGROUP;
        arguments.cgroup = cgroup.as_raw_fd().cast_unsigned().into();
    }
    // SAFETY: the structure is valid for its stated size, without CLONE_VM the child has its own
    // copy of memory and stack, and no other thread can hold a lock that the child would need.
    let pid = unsafe {
        libc::syscall(
            libc::SYS_clone3,
            &raw mut arguments,
            size_of::<libc::clone_args>(),
        )
    };
    match i32::try_from(pid) {
        Ok(0) => Ok(Cloned::Child),
        Ok(pid) if pid > 0 => {
            // SAFETY: the kernel has just made this descriptor for us; nobody else owns it.
            let pidfd = unsafe { OwnedFd::from_raw_fd(pidfd) };
            Ok(Cloned::Parent { pid, pidfd })
        }
        _ => Err(io::Error::last_os_error()),
    }
}

/// Ends this process without running destructors or exit handlers, which belong to the parent.
pub(crate) fn exit_now(code: i32) -> ! {
    // SAFETY: `_exit` has no preconditions and does not return.
    unsafe { libc::_exit(code) }
}

/// The attributes of a mount that [`set_mount_attributes`] changes.
#[derive(Default)]
pub(crate) struct MountAttributes<'a> {
    /// `MOUNT_ATTR_*` bits to set.
    pub(crate) set: u64,
    /// The user namespace whose ID map applies to the mount.
    pub(crate) id_map: Option<BorrowedFd<'a>>,
}

/// Changes the attributes of the mount (or detached tree) that `tree` stands for, and makes it
/// private: under systemd every mount of the host is shared, and so is a copy of it. What is then
/// mounted on the copy would appear on the host too, and `pivot_root` refuses it as a root.
pub(crate) fn set_mount_attributes(
    tree: BorrowedFd<'_>,
    attributes: &MountAttributes<'_>,
) -> io::Result<()> {
    let mut raw = libc::mount_attr {
        attr_set: attributes.set,
        attr_clr: 0,
        propagation: libc::MS_PRIVATE,
        userns_fd: 0,
    };
    if let Some(namespace) = attributes.id_map {
        raw.attr_set |= libc::MOUNT_ATTR_IDMAP;
        raw.userns_fd = namespace.as_raw_fd().cast_unsigned().into();
    }
    // SAFETY: descriptor and structure are valid for the call, the path is a C string.
    let result = unsafe {
        libc::syscall(
            libc::SYS_mount_setattr,
            tree.as_raw_fd(),
            c"".as_ptr(),
            libc::AT_EMPTY_PATH,
            &raw const raw,
            size_of::<libc::mount_attr>(),
        )
    };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Sets the IDs that the file system sees for this thread, and nothing else.
pub(crate) fn set_file_system_ids(id: u32) {
    // SAFETY: takes an integer; its failure is not reported by the kernel and shows at first use.
    unsafe { libc::setfsgid(id) };
    // SAFETY: as above.
    unsafe { libc::setfsuid(id) };
}

/// Brings the loopback interface of this thread's network namespace up.
pub(crate) fn bring_loopback_up(socket: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: an all-zero `ifreq` is valid.
    let mut request: libc::ifreq = unsafe { std::mem::zeroed() };
    request.ifr_name[0] = b'l'.cast_signed();
    request.ifr_name[1] = b'o'.cast_signed();
    request.ifr_ifru.ifru_flags =
        i16::try_from(libc::IFF_UP | libc::IFF_RUNNING).unwrap_or_default();
    // SAFETY: SIOCSIFFLAGS reads an `ifreq`, valid for the call.
    let result = unsafe { libc::ioctl(socket.as_raw_fd(), libc::SIOCSIFFLAGS, &raw const request) };
    if result == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Blocks all signals and returns a descriptor that reports them.
pub(crate) fn signal_descriptor() -> io::Result<OwnedFd> {
    // SAFETY: an all-zero set is valid storage for `sigfillset` to fill.
    let mut set: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: the set is valid.
    unsafe { libc::sigfillset(&raw mut set) };
    // SAFETY: the set is valid; the old mask is not wanted.
    if unsafe { libc::sigprocmask(libc::SIG_SETMASK, &raw const set, ptr::null_mut()) } != 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the set is valid; -1 asks for a new descriptor.
    let fd = unsafe { libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) };
    if fd < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the descriptor is new and ours.
    Ok(unsafe { OwnedFd::from_raw_fd(fd) })
}

/// Gives the calling process the signal mask and dispositions that a program expects at its start.
pub(crate) fn reset_signals() {
    // Rust's run-time ignores SIGPIPE, and both mask and "ignored" survive exec.
    // SAFETY: SIG_DFL is a valid disposition for SIGPIPE.
    unsafe { libc::signal(libc::SIGPIPE, libc::SIG_DFL) };
    // SAFETY: an all-zero set is the empty set on Linux.
    let set: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: the set is valid.
    unsafe { libc::sigprocmask(libc::SIG_SETMASK, &raw const set, ptr::null_mut()) };
}

/// A program with its arguments and environment, ready to be executed after a fork, when
/// allocating is still possible but a failure can hardly be reported.
pub(crate) struct Program {
    path: CString,
    argument_pointers: Vec<*const libc::c_char>,
    environment_pointers: Vec<*const libc::c_char>,
    // What the pointers point into.
    _strings: Vec<CString>,
}

impl Program {
    pub(crate) fn new(
        path: &str,
        arguments: &[String],
        environment: &[(String, String)],
    ) -> io::Result<Self> {
        let arguments: Vec<CString> = arguments
            .iter()
            .map(|text| c_string(text))
            .collect::<io::Result<_>>()?;
        let variables: Vec<CString> = environment
            .iter()
            .map(|(name, value)| c_string(&format!("{name}={value}")))
            .collect::<io::Result<_>>()?;
        let pointers = |strings: &[CString]| {
            strings
                .iter()
                .map(|text| text.as_ptr())
                .chain([ptr::null()])
                .collect::<Vec<_>>()
        };
        Ok(Self {
            path: c_string(path)?,
            argument_pointers: pointers(&arguments),
            environment_pointers: pointers(&variables),
            _strings: arguments.into_iter().chain(variables).collect(),
        })
    }

    /// Forks, gives the child `stdio` as descriptors 0 to 2, and executes the program there.
    /// Returns the child's process ID; a program that cannot be executed exits with 127.
    pub(crate) fn spawn(&self, stdio: [BorrowedFd<'_>; 3]) -> io::Result<i32> {
        // SAFETY: single-threaded, so the child may do anything that the parent may.
        match unsafe { libc::fork() } {
            -1 => Err(io::Error::last_os_error()),
            0 => self.become_program(stdio.map(|fd| fd.as_raw_fd())),
            pid => Ok(pid),
        }
    }

    fn become_program(&self, stdio: [RawFd; 3]) -> ! {
        reset_signals();
        // Sources may lie in 0..3 themselves: move them out of the way first.
        let moved = stdio.map(|fd| {
            // SAFETY: duplicates a valid descriptor.
            unsafe { libc::fcntl(fd, libc::F_DUPFD_CLOEXEC, 3) }
        });
        for (target, source) in (0..).zip(moved) {
            // SAFETY: replaces a standard descriptor by a valid one, without close-on-exec.
            unsafe { libc::dup2(source, target) };
        }
        // SAFETY: path and both arrays are valid C strings ended by null, owned by `self`.
        unsafe {
            libc::execve(
                self.path.as_ptr(),
                self.argument_pointers.as_ptr(),
                self.environment_pointers.as_ptr(),
            )
        };
        exit_now(127)
    }
}

/// Waits for no longer than now for any child; its process ID and wait status.
pub(crate) fn reap() -> Option<(i32, i32)> {
    reap_one(-1)
}

/// Waits for no longer than now for one child.
pub(crate) fn reap_one(child: i32) -> Option<(i32, i32)> {
    let mut status = 0;
    // SAFETY: the status is valid storage.
    let pid = unsafe { libc::waitpid(child, &raw mut status, libc::WNOHANG) };
    (pid > 0).then_some((pid, status))
}

/// Makes the descriptor `target` stand for what `source` stands for.
pub(crate) fn replace(target: BorrowedFd<'_>, source: BorrowedFd<'_>) -> io::Result<()> {
    // SAFETY: both descriptors are valid; the caller's `target` stays open, on something else.
    let result = unsafe { libc::dup2(source.as_raw_fd(), target.as_raw_fd()) };
    if result < 0 {
        Err(io::Error::last_os_error())
    } else {
        Ok(())
    }
}

/// Sends a signal to a child.
pub(crate) fn send_signal(pid: i32, signal: i32) {
    // SAFETY: takes integers only; a child that is gone is no fault.
    unsafe { libc::kill(pid, signal) };
}

fn c_string(text: &str) -> io::Result<CString> {
    CString::new(text).map_err(|_| io::Error::from_raw_os_error(libc::EINVAL))
}

/// Gives this thread new namespaces of the kinds in `flags`.
pub(crate) fn unshare(flags: i32) -> io::Result<()> {
    // SAFETY: takes an integer; none of the kinds used affects memory or descriptors.
    if unsafe { libc::unshare(flags) } == 0 {
        Ok(())
    } else {
        Err(io::Error::last_os_error())
    }
}

/// Closes every descriptor from 3 up but those in `kept`. For init alone: of what it has copied
/// from the supervisor it uses nothing else again, and it runs no destructors.
pub(crate) fn keep_only(kept: &[BorrowedFd<'_>]) {
    let mut kept: Vec<u32> = kept
        .iter()
        .map(|fd| fd.as_raw_fd().cast_unsigned())
        .collect();
    kept.sort_unstable();
    let mut first: u32 = 3;
    for fd in kept.into_iter().chain([u32::MAX]) {
        if fd > first {
            let last = if fd == u32::MAX { fd } else { fd - 1 };
            // SAFETY: as the function's description says, nothing in the range is used again.
            unsafe { libc::close_range(first, last, 0) };
        }
        first = fd.saturating_add(1).max(first);
    }
}
