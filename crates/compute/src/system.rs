//! The traits that the engine programs against, and that every back end satisfies.
//!
//! ```text
//!            create            start              main process ends, terminate
//!   (none) ─────────▶ Created ───────▶ Running ──────────────────────────────▶ Stopped ──▶ (closed)
//!                        │              ▲  │ pause                               ▲
//!                        │       resume │  ▼                                     │
//!                        │             Paused ──────────── terminate ────────────┤
//!                        └──────────────────────────────── terminate ────────────┘
//! ```
//! A stopped system answers nothing but its properties until it is closed.

use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use futures::Stream;
use porthole_hcs as hcs;
use porthole_protocol::supervisor::{ExitRecord, StdioFrame, StreamKind};

use crate::error::Result;
use crate::files::Files;
use crate::registry::{RegistryChain, RegistryChanges};
use crate::settings::{ProcessSettings, SystemSettings};

/// A stream of events; it ends when the service can no longer be reached.
pub type EventStream = Pin<Box<dyn Stream<Item = Event> + Send>>;

/// Something that happened to a compute system.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Event {
    /// A process ended; its output is recorded.
    ProcessExited {
        /// The system.
        system: String,
        /// The process, as [`Process::id`] gives it.
        process: u32,
        /// All 32 bits.
        exit_code: u32,
    },
    /// A system ended.
    SystemExited {
        /// The system.
        system: String,
        /// How.
        record: ExitRecord,
    },
    /// The kernel killed a process of a system for want of memory.
    OutOfMemory {
        /// The system.
        system: String,
    },
}

/// The service: creates, opens and lists compute systems.
#[async_trait]
pub trait ComputeService: Send + Sync {
    /// Validates the document against the schema and makes a system in state `Created`.
    /// Nothing is left behind when it fails.
    ///
    /// # Errors
    /// `SystemAlreadyExists`, `InvalidDocument`, `InvalidLayer`, `ImageMismatch`,
    /// `IsolationNotAvailable`.
    async fn create(
        &self,
        id: &str,
        document: &hcs::ComputeSystem,
        settings: &SystemSettings,
    ) -> Result<Arc<dyn ComputeSystem>>;

    /// Opens a system that exists, in whatever state (also one created before this service
    /// process started).
    ///
    /// # Errors
    /// `SystemNotFound`.
    async fn open(&self, id: &str) -> Result<Arc<dyn ComputeSystem>>;

    /// All systems that match, in order of their IDs.
    ///
    /// # Errors
    /// `ServiceNotAvailable`.
    async fn enumerate(&self, query: &hcs::SystemQuery) -> Result<Vec<hcs::Properties>>;

    /// Opens the drive C: of a system, for one request. Of one that runs or is paused it is as its
    /// programs see it; for any other it is assembled for the moment, from what the document names,
    /// and the system need not exist. Nobody may start the system meanwhile.
    ///
    /// # Errors
    /// `InvalidDocument`, `InvalidLayer`, `Host`.
    async fn open_files(
        &self,
        id: &str,
        document: &hcs::ComputeSystem,
        settings: &SystemSettings,
    ) -> Result<Files>;

    /// What a system changed in the registry that its image gave it. Works for one that runs, is
    /// paused (then as of the moment in which it was), has ended, or was never started; the system
    /// need not exist. Of one that runs, each of the three roots (`HKEY_LOCAL_MACHINE`, the user's,
    /// `.Default`) is as of one moment. What the service and Wine themselves put into every
    /// container's registry is no change, nor are volatile keys.
    ///
    /// # Errors
    /// `InvalidDocument`, `InvalidLayer` for a hive that is none, `NotSupported` where a supervisor
    /// of an older release cannot tell, `InvalidState` for one that is about to end and does not,
    /// `Host`.
    async fn registry_changes(
        &self,
        id: &str,
        document: &hcs::ComputeSystem,
        settings: &SystemSettings,
    ) -> Result<RegistryChanges>;

    /// What lies between the registries of two chains of layers, security included.
    ///
    /// # Errors
    /// `InvalidLayer` for a hive that is none, `Host`.
    async fn registry_difference(
        &self,
        before: &RegistryChain,
        after: &RegistryChain,
    ) -> Result<RegistryChanges>;

    /// Events from now on, of all systems.
    ///
    /// # Errors
    /// `ServiceNotAvailable`.
    async fn events(&self) -> Result<EventStream>;
}

/// A compute system.
#[async_trait]
pub trait ComputeSystem: Send + Sync {
    /// Its ID.
    fn id(&self) -> &str;

    /// Builds what the document describes. Waits until processes can be created.
    ///
    /// # Errors
    /// `InvalidState` unless `Created`. After another failure the system is `Stopped` and holds no
    /// resource.
    async fn start(&self) -> Result<()>;

    /// Asks every process to end (`CTRL_SHUTDOWN_EVENT`); does not wait for it.
    ///
    /// # Errors
    /// `SystemAlreadyStopped`, `InvalidState`.
    async fn shutdown(&self) -> Result<()>;

    /// Kills it; returns when every process is gone and its exit is recorded.
    ///
    /// # Errors
    /// `SystemAlreadyStopped`.
    async fn terminate(&self) -> Result<()>;

    /// Stops every process from running.
    ///
    /// # Errors
    /// `InvalidState` unless `Running`.
    async fn pause(&self) -> Result<()>;

    /// Lets them run again.
    ///
    /// # Errors
    /// `InvalidState` unless `Paused`.
    async fn resume(&self) -> Result<()>;

    /// Properties: always the basic ones, and those the query names.
    ///
    /// # Errors
    /// `SystemNotFound` once closed.
    async fn properties(&self, query: &hcs::SystemPropertyQuery) -> Result<hcs::Properties>;

    /// Changes a running system.
    ///
    /// # Errors
    /// `InvalidDocument`, `NotSupported`, `InvalidState`.
    async fn modify(&self, request: &hcs::ModifySettingRequest) -> Result<()>;

    /// Starts a process.
    ///
    /// # Errors
    /// `Windows(code)` with Windows' own text when `CreateProcess` failed; `InvalidState`.
    async fn create_process(
        &self,
        parameters: &hcs::ProcessParameters,
        settings: &ProcessSettings,
    ) -> Result<Arc<dyn Process>>;

    /// Opens a process that was created in this system, also one that has ended.
    ///
    /// # Errors
    /// `ProcessNotFound`.
    async fn open_process(&self, id: u32) -> Result<Arc<dyn Process>>;

    /// How it ended; waits until it has.
    ///
    /// # Errors
    /// `ServiceNotAvailable`, `SystemNotFound` once closed.
    async fn wait(&self) -> Result<ExitRecord>;

    /// Forgets a system that is `Created` or `Stopped` and frees everything it holds. Idempotent.
    ///
    /// # Errors
    /// `InvalidState` while `Running` or `Paused`.
    async fn close(&self) -> Result<()>;
}

/// A process that was started through [`ComputeSystem::create_process`].
#[async_trait]
pub trait Process: Send + Sync {
    /// Names the process within its system, ended ones included; not the Windows process ID.
    /// Processes are numbered from 1 in the order in which they are created.
    fn id(&self) -> u32;

    /// The Windows process ID.
    fn pid(&self) -> u32;

    /// Connects to its streams. Several clients may; each gets all output from then on, and
    /// output waits for the slowest.
    ///
    /// # Errors
    /// `ProcessNotFound` when it has ended and its streams are drained.
    async fn stdio(&self, want: Wanted) -> Result<Stdio>;

    /// Delivers a console control event.
    ///
    /// # Errors
    /// `ProcessAlreadyStopped`.
    async fn signal(&self, options: &hcs::SignalProcessOptions) -> Result<()>;

    /// Ends it and its descendants with this exit code.
    ///
    /// # Errors
    /// `ProcessAlreadyStopped`.
    async fn terminate(&self, exit_code: u32) -> Result<()>;

    /// Resizes its console or closes a standard handle.
    ///
    /// # Errors
    /// `ProcessAlreadyStopped`, `NotSupported` without a console.
    async fn modify(&self, request: &hcs::ProcessModifyRequest) -> Result<()>;

    /// Its status: exited or not, and the 32-bit exit code.
    ///
    /// # Errors
    /// `ServiceNotAvailable`.
    async fn status(&self) -> Result<hcs::ProcessStatus>;

    /// Its exit code; waits until it has ended and its output is recorded.
    ///
    /// # Errors
    /// `ServiceNotAvailable`, `UnexpectedExit` when the system ended and no code is known.
    async fn wait(&self) -> Result<u32>;
}

/// Which streams a client wants.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// Will send input.
    pub stdin: bool,
    /// Wants output.
    pub stdout: bool,
    /// Wants errors.
    pub stderr: bool,
}

/// Pieces of a process's output and errors.
pub type Output = Pin<Box<dyn Stream<Item = std::io::Result<(StreamKind, Vec<u8>)>> + Send>>;

/// A client's connection to a process's streams.
pub struct Stdio {
    /// Output as it comes; ends when the process's streams have.
    pub output: Output,
    /// Input; dropping it without [`StdioFrame::End`] leaves the program's input open.
    pub input: Pin<Box<dyn futures::Sink<StdioFrame, Error = std::io::Error> + Send>>,
}

impl std::fmt::Debug for Stdio {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Stdio").finish_non_exhaustive()
    }
}
