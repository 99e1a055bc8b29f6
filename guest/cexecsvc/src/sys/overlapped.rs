//! Operations on pipes that do not block the thread that starts them.
#![allow(unsafe_code)] // Wraps calls that go on after they have returned.

use std::os::windows::io::{AsRawHandle, OwnedHandle};
use std::ptr;

use windows_sys::Win32::Foundation::{ERROR_IO_PENDING, ERROR_PIPE_CONNECTED};
use windows_sys::Win32::Storage::FileSystem::{ReadFile, WriteFile};
use windows_sys::Win32::System::IO::{CancelIoEx, GetOverlappedResult, OVERLAPPED};
use windows_sys::Win32::System::Pipes::ConnectNamedPipe;

use super::event::Event;
use crate::error::{Failure, Outcome};

/// A pipe, opened for overlapped operations, with one operation at a time.
///
/// The operation's state lives on the heap and is handed back only when the operation is over, so
/// the kernel never writes into memory that is gone.
struct Operation {
    pipe: OwnedHandle,
    done: Event,
    state: Box<OVERLAPPED>,
    pending: bool,
}

// SAFETY: the raw pointers inside `OVERLAPPED` belong to this operation alone.
unsafe impl Send for Operation {}

impl Operation {
    fn new(pipe: OwnedHandle) -> Outcome<Self> {
        Ok(Self {
            pipe,
            done: Event::new()?,
            state: Box::default(),
            pending: false,
        })
    }

    /// Notes what a call on the pipe with this state has returned. Its end signals `done`.
    fn begun(&mut self, name: &'static str, result: i32) -> Outcome<()> {
        let failure = (result == 0).then(|| Failure::last(name));
        match failure.map(Failure::code) {
            None | Some(ERROR_IO_PENDING) => self.pending = true,
            // Somebody has come before us: there is nothing to wait for.
            Some(ERROR_PIPE_CONNECTED) => self.done.set(),
            Some(_) => return failure.map_or(Ok(()), Err),
        }
        Ok(())
    }

    /// The state for the next call.
    fn state(&mut self) -> *mut OVERLAPPED {
        self.done.reset();
        *self.state = OVERLAPPED::default();
        self.state.hEvent = self.done.handle().as_raw_handle();
        &raw mut *self.state
    }

    /// Waits until the operation is over; the bytes that it has moved.
    fn finish(&mut self, name: &'static str) -> Outcome<usize> {
        if !std::mem::take(&mut self.pending) {
            return Ok(0);
        }
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
        Failure::check_bool(name, result)?;
        Ok(count as usize)
    }
}

impl Drop for Operation {
    fn drop(&mut self) {
        if self.pending {
            // SAFETY: cancels this handle's operations; then waits until the kernel is done.
            unsafe { CancelIoEx(self.pipe.as_raw_handle(), ptr::null()) };
            let _ = self.finish("CancelIoEx");
        }
    }
}

/// Reading from a pipe, and writing to it meanwhile.
pub(crate) struct OverlappedRead {
    // Dropped before the buffer that it reads into.
    read: Operation,
    buffer: Box<[u8]>,
}

impl std::fmt::Debug for OverlappedRead {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter
            .debug_struct("OverlappedRead")
            .field("pending", &self.read.pending)
            .finish_non_exhaustive()
    }
}

impl OverlappedRead {
    /// Reads from `pipe` (opened for overlapped operations) in pieces of at most `size` bytes.
    pub(crate) fn new(pipe: OwnedHandle, size: usize) -> Outcome<Self> {
        Ok(Self {
            read: Operation::new(pipe)?,
            buffer: vec![0; size].into_boxed_slice(),
        })
    }

    /// Starts the next read. Its end signals [`OverlappedRead::done`].
    pub(crate) fn start(&mut self) -> Outcome<()> {
        let length = u32::try_from(self.buffer.len()).unwrap_or(u32::MAX);
        let state = self.read.state();
        // SAFETY: buffer and state stay in place until the operation is over (see `drop`).
        let result = unsafe {
            ReadFile(
                self.read.pipe.as_raw_handle(),
                self.buffer.as_mut_ptr(),
                length,
                ptr::null_mut(),
                state,
            )
        };
        self.read.begun("ReadFile", result)
    }

    /// Signaled when the started read is over.
    pub(crate) fn done(&self) -> &OwnedHandle {
        self.read.done.handle()
    }

    /// Waits for the started read; what it read.
    ///
    /// # Errors
    /// At the end of the pipe too.
    pub(crate) fn finish(&mut self) -> Outcome<&[u8]> {
        let count = self.read.finish("ReadFile")?;
        Ok(&self.buffer[..count])
    }

    /// Writes all of `bytes`, as one message where it is a pipe of messages, and waits for that.
    pub(crate) fn write(&self, bytes: &[u8]) -> Outcome<()> {
        let pipe = self.read.pipe.try_clone();
        let mut write = Operation::new(pipe.map_err(|_| Failure::last("DuplicateHandle"))?)?;
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        let state = write.state();
        // SAFETY: the bytes outlive the operation, which is over at the end of this function.
        let result = unsafe {
            WriteFile(
                write.pipe.as_raw_handle(),
                bytes.as_ptr(),
                length,
                ptr::null_mut(),
                state,
            )
        };
        write.begun("WriteFile", result)?;
        write.finish("WriteFile").map(drop)
    }
}

/// A pipe that waits for its client.
pub(crate) struct Listener(Operation);

impl std::fmt::Debug for Listener {
    fn fmt(&self, formatter: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        formatter.debug_struct("Listener").finish_non_exhaustive()
    }
}

impl Listener {
    /// Waits for the client of `pipe` (opened for overlapped operations).
    pub(crate) fn new(pipe: OwnedHandle) -> Outcome<Self> {
        let mut listen = Operation::new(pipe)?;
        let state = listen.state();
        // SAFETY: the state stays in place until the operation is over (see `drop`).
        let result = unsafe { ConnectNamedPipe(listen.pipe.as_raw_handle(), state) };
        listen.begun("ConnectNamedPipe", result)?;
        Ok(Self(listen))
    }

    /// Signaled when the client has come.
    pub(crate) fn done(&self) -> &OwnedHandle {
        self.0.done.handle()
    }

    /// Waits for the client; the connection to it.
    pub(crate) fn accept(mut self) -> Outcome<OwnedHandle> {
        self.0.finish("ConnectNamedPipe")?;
        let pipe = self.0.pipe.try_clone();
        pipe.map_err(|_| Failure::last("DuplicateHandle"))
    }
}
