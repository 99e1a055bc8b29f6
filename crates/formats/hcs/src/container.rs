//! The parts of a container's document.

use serde::{Deserialize, Serialize};

/// A container.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct Container {
    /// The guest.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub guest_os: Option<GuestOs>,
    /// Layers and sandbox.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub storage: Option<Storage>,
    /// Host directories that appear inside.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mapped_directories: Vec<MappedDirectory>,
    /// Host pipes that appear inside.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub mapped_pipes: Vec<MappedPipe>,
    /// Memory limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub memory: Option<Memory>,
    /// Processor limit.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub processor: Option<Processor>,
    /// Network.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub networking: Option<Networking>,
}

/// The guest operating system.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct GuestOs {
    /// Its host name.
    pub host_name: String,
}

/// Layers and sandbox.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct Storage {
    /// Read-only layers, the topmost first.
    pub layers: Vec<Layer>,
    /// The sandbox's directory.
    pub path: String,
}

/// A read-only layer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct Layer {
    /// A GUID.
    pub id: String,
    /// The layer's directory, holding `Files` and `Hives`.
    pub path: String,
    /// What `path` is.
    #[serde(default, skip_serializing_if = "PathType::is_absolute")]
    pub path_type: PathType,
}

/// What a host path is.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub enum PathType {
    /// A path on the host.
    #[default]
    AbsolutePath,
    /// A share of the hosting system.
    VirtualSmbShareName,
}

impl PathType {
    const fn is_absolute(&self) -> bool {
        matches!(self, Self::AbsolutePath)
    }
}

/// A host directory that appears inside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct MappedDirectory {
    /// The host's directory.
    pub host_path: String,
    /// What `host_path` is.
    #[serde(default, skip_serializing_if = "PathType::is_absolute")]
    pub host_path_type: PathType,
    /// The Windows path inside.
    pub container_path: String,
    /// Whether writes are refused.
    #[serde(default)]
    pub read_only: bool,
}

/// A host pipe that appears inside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct MappedPipe {
    /// The pipe's name inside.
    pub container_pipe_name: String,
    /// The host's end.
    pub host_path: String,
}

/// A memory limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Memory {
    /// Mebibytes.
    #[serde(rename = "SizeInMB")]
    pub size_in_mb: u64,
}

/// A processor limit; at most one field is set.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct Processor {
    /// Number of processors.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub count: Option<u32>,
    /// Weight, 1 to 10000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub weight: Option<i64>,
    /// Share of all processors, in hundredths of a percent: 1 to 10000.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub maximum: Option<i64>,
}

/// Network of a container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct Networking {
    /// Whether names without a dot are looked up.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub allow_unqualified_dns_query: Option<bool>,
    /// Search domains, comma-separated.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub dns_search_list: Option<String>,
    /// The container whose network is shared.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub network_shared_container_name: Option<String>,
    /// The network namespace's ID.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub namespace: Option<String>,
}
