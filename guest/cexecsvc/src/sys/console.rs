//! Consoles of Wine: a server object that a console host serves, and references to it.
//!
//! ```text
//! \Device\ConDrv\Server ──"Reference"──▶ console ◀── attached processes
//!        │ requests of programs queue up here; the handle is then signaled
//!        ▼
//!   conhost.exe --server HANDLE
//! ```
#![allow(unsafe_code)] // Wraps console calls.

use std::os::windows::io::{AsHandle, AsRawHandle, OwnedHandle, RawHandle};

use porthole_protocol::ConsoleSize;
use windows_sys::Win32::Storage::FileSystem::{
    FILE_READ_ATTRIBUTES, FILE_READ_DATA, FILE_SHARE_DELETE, FILE_SHARE_READ, FILE_SHARE_WRITE,
    FILE_WRITE_ATTRIBUTES, FILE_WRITE_DATA, SYNCHRONIZE,
};
use windows_sys::Win32::System::Console::{
    COORD, SMALL_RECT, SetConsoleCtrlHandler, SetConsoleScreenBufferSize, SetConsoleWindowInfo,
};

use super::event::wait_any;
use super::nt::{self, DeviceAccess, ObjectName};
use crate::error::{Failure, Outcome};

/// `FILE_READ_PROPERTIES | FILE_WRITE_PROPERTIES`, by their other names.
const PROPERTIES: u32 = 0x08 | 0x10;
/// `FILE_SYNCHRONOUS_IO_NONALERT | FILE_NON_DIRECTORY_FILE`.
const SYNCHRONOUS: u32 = 0x20 | 0x40;

/// The end of a console that a console host serves.
#[derive(Debug)]
pub(crate) struct Server(OwnedHandle);

/// A console, to attach processes to.
#[derive(Debug)]
pub(crate) struct Reference(OwnedHandle);

/// Creates a console that nobody serves yet: what programs ask of it waits, and signals the
/// server's handle, until a console host is given that handle.
pub(crate) fn create() -> Outcome<(Server, Reference)> {
    let name = ObjectName::new(r"\Device\ConDrv\Server", None).inheritable();
    let access = PROPERTIES | SYNCHRONIZE;
    let server = nt::open_device(
        &name,
        DeviceAccess {
            access,
            sharing: 0,
            options: SYNCHRONOUS,
        },
    )?;
    let name = ObjectName::new("Reference", Some(server.as_handle()));
    let access = FILE_READ_DATA | FILE_WRITE_DATA | PROPERTIES | SYNCHRONIZE;
    let how = DeviceAccess {
        access,
        sharing: 0,
        options: SYNCHRONOUS,
    };
    let reference = nt::open_device(&name, how)?;
    Ok((Server(server), Reference(reference)))
}

impl Server {
    /// The handle: signaled when a request waits, or when the console is gone.
    pub(crate) fn handle(&self) -> &OwnedHandle {
        &self.0
    }
}

impl Reference {
    /// The handle's value.
    pub(crate) fn as_raw_handle(&self) -> RawHandle {
        self.0.as_raw_handle()
    }

    /// Another reference to the same console.
    pub(crate) fn try_clone(&self) -> Outcome<Self> {
        let clone = self
            .0
            .try_clone()
            .map_err(|_| Failure::last("DuplicateHandle"))?;
        Ok(Self(clone))
    }

    /// Makes the console's host read its keyboard from now on. It would begin only when a program
    /// asks for input, and Ctrl-C must reach also those that never do. Wine begins, too, when
    /// somebody waits for the console.
    pub(crate) fn read_keyboard(&self) -> Outcome<()> {
        wait_any(&[self.0.as_handle()], Some(0)).map(drop)
    }

    /// Attaches the agent to the console and opens the screen buffer that is shown. The agent is
    /// detached again when the connection is dropped; it can be attached to one console at a time.
    fn active_screen(&self) -> Outcome<(OwnedHandle, OwnedHandle)> {
        const FILE_NON_DIRECTORY_FILE: u32 = 0x40;
        let name = ObjectName::new("Connection", Some(self.0.as_handle()));
        let access = PROPERTIES | SYNCHRONIZE;
        let how = DeviceAccess {
            access,
            sharing: 0,
            options: FILE_NON_DIRECTORY_FILE,
        };
        let connection = nt::open_device(&name, how)?;
        let name = ObjectName::new(r"\Device\ConDrv\CurrentOut", None);
        let access = FILE_READ_DATA | FILE_WRITE_DATA | SYNCHRONIZE;
        let sharing = FILE_SHARE_READ | FILE_SHARE_WRITE;
        let screen = nt::open_device(
            &name,
            DeviceAccess {
                access,
                sharing,
                options: SYNCHRONOUS,
            },
        )?;
        Ok((connection, screen))
    }

    /// Gives the console another size, window and buffer alike, as a terminal has it.
    ///
    /// Not to be called by two threads at once.
    pub(crate) fn resize(&self, size: ConsoleSize) -> Outcome<()> {
        let (_connection, screen) = self.active_screen()?;
        let limit = |cells: u16| i16::try_from(cells.max(1)).unwrap_or(i16::MAX);
        let buffer = COORD {
            X: limit(size.width),
            Y: limit(size.height),
        };
        let window = SMALL_RECT {
            Left: 0,
            Top: 0,
            Right: buffer.X - 1,
            Bottom: buffer.Y - 1,
        };
        let handle = screen.as_raw_handle();
        // The window must fit the buffer at every moment, so one of the two orders works.
        // SAFETY: takes plain values and one open handle.
        let shrunk = unsafe { SetConsoleWindowInfo(handle, 1, &raw const window) } != 0;
        // SAFETY: as above.
        let done = unsafe { SetConsoleScreenBufferSize(handle, buffer) };
        Failure::check_bool("SetConsoleScreenBufferSize", done)?;
        if !shrunk {
            // SAFETY: as above.
            let done = unsafe { SetConsoleWindowInfo(handle, 1, &raw const window) };
            Failure::check_bool("SetConsoleWindowInfo", done)?;
        }
        Ok(())
    }
}

/// Handles that mean the keyboard and the screen of whichever console the process that uses them is
/// attached to; inheritable, for a program's standard handles.
pub(crate) fn standard_handles() -> Outcome<(OwnedHandle, OwnedHandle)> {
    let open = |name| {
        let name = ObjectName::new(name, None).inheritable();
        let attributes = FILE_READ_ATTRIBUTES | FILE_WRITE_ATTRIBUTES;
        let access = FILE_READ_DATA | FILE_WRITE_DATA | SYNCHRONIZE | attributes;
        let sharing = FILE_SHARE_READ | FILE_SHARE_WRITE | FILE_SHARE_DELETE;
        nt::open_device(
            &name,
            DeviceAccess {
                access,
                sharing,
                options: SYNCHRONOUS,
            },
        )
    };
    Ok((
        open(r"\Device\ConDrv\Input")?,
        open(r"\Device\ConDrv\Output")?,
    ))
}

/// Makes the agent deaf to control events of consoles that it attaches itself to.
pub(crate) fn ignore_control_events() {
    unsafe extern "system" fn handled(_event: u32) -> i32 {
        1
    }
    // SAFETY: the handler is a static function that touches nothing.
    unsafe { SetConsoleCtrlHandler(Some(handled), 1) };
}
