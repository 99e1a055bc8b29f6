//! Files: the Unix FIFOs of redirected streams, `NUL`, the channel to the supervisor.
#![allow(unsafe_code)] // Wraps file calls.

use std::io;
use std::os::windows::io::{AsHandle, AsRawHandle, FromRawHandle, OwnedHandle, RawHandle};
use std::ptr;

use windows_sys::Win32::Foundation::{
    ERROR_BROKEN_PIPE, ERROR_HANDLE_EOF, GENERIC_READ, GENERIC_WRITE, GetLastError,
    INVALID_HANDLE_VALUE,
};
use windows_sys::Win32::Security::SECURITY_ATTRIBUTES;
use windows_sys::Win32::Storage::FileSystem::{
    CreateFileW, FILE_SHARE_READ, FILE_SHARE_WRITE, FlushFileBuffers, OPEN_EXISTING, ReadFile,
    WriteFile,
};
use windows_sys::Win32::System::Console::{GetStdHandle, STD_INPUT_HANDLE, STD_OUTPUT_HANDLE};

use super::text::wide;
use crate::error::{Failure, Outcome};

/// Which way a file is opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Direction {
    /// For reading.
    Read,
    /// For writing.
    Write,
    /// For both.
    Both,
}

impl Direction {
    const fn access(self) -> u32 {
        match self {
            Self::Read => GENERIC_READ,
            Self::Write => GENERIC_WRITE,
            Self::Both => GENERIC_READ | GENERIC_WRITE,
        }
    }
}

/// How a file is opened.
#[derive(Debug, Clone, Copy)]
pub(crate) struct OpenOptions {
    /// Which way.
    pub(crate) direction: Direction,
    /// Whether children may inherit the handle.
    pub(crate) inherit: bool,
    /// Flags and attributes for `CreateFile`.
    pub(crate) flags: u32,
}

/// Opens an existing file.
pub(crate) fn open(path: &str, options: OpenOptions) -> Outcome<OwnedHandle> {
    let path = wide(path);
    let attributes = security(options.inherit);
    // SAFETY: path and attributes outlive the call.
    let handle = unsafe {
        CreateFileW(
            path.as_ptr(),
            options.direction.access(),
            FILE_SHARE_READ | FILE_SHARE_WRITE,
            &raw const attributes,
            OPEN_EXISTING,
            options.flags,
            ptr::null_mut(),
        )
    };
    if handle == INVALID_HANDLE_VALUE {
        return Err(Failure::last("CreateFile"));
    }
    // SAFETY: the call succeeded, so the handle is ours.
    Ok(unsafe { OwnedHandle::from_raw_handle(handle) })
}

/// Opens a FIFO or file of the silo's Unix side by its absolute Unix path.
pub(crate) fn open_unix(path: &str, direction: Direction, inherit: bool) -> Outcome<OwnedHandle> {
    let path = format!(r"\\?\unix{}", path.replace('/', r"\"));
    open(
        &path,
        OpenOptions {
            direction,
            inherit,
            flags: 0,
        },
    )
}

/// Opens `NUL`, inheritable.
pub(crate) fn open_null() -> Outcome<OwnedHandle> {
    open(
        "NUL",
        OpenOptions {
            direction: Direction::Both,
            inherit: true,
            flags: 0,
        },
    )
}

/// Security attributes that say only whether the handle is inherited.
pub(super) fn security(inherit: bool) -> SECURITY_ATTRIBUTES {
    SECURITY_ATTRIBUTES {
        nLength: u32::try_from(size_of::<SECURITY_ATTRIBUTES>()).unwrap_or(0),
        lpSecurityDescriptor: ptr::null_mut(),
        bInheritHandle: i32::from(inherit),
    }
}

/// Reads what there is; 0 at the end of the stream.
pub(crate) fn read(file: &impl AsHandle, buffer: &mut [u8]) -> io::Result<usize> {
    let mut count = 0;
    let length = u32::try_from(buffer.len()).unwrap_or(u32::MAX);
    // SAFETY: the buffer is at least `length` bytes long, and the call is synchronous.
    let done = unsafe {
        ReadFile(
            raw(file),
            buffer.as_mut_ptr(),
            length,
            &raw mut count,
            ptr::null_mut(),
        )
    };
    if done != 0 {
        return Ok(count as usize);
    }
    // SAFETY: reads a thread-local value.
    match unsafe { GetLastError() } {
        ERROR_BROKEN_PIPE | ERROR_HANDLE_EOF => Ok(0),
        code => Err(io::Error::from_raw_os_error(code.cast_signed())),
    }
}

/// Waits until everything that was written to a pipe has been read.
pub(crate) fn await_reader(pipe: &impl AsHandle) -> io::Result<()> {
    // SAFETY: the borrowed handle stays open during the call.
    match unsafe { FlushFileBuffers(raw(pipe)) } {
        0 => Err(io::Error::last_os_error()),
        _ => Ok(()),
    }
}

/// Writes all of `bytes`.
pub(crate) fn write_all(file: &impl AsHandle, mut bytes: &[u8]) -> io::Result<()> {
    while !bytes.is_empty() {
        let mut count = 0;
        let length = u32::try_from(bytes.len()).unwrap_or(u32::MAX);
        // SAFETY: `bytes` is at least `length` bytes long, and the call is synchronous.
        let done = unsafe {
            WriteFile(
                raw(file),
                bytes.as_ptr(),
                length,
                &raw mut count,
                ptr::null_mut(),
            )
        };
        if done == 0 {
            return Err(io::Error::last_os_error());
        }
        if count == 0 {
            return Err(io::ErrorKind::WriteZero.into());
        }
        bytes = &bytes[count as usize..];
    }
    Ok(())
}

fn raw(file: &impl AsHandle) -> RawHandle {
    file.as_handle().as_raw_handle()
}

/// A blocking stream over a file handle.
#[derive(Debug)]
pub(crate) struct Stream(OwnedHandle);

impl io::Read for Stream {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        read(&self.0, buffer)
    }
}

impl io::Write for Stream {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        write_all(&self.0, bytes)?;
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// The streams that the agent was started with: from and to the supervisor. Call once.
pub(crate) fn channel() -> Outcome<(Stream, Stream)> {
    Ok((standard(STD_INPUT_HANDLE)?, standard(STD_OUTPUT_HANDLE)?))
}

fn standard(which: u32) -> Outcome<Stream> {
    // SAFETY: returns a handle of the process parameters.
    let handle = unsafe { GetStdHandle(which) };
    if handle.is_null() || handle == INVALID_HANDLE_VALUE {
        return Err(Failure::last("GetStdHandle"));
    }
    super::process::forbid_inheritance(handle);
    // SAFETY: the agent alone uses its standard handles, and takes each once.
    Ok(Stream(unsafe { OwnedHandle::from_raw_handle(handle) }))
}
