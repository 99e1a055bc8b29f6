//! A system call that the supervisor answers instead of the kernel.
//!
//! Written here because `seccompiler` knows no filter that asks, and `libseccomp` is a C library.
//! Unsafe because seccomp's own calls take raw pointers.
#![allow(unsafe_code)]

use std::fs::OpenOptions;
use std::io;
use std::os::fd::{AsRawFd, FromRawFd, OwnedFd, RawFd};
use std::os::unix::fs::FileExt;

use rustix::event::{PollFd, PollFlags, poll};
use rustix::io::Errno;

/// Offset of the call's number in `struct seccomp_data`.
const NUMBER: u32 = 0;

/// `SECCOMP_USER_NOTIF_FLAG_CONTINUE`, which `libc` has in another width.
const CONTINUE: u32 = 1;

const LOAD: u16 = 0x20;
const JUMP_IF_EQUAL: u16 = 0x15;
const RETURN: u16 = 0x06;

/// Puts the calling thread and all it starts behind a filter that asks about `call`. Returns the
/// descriptor at which it asks.
///
/// The call's number alone decides: on every other architecture the other filters refuse, and a
/// refusal goes before a question.
pub(super) fn install(call: u32) -> io::Result<OwnedFd> {
    let instruction = |code, jt, jf, k| libc::sock_filter { code, jt, jf, k };
    let mut instructions = [
        instruction(LOAD, 0, 0, NUMBER),
        instruction(JUMP_IF_EQUAL, 0, 1, call),
        instruction(RETURN, 0, 0, libc::SECCOMP_RET_USER_NOTIF),
        instruction(RETURN, 0, 0, libc::SECCOMP_RET_ALLOW),
    ];
    let program = libc::sock_fprog {
        len: 4,
        filter: instructions.as_mut_ptr(),
    };
    // SAFETY: the program and its instructions are valid for the call, which copies them.
    let descriptor = unsafe {
        libc::syscall(
            libc::SYS_seccomp,
            libc::SECCOMP_SET_MODE_FILTER,
            libc::SECCOMP_FILTER_FLAG_NEW_LISTENER,
            &raw const program,
        )
    };
    let descriptor = RawFd::try_from(descriptor).unwrap_or(-1);
    if descriptor < 0 {
        return Err(io::Error::last_os_error());
    }
    // SAFETY: the kernel has just made this descriptor for us; nobody else owns it.
    Ok(unsafe { OwnedFd::from_raw_fd(descriptor) })
}

/// Where the calls of a silo arrive.
#[derive(Debug)]
pub(crate) struct Listener(OwnedFd);

/// A call whose caller waits.
#[derive(Debug)]
pub(crate) struct Call {
    id: u64,
    /// The caller's thread ID here.
    thread: u32,
    arguments: [u64; 6],
}

/// What becomes of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Answer {
    /// It returns 0.
    Success,
    /// The kernel carries it out.
    Native,
}

impl Listener {
    pub(crate) fn new(descriptor: OwnedFd) -> Self {
        Self(descriptor)
    }

    /// Waits for a call; nothing when no process is left that could make one.
    pub(crate) fn next(&self) -> io::Result<Option<Call>> {
        loop {
            let mut ready = [PollFd::new(&self.0, PollFlags::IN)];
            match poll(&mut ready, None) {
                Ok(_) | Err(Errno::INTR) => {}
                Err(error) => return Err(error.into()),
            }
            let events = ready[0].revents();
            if events.contains(PollFlags::IN) {
                match self.receive() {
                    // Its caller was killed, or was interrupted and will ask again.
                    Err(error) if error.raw_os_error() == Some(libc::ENOENT) => {}
                    Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                    received => return received.map(Some),
                }
            } else if !events.is_empty() {
                return Ok(None);
            }
        }
    }

    /// Takes the next call. Waits only where none has arrived since the last one was taken.
    fn receive(&self) -> io::Result<Call> {
        // SAFETY: an all-zero structure is valid, and what the kernel demands.
        let mut call: libc::seccomp_notif = unsafe { std::mem::zeroed() };
        // SAFETY: the structure is valid for the call, and its size is part of the request.
        let result = unsafe {
            libc::ioctl(
                self.0.as_raw_fd(),
                libc::SECCOMP_IOCTL_NOTIF_RECV,
                &raw mut call,
            )
        };
        if result < 0 {
            return Err(io::Error::last_os_error());
        }
        Ok(Call {
            id: call.id,
            thread: call.pid,
            arguments: call.data.args,
        })
    }

    /// Writes `content` to the caller's memory, where the call's first argument points.
    ///
    /// # Errors
    /// Where the caller has no memory, or waits no longer.
    pub(crate) fn write_to_caller(&self, call: &Call, content: &[u8]) -> io::Result<()> {
        let memory = OpenOptions::new()
            .write(true)
            .open(format!("/proc/{}/mem", call.thread))?;
        // The ID could have become another process's by now. If not, the memory that is open is
        // the caller's, and stays that.
        if !self.awaits(call) {
            return Err(Errno::SRCH.into());
        }
        memory.write_all_at(content, call.arguments[0])
    }

    /// Whether the call's caller waits still.
    fn awaits(&self, call: &Call) -> bool {
        // SAFETY: the request reads an ID, valid for the call.
        let result = unsafe {
            libc::ioctl(
                self.0.as_raw_fd(),
                libc::SECCOMP_IOCTL_NOTIF_ID_VALID,
                &raw const call.id,
            )
        };
        result == 0
    }

    /// Lets the caller go on. One that waits no longer needs no answer.
    pub(crate) fn answer(&self, call: &Call, answer: Answer) {
        let flags = match answer {
            Answer::Success => 0,
            Answer::Native => CONTINUE,
        };
        let response = libc::seccomp_notif_resp {
            id: call.id,
            val: 0,
            error: 0,
            flags,
        };
        // SAFETY: the structure is valid for the call, and its size is part of the request.
        unsafe {
            libc::ioctl(
                self.0.as_raw_fd(),
                libc::SECCOMP_IOCTL_NOTIF_SEND,
                &raw const response,
            )
        };
    }
}
