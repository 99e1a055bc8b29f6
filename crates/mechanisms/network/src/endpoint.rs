//! Endpoints: what is asked for, and what there is.

use std::net::{IpAddr, Ipv4Addr};
use std::ops::RangeInclusive;
use std::path::PathBuf;

use porthole_protocol::supervisor::Transport;
use serde::{Deserialize, Serialize};

/// A network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum NetworkKind {
    /// A bridge of the host's with translation to the outside.
    Nat,
    /// Loopback only.
    None,
}

/// An endpoint to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EndpointSpec {
    /// Its ID, that of the container: letters, digits, `_`, `.` and `-`.
    pub id: String,
    /// The network.
    pub network: NetworkKind,
    /// Ports to publish; [`NetworkKind::None`] publishes none, whatever stands here.
    pub ports: Vec<PortRequest>,
}

/// A port to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PortRequest {
    /// Its protocol.
    pub transport: Transport,
    /// The host's address; none for all, of both families. An IPv6 address is not translated: the
    /// supervisor relays what arrives there.
    pub host_address: Option<IpAddr>,
    /// The host's ports, of which the first that is free is taken; none for any free one.
    pub host_ports: Option<RangeInclusive<u16>>,
    /// The container's port.
    pub container_port: u16,
}

/// An endpoint.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Endpoint {
    /// Its ID.
    pub id: String,
    /// The network.
    pub network: NetworkKind,
    /// The network namespace: a file that it is bound to.
    pub namespace: PathBuf,
    /// Its place in a network with addresses.
    pub address: Option<Address>,
    /// The published ports, one for each address of the host.
    pub ports: Vec<PublishedPort>,
}

/// An endpoint's place in a network.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct Address {
    /// The address.
    pub ip: Ipv4Addr,
    /// The bits of it that name the network.
    pub prefix_length: u8,
    /// The way out.
    pub gateway: Ipv4Addr,
    /// The interface's hardware address.
    pub mac: [u8; 6],
}

impl Address {
    /// The hardware address as people write it: `02:50:ac:1e:00:02`.
    #[must_use]
    pub fn mac_text(&self) -> String {
        self.mac.map(|byte| format!("{byte:02x}")).join(":")
    }
}

/// A published port.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
pub struct PublishedPort {
    /// Its protocol. Absent in the records of an older daemon, which knew TCP only.
    #[serde(default)]
    pub transport: Transport,
    /// The host's address, `0.0.0.0` or `::` for all of a family. Whoever holds `::` must hold it
    /// for IPv6 alone.
    pub host_address: IpAddr,
    /// The host's port.
    pub host_port: u16,
    /// The endpoint's address.
    pub container_address: Ipv4Addr,
    /// The container's port.
    pub container_port: u16,
}
