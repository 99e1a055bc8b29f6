//! Everything that is kept of a container: what `inspect` shows and what survives a restart.

use std::collections::BTreeMap;
use std::net::IpAddr;
use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::container::config::{ContainerConfig, HostConfig, Port};
use crate::container::state::State;
use crate::exec::record::Exec;

/// A container.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Container {
    /// 64 hexadecimal digits.
    pub id: String,
    /// The name without a leading slash.
    pub name: String,
    /// When it was created.
    #[serde(with = "time::serde::rfc3339")]
    pub created: OffsetDateTime,
    /// The image's ID, `sha256:…`.
    pub image_id: String,
    /// What runs, with the image's settings merged in.
    pub config: ContainerConfig,
    /// How the host treats it.
    pub host: HostConfig,
    /// The raw Windows command line.
    pub command_line: String,
    /// Host directories that appear inside.
    pub mounts: Vec<Mount>,
    /// The json-file log.
    pub log_path: PathBuf,
    /// The image's Wine build.
    pub wine_build: String,
    /// The Windows version the image was made for, for example `10.0.20348`.
    pub os_version: String,
    /// The image whose layers lie under the container's own image, in the place of Microsoft's;
    /// none for an image that stands on its own.
    #[serde(default)]
    pub base: Option<String>,
    /// The state.
    pub state: State,
    /// How often its restart policy has started it since a client did.
    #[serde(default)]
    pub restarts: u32,
    /// Whether a client has ended its last run.
    #[serde(default)]
    pub ended_by_client: bool,
    /// The endpoint while it runs.
    pub endpoint: Option<Endpoint>,
    /// Its execs by ID.
    pub execs: BTreeMap<String, Exec>,
}

impl Container {
    /// The program: the first of entry point and command; empty when there is none.
    #[must_use]
    pub fn path(&self) -> &str {
        self.arguments().next().unwrap_or_default()
    }

    /// The program's arguments.
    #[must_use]
    pub fn args(&self) -> Vec<String> {
        self.arguments().skip(1).map(str::to_owned).collect()
    }

    /// The network's name as clients see it: `nat` or `none`.
    #[must_use]
    pub fn network_name(&self) -> &str {
        match self.host.network_mode.as_str() {
            "" | "default" => "nat",
            name => name,
        }
    }

    fn arguments(&self) -> impl Iterator<Item = &str> {
        let entrypoint = self.config.entrypoint.iter().flatten();
        entrypoint
            .chain(self.config.cmd.iter().flatten())
            .map(String::as_str)
    }
}

/// A host directory that appears inside.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Mount {
    /// The host's directory.
    pub source: PathBuf,
    /// The Windows path inside.
    pub destination: String,
    /// Whether writes are allowed.
    pub writable: bool,
}

/// A container's place in a network.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// Its ID.
    pub id: String,
    /// The network's ID.
    pub network_id: String,
    /// The network namespace's path.
    pub namespace: PathBuf,
    /// The address; none in network `none`.
    pub address: Option<IpAddr>,
    /// Length of the subnet's prefix in bits.
    pub prefix_length: u8,
    /// The default route.
    pub gateway: Option<IpAddr>,
    /// The MAC address, lower-case with colons; empty in network `none`.
    pub mac_address: String,
    /// Published ports, resolved.
    pub ports: Vec<BoundPort>,
    /// Name servers.
    pub dns_servers: Vec<IpAddr>,
    /// Search domains.
    pub dns_search: Vec<String>,
}

/// A published port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct BoundPort {
    /// The container's port.
    pub container: Port,
    /// The host's address.
    pub host_ip: IpAddr,
    /// The host's port.
    pub host_port: u16,
}
