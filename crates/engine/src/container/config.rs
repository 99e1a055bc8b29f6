//! What a container is to be: the request of `create`, and what of it is kept.

use std::collections::{BTreeMap, BTreeSet};
use std::fmt;
use std::str::FromStr;

use serde::{Deserialize, Serialize};

use crate::container::health::HealthCheck;
use crate::container::log_options::LogConfig;
use crate::container::resources::Resources;
use crate::container::ulimits::Ulimit;
use crate::error::{Error, Result};

pub use porthole_compute_service::settings::Transport;

/// A request to create a container.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CreateContainer {
    /// The name, with or without a leading slash; none lets the engine choose one.
    pub name: Option<String>,
    /// What runs.
    pub config: ContainerConfig,
    /// How the host treats it.
    pub host: HostConfig,
}

/// What runs in a container. After creation, the image's settings are merged in.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct ContainerConfig {
    /// The image as the client named it.
    pub image: String,
    /// The host name; empty in a request means the first 12 digits of the ID.
    pub hostname: String,
    /// The domain that the host name is in; empty for none.
    pub domainname: String,
    /// The account; empty means the image's, else `ContainerAdministrator`.
    pub user: String,
    /// Whether the creating client attaches to the input.
    pub attach_stdin: bool,
    /// Whether the creating client attaches to the output.
    pub attach_stdout: bool,
    /// Whether the creating client attaches to the errors.
    pub attach_stderr: bool,
    /// Whether the main process gets a console.
    pub tty: bool,
    /// Whether the input is open.
    pub open_stdin: bool,
    /// Whether the input closes when the first attached client leaves.
    pub stdin_once: bool,
    /// Variables, `NAME=value`; names compare without case.
    pub env: Vec<String>,
    /// The command, or the arguments of the entry point.
    pub cmd: Option<Vec<String>>,
    /// The entry point. `Some` with no element (or one empty element) resets the image's.
    pub entrypoint: Option<Vec<String>>,
    /// Whether `entrypoint` and `cmd` are already a Windows command line, to be joined with spaces.
    pub args_escaped: bool,
    /// The working directory; empty means the image's, else `C:\`.
    pub working_dir: String,
    /// Labels.
    pub labels: BTreeMap<String, String>,
    /// Ports that the program listens on.
    pub exposed_ports: BTreeSet<Port>,
    /// The signal of `stop`.
    pub stop_signal: Option<String>,
    /// Seconds that `stop` waits; negative waits for ever, none is 30.
    pub stop_timeout: Option<i64>,
    /// How its health is checked.
    pub healthcheck: Option<HealthCheck>,
    /// The shell of the health check; empty means `cmd /S /C`.
    pub shell: Vec<String>,
}

impl ContainerConfig {
    /// The host name with its domain.
    #[must_use]
    pub fn full_hostname(&self) -> String {
        match self.domainname.as_str() {
            "" => self.hostname.clone(),
            domain => format!("{}.{domain}", self.hostname),
        }
    }
}

/// How the host treats a container.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct HostConfig {
    /// Host directories that appear inside, `source:C:\path[:ro|rw]`.
    pub binds: Vec<String>,
    /// The network: empty, `default`, `nat` or `none`.
    pub network_mode: String,
    /// Host ports that lead to ports of the container.
    pub port_bindings: BTreeMap<Port, Vec<PortBinding>>,
    /// Whether every exposed port gets a host port.
    pub publish_all_ports: bool,
    /// Whether the container is removed when it ends.
    pub auto_remove: bool,
    /// When it is started again by itself.
    pub restart: RestartPolicy,
    /// What it may use at most.
    pub resources: Resources,
    /// Threads at most; 0 and negative numbers are no limit.
    pub pids_limit: i64,
    /// What each process may use at most.
    pub ulimits: Vec<Ulimit>,
    /// Directories in memory: the path and its options, as the client split them.
    pub tmpfs: BTreeMap<String, String>,
    /// Whether an init was asked for, which every silo has.
    pub init: Option<bool>,
    /// `""`, `default`, `process` or `hyperv`; after creation always resolved.
    pub isolation: String,
    /// Height and width of the console at the start; zeros mean the default.
    pub console_size: [u16; 2],
    /// How its output is recorded; after creation the driver is always named.
    pub log: LogConfig,
}

/// When a container that has ended is started again.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum RestartPolicy {
    /// Never.
    #[default]
    No,
    /// Whenever it was not a client that ended it, and whenever the engine starts.
    Always,
    /// As `Always`; but one that a client ended stays so when the engine starts.
    UnlessStopped,
    /// When its exit code is not 0, so many times in a row; 0 is without limit.
    OnFailure(u32),
}

impl RestartPolicy {
    /// Docker's name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::No => "no",
            Self::Always => "always",
            Self::UnlessStopped => "unless-stopped",
            Self::OnFailure(_) => "on-failure",
        }
    }

    /// How often in a row; 0 is without limit.
    #[must_use]
    pub const fn maximum_retry_count(self) -> u32 {
        match self {
            Self::OnFailure(count) => count,
            Self::No | Self::Always | Self::UnlessStopped => 0,
        }
    }
}

/// A port with its protocol, written `80/tcp`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Port {
    /// The number.
    pub number: u16,
    /// The protocol.
    pub protocol: Transport,
}

impl fmt::Display for Port {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.number, self.protocol.name())
    }
}

impl FromStr for Port {
    type Err = Error;

    fn from_str(text: &str) -> Result<Self> {
        let refused = || Error::invalid(format!("invalid port specification: \"{text}\""));
        let (number, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
        let protocol = match protocol.to_ascii_lowercase().as_str() {
            "tcp" => Transport::Tcp,
            "udp" => Transport::Udp,
            _ => return Err(refused()),
        };
        let number = number
            .parse()
            .ok()
            .filter(|number| *number > 0)
            .ok_or_else(refused)?;
        Ok(Self { number, protocol })
    }
}

impl TryFrom<String> for Port {
    type Error = Error;

    fn try_from(text: String) -> Result<Self> {
        text.parse()
    }
}

impl From<Port> for String {
    fn from(port: Port) -> Self {
        port.to_string()
    }
}

/// A host address and port to publish on.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct PortBinding {
    /// The host's address; empty means all.
    pub host_ip: String,
    /// The host's port, or a range of which the first free one is taken, `8000-8010`; empty or `0`
    /// lets the engine choose one.
    pub host_port: String,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_port_is_written_with_its_protocol() {
        assert_eq!("80".parse::<Port>().unwrap().to_string(), "80/tcp");
        assert_eq!("53/UDP".parse::<Port>().unwrap().to_string(), "53/udp");
        for wrong in ["", "0", "65536", "80/sctp", "a/tcp"] {
            let error = wrong.parse::<Port>().unwrap_err();
            assert_eq!(
                error.to_string(),
                format!("invalid port specification: \"{wrong}\"")
            );
        }
    }
}
