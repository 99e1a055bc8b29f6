//! Leaving the process that started us.
#![allow(unsafe_code)]
// `fork`, `close_range` and signal masks have no safe wrappers: all affect the whole process.

use std::fs;
use std::io::Write;
use std::os::fd::{AsFd, FromRawFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::Path;

use anyhow::{Context, Result};
use porthole_sandbox::cgroup::Birthplace;
use rustix::fs::{FlockOperation, Mode, OFlags, flock};

/// Which side of [`split`] this is.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// The process that was started, whose end its starter waits for.
    Caller,
    /// The process that stays.
    Supervisor,
}

/// Protection from being chosen when the host's memory runs out: a supervisor that is killed
/// takes its container with it, and frees next to nothing.
const OOM_SCORE: &str = "-500";

/// Closes whatever the starter has left open beyond the standard descriptors: another container's
/// pipe held here would never be seen to end.
pub(crate) fn close_inherited() {
    // SAFETY: called first in `main`, before anything of this program is open.
    unsafe { libc::close_range(3, u32::MAX, 0) };
}

/// Takes the lock that tells a running supervisor, held until the result is dropped.
pub(crate) fn lock(directory: &Path) -> rustix::io::Result<OwnedFd> {
    let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
    let directory = rustix::fs::open(directory, flags, Mode::empty())?;
    flock(&directory, FlockOperation::NonBlockingLockExclusive)?;
    Ok(directory)
}

/// Listens on `name` in `directory`. To be called under the lock: a socket there is a dead one's.
pub(crate) fn listen(directory: &Path, name: &str) -> Result<UnixListener> {
    // A relative name: the path as a whole may be longer than a socket's address can be.
    std::env::set_current_dir(directory)
        .with_context(|| format!("cannot enter {}", directory.display()))?;
    match fs::remove_file(name) {
        Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
            return Err(error).with_context(|| format!("cannot remove the stale {name}"));
        }
        _ => {}
    }
    let before = rustix::process::umask(Mode::from_raw_mode(0o177));
    let listener = UnixListener::bind(name);
    rustix::process::umask(before);
    let listener = listener.with_context(|| format!("cannot listen on {name}"))?;
    listener
        .set_nonblocking(true)
        .context("cannot use the socket")?;
    std::env::set_current_dir("/").context("cannot enter /")?;
    Ok(listener)
}

/// Makes the process that stays, in `cgroup` if it is to be in another than this.
pub(crate) fn split(cgroup: Option<&Birthplace>) -> Result<Side> {
    if let Some(cgroup) = cgroup {
        let is_child = cgroup.duplicate_process()?;
        return Ok(if is_child {
            Side::Supervisor
        } else {
            Side::Caller
        });
    }
    // SAFETY: this process has one thread, so the child may do anything that its parent may.
    match unsafe { libc::fork() } {
        -1 => Err(std::io::Error::last_os_error()).context("cannot detach"),
        0 => Ok(Side::Supervisor),
        _ => Ok(Side::Caller),
    }
}

/// Makes this process independent: its own session, no terminal, errors into `log`.
pub(crate) fn settle(log: &Path) -> Result<()> {
    rustix::process::setsid().context("cannot start a session")?;
    let null = rustix::fs::open("/dev/null", OFlags::RDWR | OFlags::CLOEXEC, Mode::empty())
        .context("cannot open /dev/null")?;
    let flags = OFlags::WRONLY | OFlags::APPEND | OFlags::CREATE | OFlags::CLOEXEC;
    let log = rustix::fs::open(log, flags, Mode::from_raw_mode(0o600))
        .with_context(|| format!("cannot open {}", log.display()))?;
    rustix::stdio::dup2_stdin(&null).context("cannot leave standard input")?;
    rustix::stdio::dup2_stdout(&null).context("cannot leave standard output")?;
    rustix::stdio::dup2_stderr(log.as_fd()).context("cannot leave standard error")?;
    // Not everybody who may start silos may do this.
    let _ = fs::File::options()
        .write(true)
        .open("/proc/self/oom_score_adj")
        .and_then(|mut file| file.write_all(OOM_SCORE.as_bytes()));
    Ok(())
}

/// A descriptor that becomes readable when this process is asked to end, as every process is when
/// the host shuts down. Whoever is started from here inherits the blocked signal; the silo's init
/// gives its services the usual mask.
pub(crate) fn termination() -> Result<OwnedFd> {
    // SAFETY: an all-zero set is valid storage for `sigemptyset`.
    let mut set: libc::sigset_t = unsafe { std::mem::zeroed() };
    // SAFETY: the set is valid.
    unsafe { libc::sigemptyset(&raw mut set) };
    // SAFETY: the set and the signal's number are valid.
    unsafe { libc::sigaddset(&raw mut set, libc::SIGTERM) };
    // SAFETY: the set is valid; the old mask is not wanted.
    let blocked =
        unsafe { libc::sigprocmask(libc::SIG_BLOCK, &raw const set, std::ptr::null_mut()) };
    // SAFETY: the set is valid; -1 asks for a new descriptor.
    let descriptor =
        unsafe { libc::signalfd(-1, &raw const set, libc::SFD_CLOEXEC | libc::SFD_NONBLOCK) };
    if blocked != 0 || descriptor < 0 {
        return Err(std::io::Error::last_os_error()).context("cannot wait for signals");
    }
    // SAFETY: the descriptor is new and ours.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}
