//! What a silo is to be: everything that is decided before anything is touched.

use std::path::PathBuf;

use rustix::process::{Resource, Rlimit};

/// The silo's own paths, as its processes see them.
pub mod layout {
    /// The union of the layers: drive C:.
    pub const C_DRIVE: &str = "/c";
    /// Wine's prefix: the registry and the drive letters.
    pub const PREFIX: &str = "/prefix";
    /// Temporary files: wineserver's socket.
    pub const TMP: &str = "/tmp";
    /// The certificates that programs trust; it must be there to be covered.
    pub const ROOT_CERTIFICATES: &str = "/etc/ssl/certs/ca-certificates.crt";
    /// The private directory of redirected streams.
    pub const RUN: &str = "/run/porthole";
}

/// A silo to be built.
#[derive(Debug, Clone)]
pub struct Plan {
    /// The host name inside.
    pub host_name: String,
    /// The read-only `/`.
    pub root: PathBuf,
    /// Drive C:, and whose it is.
    pub drive: DrivePlan,
    /// What appears as [`layout::PREFIX`].
    pub prefix: PathBuf,
    /// Directories that are made on C: unless they are there, as path components below it.
    pub directories: Vec<Vec<String>>,
    /// Limits of each process, above those that every silo has.
    pub resource_limits: Vec<(Resource, Rlimit)>,
    /// A file that takes the place of the root's `/etc/ssl/certs/ca-certificates.crt`.
    pub root_certificates: Option<PathBuf>,
    /// The network namespace to join; none for a new one with loopback only.
    pub network_namespace: Option<PathBuf>,
    /// Contents of `/etc/resolv.conf` and `/etc/hosts`.
    pub resolver: Resolver,
    /// An existing directory of the host over which the silo's mount namespace, and no other,
    /// mounts what it needs while it is built.
    pub staging: PathBuf,
    /// The programs that init starts, in this order.
    pub services: Vec<Service>,
}

/// Drive C: of a container.
#[derive(Debug, Clone)]
pub struct DrivePlan {
    /// Directories of the layers, the topmost first.
    pub layers: Vec<PathBuf>,
    /// Where `upper` and `work` of the union are.
    pub sandbox: PathBuf,
    /// Directories and files of the host that appear on C:.
    pub mapped: Vec<Mapped>,
    /// Directories in memory that appear on C:.
    pub temporary: Vec<Temporary>,
    /// The user that every process of the silo is.
    pub identity: Identity,
}

/// A directory or file of the host that appears on C:.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Mapped {
    /// The host's path.
    pub source: PathBuf,
    /// Path components below C:, as a Windows program would spell them.
    pub target: Vec<String>,
    /// Whether writes are refused.
    pub read_only: bool,
}

/// A directory in memory that appears on C:.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Temporary {
    /// Path components below C:.
    pub target: Vec<String>,
    /// Bytes at most; none for half of the host's memory.
    pub size: Option<u64>,
    /// Files at most; none for the kernel's choice.
    pub files: Option<u64>,
    /// Permissions of the directory, whose owner is the silo's user.
    pub mode: u32,
}

/// The user and group of a silo's processes, inside its user namespace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Identity {
    /// ID 0, which owns what the layers hold and so may write all of C:.
    Administrator,
    /// ID 1000, which owns only its profile and the temporary directory.
    User,
}

impl Identity {
    /// The ID inside.
    #[must_use]
    pub const fn id(self) -> u32 {
        match self {
            Self::Administrator => 0,
            Self::User => 1000,
        }
    }

    /// The ID as the host sees it.
    #[must_use]
    pub const fn host_id(self) -> u32 {
        crate::id_map::SILO_BASE + self.id()
    }
}

/// Files of `/etc` that differ from silo to silo.
#[derive(Debug, Clone, Default)]
pub struct Resolver {
    /// `/etc/resolv.conf`.
    pub resolv_conf: String,
    /// `/etc/hosts`.
    pub hosts: String,
}

/// A program that init starts and watches.
#[derive(Debug, Clone)]
pub struct Service {
    /// The executable's path inside.
    pub executable: String,
    /// Arguments, the program's name first.
    pub arguments: Vec<String>,
    /// The whole environment.
    pub environment: Vec<(String, String)>,
    /// What its standard input and output are; its standard error is the silo's log.
    pub stdio: ServiceStdio,
    /// Whether the next program waits until a wineserver's socket has appeared.
    pub awaits_wineserver: bool,
}

/// What a service reads and writes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum ServiceStdio {
    /// `/dev/null`.
    Null,
    /// The inner end of the silo's channel.
    Channel,
}
