//! Processes in a compute system.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

/// A process to start.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct ProcessParameters {
    /// The executable, when the command line does not begin with it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub application_name: Option<String>,
    /// The raw command line.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub command_line: Option<String>,
    /// The account.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub user: Option<String>,
    /// The working directory.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub working_directory: Option<String>,
    /// Variables over the user's environment.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    pub environment: BTreeMap<String, String>,
    /// Whether it gets a console whose screen is its output stream.
    pub emulate_console: bool,
    /// Whether its input is a pipe.
    pub create_std_in_pipe: bool,
    /// Whether its output is a pipe.
    pub create_std_out_pipe: bool,
    /// Whether its errors are a pipe.
    pub create_std_err_pipe: bool,
    /// Height and width of the console.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub console_size: Option<[u16; 2]>,
}

/// A process's status.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct ProcessStatus {
    /// The Windows process ID.
    pub process_id: u32,
    /// Whether it has ended.
    pub exited: bool,
    /// All 32 bits of the exit code, when it has.
    pub exit_code: u32,
    /// The result of the last wait.
    pub last_wait_result: i32,
}

/// A control event to deliver.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct SignalProcessOptions {
    /// The event.
    pub signal: ProcessSignal,
}

/// A control event.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ProcessSignal {
    /// Ctrl-C.
    CtrlC,
    /// Ctrl-Break.
    CtrlBreak,
    /// The console closes.
    CtrlClose,
    /// The user logs off.
    CtrlLogOff,
    /// The system shuts down.
    CtrlShutdown,
}

/// A change to a process.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct ProcessModifyRequest {
    /// Which change.
    pub operation: ModifyOperation,
    /// The console's new size.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub console_size: Option<ConsoleSize>,
    /// The handle to close.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub close_handle: Option<CloseHandle>,
}

/// Which change.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ModifyOperation {
    /// Resize the console.
    ConsoleSize,
    /// Close a standard handle.
    CloseHandle,
}

/// A console's size in character cells.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct ConsoleSize {
    /// Rows.
    pub height: u16,
    /// Columns.
    pub width: u16,
}

/// A handle to close.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct CloseHandle {
    /// Which.
    pub handle: StdHandle,
}

/// A standard handle.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum StdHandle {
    /// Input.
    StdIn,
    /// Output.
    StdOut,
    /// Errors.
    StdErr,
    /// All three.
    All,
}
