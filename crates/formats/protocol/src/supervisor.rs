//! Compute service ⇄ supervisor.
//!
//! The supervisor listens on [`CONTROL_SOCKET`] in the system's run directory. Every connection
//! opens with [`Hello`](crate::Hello) both ways; then the client sends one [`Request`] after
//! another, each answered by one [`Response`] in order. A connection may instead become one of two
//! streams: [`Request::Watch`] turns it into a stream of [`Event`]s, beginning with those that say
//! what already happened, and [`Request::OpenStdio`] into a stream of [`StdioFrame`]s both ways.
//! These two are answered by [`Response::Done`] (or [`Response::Failed`]) first; the stream follows
//! on the same connection, and the supervisor closes it after its last item.
//!
//! When the silo has ended the supervisor writes [`ExitRecord`] to [`EXIT_RECORD`] (write to a
//! temporary, sync, rename), reports, removes its socket and exits. So a compute service that
//! finds the record needs no supervisor, and one that finds neither knows that it was killed.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::agent::{CreateProcess, ProcessKey, Stdio};
use crate::resource::ResourceLimit;
use crate::{ConsoleSize, ControlEvent, ProcessEntry, WindowsError};

/// The version of this protocol; raised with every change that an older peer cannot decode.
pub const VERSION: u16 = 2;

/// The supervisor's socket, in the system's run directory.
pub const CONTROL_SOCKET: &str = "supervisor.sock";

/// What the supervisor is to build, in the system's run directory: a JSON [`SiloSpec`].
pub const SPEC_FILE: &str = "silo.json";

/// How the silo ended, in the system's run directory: a JSON [`ExitRecord`].
pub const EXIT_RECORD: &str = "exit.json";

/// The supervisor's log, in the system's run directory.
pub const LOG_FILE: &str = "supervisor.log";

/// The silo's cgroup in a scope of its own.
pub const SCOPE_SILO: &str = "silo";

/// The supervisor's cgroup in a scope of its own.
pub const SCOPE_SUPERVISOR: &str = "supervisor";

/// The exit code of a process that was killed with its silo: `ERROR_PROCESS_ABORTED`.
pub const KILLED_EXIT_CODE: u32 = 1067;

/// Everything a supervisor needs to know to build a silo. All paths are absolute Unix paths.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SiloSpec {
    /// The compute system's ID; names the cgroup.
    pub id: String,
    /// The host name inside.
    pub host_name: String,
    /// The kernel package's root: the silo's read-only `/`.
    pub kernel: String,
    /// `Files` directories of the layers, the topmost first, the base last.
    pub layers: Vec<String>,
    /// The sandbox: `upper` and `work` of the union are made in it.
    pub sandbox: String,
    /// The registry's text files (`system.reg`, `user.reg`, `userdef.reg`), made for this silo
    /// alone; wineserver writes them.
    pub registry: String,
    /// Directories of the host that appear inside.
    pub mapped_directories: Vec<MappedDirectory>,
    /// Windows paths of directories that are made unless they are there. Absent in what an older
    /// compute service wrote.
    #[serde(default)]
    pub directories: Vec<String>,
    /// Directories in memory that appear inside. Absent in what an older compute service wrote.
    #[serde(default)]
    pub temporary_directories: Vec<TemporaryDirectory>,
    /// Limits of each process. Absent in what an older compute service wrote.
    #[serde(default)]
    pub resource_limits: Vec<ResourceLimit>,
    /// The time zone; none for UTC. Absent in what an older compute service wrote.
    #[serde(default)]
    pub time_zone: Option<TimeZone>,
    /// The host's file of root certificates, which takes the place of the kernel package's. Absent
    /// in what an older compute service wrote.
    #[serde(default)]
    pub root_certificates: Option<String>,
    /// The user that all processes of the silo run as.
    pub user: SiloUser,
    /// The network namespace to join (a path to bind from), or none: a new one with loopback only.
    pub network_namespace: Option<String>,
    /// Name servers for the silo's resolver, dotted or colon form.
    pub dns: SiloDns,
    /// Limits of the silo's cgroup.
    pub limits: Limits,
    /// The cgroup's parent, relative to each hierarchy's root, for example `porthole`.
    pub cgroup_parent: String,
    /// Whether that parent is a scope, made for this silo alone by whoever starts the supervisor,
    /// with the program that it starts in it. The program waits for the end of its standard input
    /// before it uses the scope; then the silo's cgroup is [`SCOPE_SILO`] there and the
    /// supervisor's [`SCOPE_SUPERVISOR`]. Otherwise the silo's is named by its ID. Absent in what
    /// an older compute service wrote.
    #[serde(default)]
    pub in_scope: bool,
    /// Host ports that the supervisor holds, and for which it relays connections that the
    /// firewall's translation does not reach.
    pub published_ports: Vec<PublishedPort>,
}

impl SiloSpec {
    /// The name of the silo's cgroup in its parent.
    #[must_use]
    pub fn cgroup_name(&self) -> &str {
        if self.in_scope { SCOPE_SILO } else { &self.id }
    }
}

/// The silo's resolver configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct SiloDns {
    /// Name servers' addresses.
    pub servers: Vec<String>,
    /// Search domains.
    pub search: Vec<String>,
    /// Extra `hosts` lines: address, name.
    pub hosts: Vec<(String, String)>,
}

/// A host directory that appears on C:.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct MappedDirectory {
    /// The host's directory (or file).
    pub source: String,
    /// The Windows path inside, for example `C:\app`.
    pub target: String,
    /// Whether writes are refused.
    pub read_only: bool,
}

/// A directory in memory that appears on C:, empty at each start.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TemporaryDirectory {
    /// The Windows path inside.
    pub target: String,
    /// Bytes that it holds at most; none for half of the host's memory.
    pub size: Option<u64>,
    /// Files that it holds at most; none for the kernel's choice.
    pub files: Option<u64>,
    /// Its permissions, as Unix writes them; Wine shows those of the owner.
    pub mode: u32,
}

/// A time zone by both its names.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct TimeZone {
    /// What `TZ` says on the Unix side, for example `Europe/Rome`.
    pub unix: String,
    /// Windows' name of it, for example `W. Europe Standard Time`; none where there is none.
    pub windows: Option<String>,
}

/// Who a silo's processes are.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SiloUser {
    /// User ID 0 of the silo's user namespace: may write all of C:.
    ContainerAdministrator,
    /// An unprivileged user ID: may write its profile, the temporary directories and volumes.
    ContainerUser,
}

/// Limits of the silo's cgroup; `None` is unlimited.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
pub struct Limits {
    /// Bytes of memory.
    pub memory: Option<u64>,
    /// Processor time as a share of one second per second: 1.5 is one and a half processors.
    pub processors: Option<f64>,
    /// Relative weight, 1 to 10000, of processor time under contention.
    pub processor_weight: Option<u32>,
    /// Tasks (threads) of the silo.
    pub pids: Option<u64>,
}

/// A transport protocol.
#[derive(
    Debug, Clone, Copy, Default, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize,
)]
#[serde(rename_all = "lowercase")]
pub enum Transport {
    /// TCP.
    #[default]
    Tcp,
    /// UDP.
    Udp,
}

impl Transport {
    /// `tcp` or `udp`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Tcp => "tcp",
            Self::Udp => "udp",
        }
    }
}

/// A port of the host that leads into the silo.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishedPort {
    /// Its protocol. Absent in what an older service wrote, which knew TCP only.
    #[serde(default)]
    pub transport: Transport,
    /// The host's address to hold, for example `0.0.0.0` or `::`.
    pub host_address: String,
    /// The host's port, resolved (never 0).
    pub host_port: u16,
    /// The silo's address.
    pub container_address: String,
    /// The silo's port.
    pub container_port: u16,
}

/// What the compute service asks of a supervisor.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Request {
    /// Build the silo and start its agent; answered when the agent is ready.
    Start,
    /// Start a process. Its streams exist from now on under its key.
    CreateProcess(ProcessSpec),
    /// Deliver a control event to a process and its descendants.
    Signal {
        /// The process.
        process: ProcessKey,
        /// The event.
        event: ControlEvent,
    },
    /// End a process and its descendants.
    TerminateProcess {
        /// The process.
        process: ProcessKey,
        /// Its exit code.
        exit_code: u32,
    },
    /// Resize a process's console.
    Resize {
        /// The process.
        process: ProcessKey,
        /// The new size.
        size: ConsoleSize,
    },
    /// Ask every process to end: `CTRL_SHUTDOWN_EVENT`. The silo ends when its first process has.
    Shutdown,
    /// Kill the silo. Answered when every process is gone and the exit record is written.
    Terminate,
    /// Stop every process from running (cgroup freezer).
    Pause,
    /// Let them run again.
    Resume,
    /// Change limits of the running silo.
    Update(Limits),
    /// Usage figures; answered by [`Response::Statistics`].
    Statistics,
    /// The silo's Windows processes; answered by [`Response::Processes`].
    ListProcesses,
    /// Turn this connection into a stream of [`Event`]s.
    Watch,
    /// Turn this connection into the streams of a process.
    OpenStdio(OpenStdio),
    /// The silo's first process, for somebody who enters its namespaces; answered by
    /// [`Response::Started`] while the silo runs or is paused. An older supervisor closes the
    /// connection instead.
    Init,
    /// Take down what the registry holds now, or of a paused silo what it held when it was paused,
    /// to be read on this connection; answered by [`Response::RegistrySaved`]. An older supervisor
    /// closes the connection instead.
    SaveRegistry,
    /// Read on from `offset` in what [`Request::SaveRegistry`] took down; answered by
    /// [`Response::Registry`].
    ReadRegistry {
        /// Which root.
        root: RegistryRoot,
        /// Bytes to leave out.
        offset: u64,
    },
}

/// A root of the registry.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum RegistryRoot {
    /// `HKEY_LOCAL_MACHINE`.
    Machine,
    /// `HKEY_CURRENT_USER`.
    User,
    /// `HKEY_USERS\.Default`.
    DefaultUser,
}

impl RegistryRoot {
    /// All, in the order in which their sizes are told.
    pub const ALL: [Self; 3] = [Self::Machine, Self::User, Self::DefaultUser];
}

/// The most that a supervisor takes down of one root, in bytes.
pub const REGISTRY_LIMIT: u64 = 64 << 20;

/// Bytes of a root's text that one [`Response::Registry`] holds at most.
pub const REGISTRY_PIECE: usize = 512 << 10;

/// A process to start in the silo.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct ProcessSpec {
    /// The key, chosen by the compute service.
    pub process: ProcessKey,
    /// The raw Windows command line.
    pub command_line: String,
    /// Environment, later names win.
    pub environment: Vec<(String, String)>,
    /// Windows path of the working directory.
    pub working_directory: String,
    /// Account name.
    pub user: String,
    /// Streams to make.
    pub streams: Streams,
    /// Where and how output is recorded, if at all.
    pub log: Option<LogSpec>,
    /// Whether reading of output waits until the first [`OpenStdio`] connection, at most
    /// [`ATTACH_GRACE_SECONDS`], so that an attached client misses nothing.
    pub wait_for_attach: bool,
    /// Whether the silo ends with this process: the container's main process.
    pub main: bool,
}

/// A json-file log.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogSpec {
    /// An absolute Unix path.
    pub path: String,
    /// When a new file is begun; none writes one file without end.
    pub rotation: Option<LogRotation>,
    /// What every record carries.
    pub attributes: BTreeMap<String, String>,
}

impl LogSpec {
    /// A log in one file, without attributes.
    #[must_use]
    pub fn at(path: impl Into<String>) -> Self {
        Self {
            path: path.into(),
            ..Self::default()
        }
    }
}

/// When a log begins a new file, and what becomes of those before.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct LogRotation {
    /// Bytes after which the next record begins a new file.
    pub max_size: u64,
    /// How many files there are at most, the one that is written included.
    pub max_files: u32,
    /// Whether the others are compressed (gzip).
    pub compress: bool,
}

/// How long output waits for the client it was promised to, in seconds.
pub const ATTACH_GRACE_SECONDS: u64 = 10;

/// The streams of a process, before the supervisor has made FIFOs for them ([`Stdio`]).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum Streams {
    /// Pipes, each where wanted.
    Pipes {
        /// Whether input is open; otherwise it is `NUL`.
        stdin: bool,
        /// Whether the first client that leaves closes the input (`StdinOnce`).
        stdin_once: bool,
    },
    /// A console of this size.
    Console(ConsoleSize),
}

/// Opens a process's streams.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct OpenStdio {
    /// The process.
    pub process: ProcessKey,
    /// Whether the client will send input.
    pub stdin: bool,
    /// Whether the client wants output.
    pub stdout: bool,
    /// Whether the client wants errors.
    pub stderr: bool,
}

/// One piece of a stream, or its end. After the last, the sender closes the connection.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum StdioFrame {
    /// Bytes of a stream.
    Data(StreamKind, Vec<u8>),
    /// No more bytes will come on a stream. From a client, for [`StreamKind::Stdin`]: the program
    /// reads the end of its input, whether or not the input is for one client only; a console's
    /// input has no end.
    End(StreamKind),
}

/// A standard stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum StreamKind {
    /// Towards the program.
    Stdin,
    /// From the program.
    Stdout,
    /// From the program.
    Stderr,
}

/// The answer to a request.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub enum Response {
    /// Carried out.
    Done,
    /// The silo runs; the Unix process ID of its init, as the host sees it.
    Started {
        /// The host's view of the init's process ID.
        init_pid: u32,
    },
    /// The process runs.
    Created {
        /// Its Windows process ID.
        pid: u32,
    },
    /// Usage figures.
    Statistics(Statistics),
    /// Windows processes.
    Processes(Vec<ProcessEntry>),
    /// Not carried out.
    Failed(Failure),
    /// The registry was taken down.
    RegistrySaved {
        /// Bytes of each root's text, in the order of [`RegistryRoot::ALL`].
        sizes: [u64; 3],
    },
    /// A piece of a root's text; empty at its end.
    Registry(#[serde(with = "crate::bytes")] Vec<u8>),
}

/// Why a supervisor did not carry out a request.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, thiserror::Error)]
pub enum Failure {
    /// A call inside the silo failed.
    #[error(transparent)]
    Windows(WindowsError),
    /// A facility of the host failed; the chain of causes, outermost first, joined by `: `.
    #[error("{0}")]
    Host(String),
    /// The silo is in a state that does not allow it.
    #[error("the silo is {0}")]
    State(String),
    /// No process has this key.
    #[error("no such process")]
    NoSuchProcess,
}

/// What a supervisor reports. A watcher first gets events for all that already happened, but for
/// the ends of processes that thousands of others have followed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub enum Event {
    /// A process has ended and its output is recorded.
    ProcessExited {
        /// The process.
        process: ProcessKey,
        /// All 32 bits.
        exit_code: u32,
    },
    /// The silo has ended; the exit record is written. Last event.
    SystemExited(ExitRecord),
    /// The kernel killed a process of the silo for want of memory.
    OutOfMemory,
}

/// How a silo ended.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct ExitRecord {
    /// The main process's exit code, if it was ever started.
    pub exit_code: Option<u32>,
    /// Exit codes of processes by key, in the order in which they ended; of the thousands that ended
    /// last where there were more.
    pub processes: Vec<(ProcessKey, u32)>,
    /// Whether it was terminated from outside rather than ended by its main process.
    pub terminated: bool,
    /// Whether the kernel killed a process for want of memory.
    pub out_of_memory: bool,
    /// When it ended: nanoseconds since 1970-01-01 UTC.
    pub finished_at: i64,
    /// What went wrong, when the silo ended neither by its main process nor on request.
    pub error: Option<String>,
}

/// Usage of a silo's cgroup.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Statistics {
    /// Nanoseconds since the silo was started.
    pub uptime_ns: u64,
    /// Nanoseconds of processor time in all.
    pub cpu_total_ns: u64,
    /// Nanoseconds in user mode.
    pub cpu_user_ns: u64,
    /// Nanoseconds in kernel mode.
    pub cpu_kernel_ns: u64,
    /// Bytes of memory charged, page cache included.
    pub memory_usage: u64,
    /// The highest that it has been, in bytes.
    pub memory_peak: u64,
    /// Bytes of anonymous memory.
    pub memory_private: u64,
    /// Read operations on block devices.
    pub read_count: u64,
    /// Bytes read.
    pub read_bytes: u64,
    /// Write operations.
    pub write_count: u64,
    /// Bytes written.
    pub write_bytes: u64,
    /// Tasks.
    pub pids: u64,
}

impl ProcessSpec {
    /// The agent's form of this process, with the FIFOs that the supervisor made for its streams.
    #[must_use]
    pub fn into_agent_request(self, stdio: Stdio) -> CreateProcess {
        CreateProcess {
            process: self.process,
            command_line: self.command_line,
            environment: self.environment,
            working_directory: self.working_directory,
            user: self.user,
            stdio,
        }
    }
}
