//! Supervisor ⇄ guest agent.
//!
//! The supervisor sends [`Request`]s; the agent answers each with exactly one [`Message::Reply`]
//! carrying the request's number, in any order, and sends [`Message::Event`]s of its own accord.
//!
//! Bulk data does not travel here. For every redirected stream the supervisor makes a FIFO in the
//! silo's run directory and names it; the agent opens it through `\\?\unix\…` and pumps between it
//! and the Windows pipe (or console) that the program sees. Back-pressure is then the kernel's.

use serde::{Deserialize, Serialize};

use crate::{ConsoleSize, ControlEvent, ProcessEntry, WindowsError};

/// The version of this protocol; raised with every change that an older peer cannot decode.
pub const VERSION: u16 = 4;

/// Identifies a process that the supervisor asked for, chosen by the supervisor, unique in a silo.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
pub struct ProcessKey(pub u32);

/// One request with the number its reply carries.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Request {
    /// Chosen by the supervisor; echoed in the reply.
    pub number: u32,
    /// What is asked.
    pub command: Command,
}

/// What the supervisor asks of the agent.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Command {
    /// Fill in what a boot would have: computer name, volatile keys, environment. Sent once, first.
    Configure(Configuration),
    /// Start a process; answered by [`Reply::Created`].
    CreateProcess(CreateProcess),
    /// Deliver a console control event to a process and its descendants.
    Signal {
        /// The process that was created under this key.
        process: ProcessKey,
        /// The event.
        event: ControlEvent,
    },
    /// End a process and its descendants at once with this exit code.
    Terminate {
        /// The process that was created under this key.
        process: ProcessKey,
        /// The exit code that the processes report.
        exit_code: u32,
    },
    /// Give the process's console another size.
    Resize {
        /// The process that was created under this key, with a console.
        process: ProcessKey,
        /// The new size.
        size: ConsoleSize,
    },
    /// List the processes of the silo; answered by [`Reply::Processes`].
    ListProcesses,
    /// Deliver a control event to every process of the silo, the agent's own aside.
    SignalAll(ControlEvent),
    /// Make the zone with this name, a key below `Time Zones`, the current one. Processes that run
    /// keep theirs.
    SetTimeZone(String),
    /// Write each root of the registry to a file as Wine's text, volatile keys left out; each is as
    /// of one moment.
    SaveRegistry(RegistryFiles),
}

/// Where the roots of a registry are written to: absolute Unix paths of files that exist, and are
/// empty.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct RegistryFiles {
    /// Of `HKEY_LOCAL_MACHINE`.
    pub machine: String,
    /// Of `HKEY_CURRENT_USER`.
    pub user: String,
    /// Of `HKEY_USERS\.Default`.
    pub default_user: String,
}

/// What a boot would have filled in.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Configuration {
    /// The computer name (host name), as given; the agent derives the NetBIOS form.
    pub host_name: String,
    /// Processors that programs may use.
    pub processors: u32,
}

/// A process to start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct CreateProcess {
    /// The key under which the process is known from now on.
    pub process: ProcessKey,
    /// The raw command line, passed to `CreateProcess` unchanged.
    pub command_line: String,
    /// Variables set over those of the user's environment; names compare without case, the last
    /// of equal names wins. An empty value removes nothing: it is an empty variable.
    pub environment: Vec<(String, String)>,
    /// The working directory, a Windows path.
    pub working_directory: String,
    /// The account: `ContainerAdministrator` or `ContainerUser`.
    pub user: String,
    /// What the process's standard handles are.
    pub stdio: Stdio,
}

/// The standard handles of a process.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Stdio {
    /// Named pipes, one a stream; `None` is `NUL`. Paths are absolute Unix paths of FIFOs.
    Pipes {
        /// The program's input.
        stdin: Option<String>,
        /// The program's output.
        stdout: Option<String>,
        /// The program's errors.
        stderr: Option<String>,
    },
    /// A console of its own, whose screen is a stream of VT sequences.
    Console {
        /// Key strokes, as VT sequences: the FIFO's absolute Unix path.
        input: String,
        /// The screen: the FIFO's absolute Unix path.
        output: String,
        /// The size at the start.
        size: ConsoleSize,
    },
}

/// What the agent sends.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Message {
    /// The answer to a request.
    Reply {
        /// The request's number.
        number: u32,
        /// The outcome.
        result: Result<Reply, WindowsError>,
    },
    /// Something happened.
    Event(Event),
}

/// A request's outcome.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Reply {
    /// The request was carried out and has nothing to report.
    Done,
    /// The process was started.
    Created {
        /// Its Windows process ID.
        pid: u32,
    },
    /// The silo's processes.
    Processes(Vec<ProcessEntry>),
}

/// What the agent reports of its own accord.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// A process that was created through the agent has ended. What it wrote to its redirected
    /// streams is still being handed to the FIFOs, which takes as long as the supervisor takes to
    /// read them; [`Event::Exited`] follows. It comes before the `Exited` of every process that
    /// ended later.
    Ended {
        /// The process's key.
        process: ProcessKey,
    },
    /// A process that was created through the agent has ended, and everything it wrote to its
    /// redirected streams has been handed to the FIFOs, which are closed unless a descendant
    /// still holds a stream.
    Exited {
        /// The process's key.
        process: ProcessKey,
        /// All 32 bits of its exit code.
        exit_code: u32,
    },
}
