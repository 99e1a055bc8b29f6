//! The framed protocols between compute service, supervisor and guest agent.
//!
//! All run over a byte stream and use the same frame (see [`frame`]): a little-endian
//! `u32` length, then one message in the postcard encoding. Each side opens with [`Hello`]; a
//! peer of another major version is refused before anything else is decoded.
//!
//! - [`agent`]: supervisor ⇄ `cexecsvc.exe`, over a socket pair that the agent inherits as its
//!   standard input and output. The crate is compiled for Windows too, so that both ends share
//!   one definition.
//! - [`supervisor`]: compute service ⇄ supervisor, over the Unix socket in the system's run
//!   directory.
//! - [`archive`]: engine ⇄ the program that copies files into and out of a container.
//!
//! Everything received is hostile: lengths are bounded, decoding never panics and allocates no
//! more than the frame holds (fuzzed).

#![forbid(unsafe_code)]

pub mod agent;
pub mod archive;
mod bytes;
pub mod frame;
pub mod resource;
pub mod supervisor;

use serde::{Deserialize, Serialize};

/// The first message in each direction of a connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Hello {
    /// [`MAGIC`]; tells a stray peer from one of ours.
    pub magic: u32,
    /// The protocol's major version; both ends must agree.
    pub version: u16,
}

/// `"PORT"` in ASCII.
pub const MAGIC: u32 = 0x504f_5254;

impl Hello {
    /// The greeting of a peer that speaks `version`.
    #[must_use]
    pub const fn new(version: u16) -> Self {
        Self {
            magic: MAGIC,
            version,
        }
    }

    /// Whether a peer that sent this greeting can be spoken to by a peer of `version`.
    #[must_use]
    pub const fn agrees_with(self, version: u16) -> bool {
        self.magic == MAGIC && self.version == version
    }
}

/// A console control event, as `SignalProcessOptions.Signal` of HCS names it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ControlEvent {
    /// `CTRL_C_EVENT` (0).
    CtrlC,
    /// `CTRL_BREAK_EVENT` (1).
    CtrlBreak,
    /// `CTRL_CLOSE_EVENT` (2).
    CtrlClose,
    /// `CTRL_LOGOFF_EVENT` (5).
    CtrlLogOff,
    /// `CTRL_SHUTDOWN_EVENT` (6).
    CtrlShutdown,
}

/// The size of a console in character cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct ConsoleSize {
    /// Rows.
    pub height: u16,
    /// Columns.
    pub width: u16,
}

/// One Windows process of a silo, as `ProcessDetails` of HCS describes it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessEntry {
    /// The Windows process ID.
    pub pid: u32,
    /// The image's file name, without its directory.
    pub image_name: String,
    /// Time spent in user mode, in units of 100 ns.
    pub user_time_100ns: u64,
    /// Time spent in kernel mode, in units of 100 ns.
    pub kernel_time_100ns: u64,
    /// When the process was created: 100 ns units since 1601-01-01 UTC (a `FILETIME`).
    pub create_time: u64,
    /// Bytes of the private working set.
    pub private_working_set: u64,
    /// Bytes of committed memory.
    pub commit: u64,
}

/// Why an operation inside the silo failed, in Windows' terms.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
#[error("{operation}: {message} (0x{code:x})")]
pub struct WindowsError {
    /// The Win32 error code (not an HRESULT), for example 2 for a missing file.
    pub code: u32,
    /// The call that failed, for example `CreateProcess`.
    pub operation: String,
    /// Windows' own text for the code, without trailing line break.
    pub message: String,
}
