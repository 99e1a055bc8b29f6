//! Named pipes for the standard streams of programs.
#![allow(unsafe_code)] // Wraps pipe calls.

use std::os::windows::io::{AsRawHandle, FromRawHandle, OwnedHandle};
use std::ptr;
use std::sync::atomic::{AtomicU32, Ordering};

use windows_sys::Win32::Foundation::{ERROR_IO_PENDING, GetLastError, INVALID_HANDLE_VALUE};
use windows_sys::Win32::Storage::FileSystem::{
    FILE_FLAG_FIRST_PIPE_INSTANCE, FILE_FLAG_OVERLAPPED, PIPE_ACCESS_DUPLEX, ReadFile,
};
use windows_sys::Win32::System::IO::{CancelIoEx, GetOverlappedResult, OVERLAPPED};
use windows_sys::Win32::System::Pipes::{
    CreateNamedPipeW, PIPE_REJECT_REMOTE_CLIENTS, PIPE_TYPE_BYTE, PIPE_WAIT,
};

use super::event::Event;
use super::file::{self, Direction, OpenOptions};
use super::text::wide;
use crate::error::{Failure, Outcome};

/// Bytes that a pipe holds before its writer waits.
const QUOTA: u32 = 128 * 1024;

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
    /// For [`OverlappedRead`].
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
    let wide_name = wide(&name);
    // SAFETY: the name outlives the call; no security attributes are passed.
    let handle = unsafe {
        CreateNamedPipeW(
            wide_name.as_ptr(),
            PIPE_ACCESS_DUPLEX | FILE_FLAG_FIRST_PIPE_INSTANCE | overlapped,
            PIPE_TYPE_BYTE | PIPE_WAIT | PIPE_REJECT_REMOTE_CLIENTS,
            1,
            QUOTA,
            QUOTA,
            0,
            ptr::null(),
        )
    };
    if handle == INVALID_HANDLE_VALUE {
        return Err(Failure::last("CreateNamedPipe"));
    }
    // SAFETY: the call succeeded, so the handle is ours.
    let ours = unsafe { OwnedHandle::from_raw_handle(handle) };
    let options = OpenOptions {
        direction: Direction::Both,
        inherit: true,
        flags: 0,
    };
    let theirs = file::open(&name, options)?;
    Ok(Pipe { ours, theirs })
}

/// Reading from a pipe without blocking the thread, one operation at a time.
///
/// The buffer and the operation's state live on the heap and are handed back only when the
/// operation is over, so the kernel never writes into memory that is gone.
pub(crate) struct OverlappedRead {
    pipe: OwnedHandle,
    done: Event,
    state: Box<OVERLAPPED>,
    buffer: Box<[u8]>,
    pending: bool,
}

impl std::fmt::Debug for OverlappedRead {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("OverlappedRead")
            .field("pending", &self.pending)
            .finish_non_exhaustive()
    }
}

// SAFETY: the raw pointers inside `OVERLAPPED` belong to this operation alone.
unsafe impl Send for OverlappedRead {}

impl OverlappedRead {
    /// Reads from `pipe` (opened for overlapped operations) in pieces of at most `size` bytes.
    pub(crate) fn new(pipe: OwnedHandle, size: usize) -> Outcome<Self> {
        Ok(Self {
            pipe,
            done: Event::new()?,
            state: Box::default(),
            buffer: vec![0; size].into_boxed_slice(),
            pending: false,
        })
    }

    /// Starts the next read. Its end signals [`OverlappedRead::done`].
    pub(crate) fn start(&mut self) -> Outcome<()> {
        self.done.reset();
        *self.state = OVERLAPPED::default();
        self.state.hEvent = self.done.handle().as_raw_handle();
        let length = u32::try_from(self.buffer.len()).unwrap_or(u32::MAX);
        // SAFETY: buffer and state stay in place until the operation is over (see `drop`).
        let done = unsafe {
            ReadFile(
                self.pipe.as_raw_handle(),
                self.buffer.as_mut_ptr(),
                length,
                ptr::null_mut(),
                &raw mut *self.state,
            )
        };
        // SAFETY: reads a thread-local value.
        if done == 0 && unsafe { GetLastError() } != ERROR_IO_PENDING {
            return Err(Failure::last("ReadFile"));
        }
        self.pending = true;
        Ok(())
    }

    /// Signaled when the started read is over.
    pub(crate) fn done(&self) -> &OwnedHandle {
        self.done.handle()
    }

    /// Waits for the started read; what it read.
    ///
    /// # Errors
    /// At the end of the pipe too.
    pub(crate) fn finish(&mut self) -> Outcome<&[u8]> {
        self.pending = false;
        let mut count = 0;
        // SAFETY: the state belongs to the operation started on this handle.
        let result = unsafe {
            GetOverlappedResult(
                self.pipe.as_raw_handle(),
                &raw const *self.state,
                &raw mut count,
                1,
            )
        };
        Failure::check_bool("ReadFile", result)?;
        Ok(&self.buffer[..count as usize])
    }
}

impl Drop for OverlappedRead {
    fn drop(&mut self) {
        if self.pending {
            // SAFETY: cancels this handle's operations, then waits until the kernel is done.
            unsafe { CancelIoEx(self.pipe.as_raw_handle(), ptr::null()) };
            let _ = self.finish();
        }
    }
}
