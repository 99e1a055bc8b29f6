//! Named pipes for the standard streams of programs.
#![allow(unsafe_code)] // Wraps pipe calls.

use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering};

use windows_sys::Win32::Foundation::INVALID_HANDLE_VALUE;
use windows_sys::Win32::Storage::FileSystem::{
    FILE_FLAG_FIRST_PIPE_INSTANCE, FILE_FLAG_OVERLAPPED, PIPE_ACCESS_DUPLEX,
};
use windows_sys::Win32::System::Pipes::{
    CreateNamedPipeW, PIPE_READMODE_MESSAGE, PIPE_REJECT_REMOTE_CLIENTS, PIPE_TYPE_BYTE,
    PIPE_TYPE_MESSAGE, PIPE_UNLIMITED_INSTANCES, PIPE_WAIT, SetNamedPipeHandleState,
};

use super::file::{self, Direction, OpenOptions};
use super::text::wide;
use crate::error::{Failure, Outcome};

/// Bytes that a pipe holds before its writer waits.
pub(crate) const QUOTA: usize = 128 * 1024;

/// A pipe: the agent's end and the program's.
#[derive(Debug)]
pub(crate) struct Pipe {
    /// The agent's end.
    pub(crate) ours: OwnedHandle,
    /// The program's end, inheritable, synchronous as programs expect of standard handles.
    pub(crate) theirs: OwnedHandle,
}

/// Whether the agent's end is used with overlapped operations.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// Calls return when the operation is done.
    Synchronous,
    /// For [`OverlappedRead`](super::overlapped::OverlappedRead).
    Overlapped,
}

/// Creates a pipe with a name that nothing else uses.
///
/// Both ends are duplex: Node.js, for one, sets the mode of the handles it inherits, which asks
/// for more access than reading or writing alone.
pub(crate) fn create(mode: Mode) -> Outcome<Pipe> {
    static SEQUENCE: AtomicU32 = AtomicU32::new(0);
    let sequence = SEQUENCE.fetch_add(1, Ordering::Relaxed);
    let name = format!(r"\\.\pipe\cexecsvc.{}.{sequence}", std::process::id());
    let overlapped = if mode == Mode::Overlapped {
        FILE_FLAG_OVERLAPPED
    } else {
        0
    };
    let ours = make(
        &name,
        FILE_FLAG_FIRST_PIPE_INSTANCE | overlapped,
        PIPE_TYPE_BYTE | PIPE_REJECT_REMOTE_CLIENTS,
        1,
    )?;
    let options = OpenOptions {
        direction: Direction::Both,
        inherit: true,
        flags: 0,
    };
    let theirs = file::open(&name, options)?;
    Ok(Pipe { ours, theirs })
}

/// The server's end of a pipe of messages, opened for overlapped operations. Others may make more
/// ends of that name, as a server of remote procedure calls does.
pub(crate) fn create_for_messages(name: &str) -> Outcome<OwnedHandle> {
    make(
        name,
        FILE_FLAG_OVERLAPPED,
        PIPE_TYPE_MESSAGE | PIPE_READMODE_MESSAGE,
        PIPE_UNLIMITED_INSTANCES,
    )
}

/// The client's end of a pipe of messages, opened for overlapped operations.
pub(crate) fn open_for_messages(name: &str) -> Outcome<OwnedHandle> {
    let options = OpenOptions {
        direction: Direction::Both,
        inherit: false,
        flags: FILE_FLAG_OVERLAPPED,
    };
    let pipe = file::open(name, options)?;
    let mode = PIPE_READMODE_MESSAGE;
    // SAFETY: reads one number; the optional ones are not passed.
    let done = unsafe {
        SetNamedPipeHandleState(
            pipe.as_raw_handle(),
            &raw const mode,
            ptr::null(),
            ptr::null(),
        )
    };
    Failure::check_bool("SetNamedPipeHandleState", done)?;
    Ok(pipe)
}

fn make(name: &str, flags: u32, mode: u32, instances: u32) -> Outcome<OwnedHandle> {
    let name = wide(name);
    let quota = u32::try_from(QUOTA).unwrap_or(u32::MAX);
    // SAFETY: the name outlives the call; no security attributes are passed.
    let handle = unsafe {
        CreateNamedPipeW(
            name.as_ptr(),
            PIPE_ACCESS_DUPLEX | flags,
            PIPE_WAIT | mode,
            instances,
            quota,
            quota,
            0,
            ptr::null(),
        )
    };
    if handle == INVALID_HANDLE_VALUE {
        return Err(Failure::last("CreateNamedPipe"));
    }
    // SAFETY: the call succeeded, so the handle is ours.
    Ok(unsafe { OwnedHandle::from_raw_handle(handle) })
}
