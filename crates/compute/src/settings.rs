//! What travels beside an HCS document because HCS has no field for it.

use serde::{Deserialize, Serialize};

pub use porthole_protocol::resource::{Resource, ResourceLimit};
/// Reads from and prints as `10.0.<build>.<revision>`; what looks otherwise is no version.
pub use porthole_wine::OsVersion;

pub use porthole_protocol::supervisor::{
    LogRotation, LogSpec, PublishedPort, SiloDns, SiloUser, TemporaryDirectory, TimeZone, Transport,
};

/// Settings of a compute system beside its HCS document.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
pub struct SystemSettings {
    /// The Wine build of the image's base as its label gives it, for example `10.0/855/wow64`; must
    /// match the kernel package's.
    pub wine_build: String,
    /// The version of Windows that the image names where it is not its base's: what programs are
    /// to see. Absent in what an older service wrote.
    #[serde(default)]
    pub os_version: Option<OsVersion>,
    /// The user of the silo's processes.
    pub user: SiloUser,
    /// Path of the network namespace to join; none for loopback only.
    pub network_namespace: Option<String>,
    /// Resolver configuration.
    pub dns: SiloDns,
    /// Published ports to hold and relay.
    pub published_ports: Vec<PublishedPort>,
    /// Windows paths of directories that are made unless they are there: a working directory that
    /// the image does not hold. Absent in what an older service wrote.
    #[serde(default)]
    pub directories: Vec<String>,
    /// Directories in memory that appear inside. Absent in what an older service wrote.
    #[serde(default)]
    pub temporary_directories: Vec<TemporaryDirectory>,
    /// Limits of each process. Absent in what an older service wrote.
    #[serde(default)]
    pub resource_limits: Vec<ResourceLimit>,
    /// The time zone; none for UTC. Absent in what an older service wrote.
    #[serde(default)]
    pub time_zone: Option<TimeZone>,
    /// Tasks at most.
    pub pids: Option<u64>,
}

/// Settings of a process beside its HCS `ProcessParameters`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct ProcessSettings {
    /// The json-file log that the supervisor writes, if any.
    pub log: Option<LogSpec>,
    /// Output waits for the first client, so that it misses nothing.
    pub wait_for_attach: bool,
    /// The first client that leaves closes the input.
    pub stdin_once: bool,
    /// The system ends with this process.
    pub main: bool,
}
