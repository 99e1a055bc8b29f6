//! Properties of compute systems and the queries for them.

use serde::{Deserialize, Serialize};

/// Which properties are wanted beside the basic ones.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct SystemPropertyQuery {
    /// The kinds.
    pub property_types: Vec<PropertyType>,
}

/// A kind of property.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum PropertyType {
    /// Memory of a virtual machine.
    Memory,
    /// Usage figures.
    Statistics,
    /// The processes inside.
    ProcessList,
    /// Whether it ends with its last handle.
    TerminateOnLastHandleClosed,
}

/// Which systems are wanted; an empty list does not restrict.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct SystemQuery {
    /// By ID.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub ids: Vec<String>,
    /// By name.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub names: Vec<String>,
    /// By type.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub types: Vec<SystemType>,
    /// By owner.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub owners: Vec<String>,
}

/// What a system is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum SystemType {
    /// A container.
    Container,
    /// A virtual machine.
    VirtualMachine,
}

/// What runs in a system.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum OsType {
    /// Not said.
    #[serde(rename = "")]
    Unknown,
    /// Windows.
    #[default]
    Windows,
    /// Linux.
    Linux,
}

/// A system's state.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
pub enum State {
    /// Made, not started.
    Created,
    /// Runs.
    Running,
    /// Frozen.
    Paused,
    /// Ended.
    Stopped,
    /// Kept as a template.
    SavedAsTemplate,
    /// Not known.
    Unknown,
}

/// How a system ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub enum ExitType {
    /// Not ended.
    None,
    /// By itself, or by a shutdown.
    GracefulExit,
    /// By a terminate.
    ForcedExit,
    /// Otherwise.
    UnexpectedExit,
    /// Not known.
    Unknown,
}

/// A system's properties.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Properties {
    /// Its ID.
    pub id: String,
    /// What it is.
    pub system_type: SystemType,
    /// What runs in it.
    #[serde(default)]
    pub runtime_os_type: OsType,
    /// Its name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub name: Option<String>,
    /// Who owns it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub owner: Option<String>,
    /// Its state.
    pub state: State,
    /// Whether it has ended.
    #[serde(default)]
    pub stopped: bool,
    /// How it ended.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_type: Option<ExitType>,
    /// Usage figures.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub statistics: Option<Statistics>,
    /// The processes inside.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub process_list: Option<Vec<ProcessDetails>>,
}

/// Usage figures.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct Statistics {
    /// When they were taken: RFC 3339.
    pub timestamp: String,
    /// When the container was started: RFC 3339.
    pub container_start_time: String,
    /// Time since then, in units of 100 ns.
    #[serde(rename = "Uptime100ns")]
    pub uptime_100ns: u64,
    /// Processor time.
    pub processor: ProcessorStats,
    /// Memory.
    pub memory: MemoryStats,
    /// Storage.
    pub storage: StorageStats,
}

/// Processor time, in units of 100 ns.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct ProcessorStats {
    /// In all.
    #[serde(rename = "TotalRuntime100ns")]
    pub total_runtime_100ns: u64,
    /// In user mode.
    #[serde(rename = "RuntimeUser100ns")]
    pub runtime_user_100ns: u64,
    /// In kernel mode.
    #[serde(rename = "RuntimeKernel100ns")]
    pub runtime_kernel_100ns: u64,
}

/// Memory, in bytes.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct MemoryStats {
    /// Committed.
    pub memory_usage_commit_bytes: u64,
    /// The most that was committed.
    pub memory_usage_commit_peak_bytes: u64,
    /// The private working set.
    pub memory_usage_private_working_set_bytes: u64,
}

/// Storage.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct StorageStats {
    /// Reads, in units of 8 KiB.
    pub read_count_normalized: u64,
    /// Bytes read.
    pub read_size_bytes: u64,
    /// Writes, in units of 8 KiB.
    pub write_count_normalized: u64,
    /// Bytes written.
    pub write_size_bytes: u64,
}

/// A process inside.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct ProcessDetails {
    /// The Windows process ID.
    pub process_id: u32,
    /// The executable's name.
    pub image_name: String,
    /// When it was created: RFC 3339.
    pub create_timestamp: String,
    /// Time in user mode, in units of 100 ns.
    #[serde(rename = "UserTime100ns")]
    pub user_time_100ns: u64,
    /// Time in kernel mode, in units of 100 ns.
    #[serde(rename = "KernelTime100ns")]
    pub kernel_time_100ns: u64,
    /// Bytes committed.
    pub memory_commit_bytes: u64,
    /// Bytes of the private working set.
    pub memory_working_set_private_bytes: u64,
    /// Bytes of the shared working set.
    pub memory_working_set_shared_bytes: u64,
}
