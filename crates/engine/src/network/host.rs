//! The host's networks, by the network mechanism.

use std::net::IpAddr;

use async_trait::async_trait;
use porthole_network::{EndpointSpec, NetworkKind, PortRequest, Resolver};
use uuid::Uuid;

use crate::container::config::Port;
use crate::container::record::{BoundPort, Endpoint};
use crate::error::{Error, ErrorKind, Result};
use crate::network::directory::not_found;
use crate::network::{ConnectRequest, Network, NetworkRecord, Subnet, Traffic};

/// The host's networks.
#[derive(Debug, Clone)]
pub struct HostNetwork {
    network: porthole_network::Network,
}

impl HostNetwork {
    /// Over the mechanism.
    #[must_use]
    pub const fn new(network: porthole_network::Network) -> Self {
        Self { network }
    }
}

#[async_trait]
impl Network for HostNetwork {
    async fn connect(&self, request: &ConnectRequest) -> Result<Endpoint> {
        let kind = match request.network.as_str() {
            "nat" => NetworkKind::Nat,
            "none" => NetworkKind::None,
            name => return Err(not_found(name)),
        };
        let ports = request.ports.iter().map(|port| PortRequest {
            host_address: port.host_ip,
            transport: port.container.protocol,
            host_ports: port.host_ports.clone(),
            container_port: port.container.number,
        });
        let spec = EndpointSpec {
            id: request.container.clone(),
            network: kind,
            ports: ports.collect(),
        };
        let made = self.network.create_endpoint(&spec).await;
        made.map(endpoint)
            .map_err(|error| failed("failed to set up container networking", error))
    }

    async fn endpoint(&self, container: &str) -> Result<Option<Endpoint>> {
        Ok(self.network.endpoint(container).map(endpoint))
    }

    async fn traffic(&self, container: &str) -> Result<Option<Traffic>> {
        let counted = self.network.traffic(container);
        counted.map_err(|error| failed("cannot read network counters", error))
    }

    fn list(&self) -> Vec<NetworkRecord> {
        let subnet = self.network.nat().map(|nat| Subnet {
            range: nat.subnet.to_string(),
            gateway: IpAddr::V4(nat.gateway),
        });
        [("nat", "nat", subnet), ("none", "null", None)]
            .map(|(name, driver, subnet)| NetworkRecord {
                id: long_id(name),
                name: name.to_owned(),
                driver,
                subnet,
            })
            .into()
    }

    async fn reconcile(&self, claimed: &[String]) -> Result<Vec<String>> {
        let found = self.network.reconcile(claimed).await;
        found
            .map(|found| found.lost)
            .map_err(|error| failed("cannot take up the networks", error))
    }

    async fn disconnect(&self, container: &str) -> Result<()> {
        let gone = self.network.delete_endpoint(container).await;
        gone.map_err(|error| failed("cannot take down container networking", error))
    }
}

fn endpoint(made: porthole_network::Endpoint) -> Endpoint {
    let resolver = Resolver::of_host();
    let ports = made.ports.iter().map(|port| BoundPort {
        container: Port {
            number: port.container_port,
            protocol: port.transport,
        },
        host_ip: port.host_address,
        host_port: port.host_port,
    });
    let name = match made.network {
        NetworkKind::Nat => "nat",
        NetworkKind::None => "none",
    };
    Endpoint {
        id: long_id(&made.id),
        network_id: long_id(name),
        address: made.address.map(|address| IpAddr::V4(address.ip)),
        prefix_length: made.address.map_or(0, |address| address.prefix_length),
        gateway: made.address.map(|address| IpAddr::V4(address.gateway)),
        mac_address: made
            .address
            .map(|address| address.mac_text())
            .unwrap_or_default(),
        ports: ports.collect(),
        dns_servers: resolver.servers,
        dns_search: resolver.search,
        namespace: made.namespace,
    }
}

/// An ID of Docker's length that follows from a name.
fn long_id(name: &str) -> String {
    let half = |part: &str| {
        let name = format!("{part} {name}");
        Uuid::new_v5(&Uuid::NAMESPACE_OID, name.as_bytes())
            .simple()
            .to_string()
    };
    half("network") + &half("endpoint")
}

fn failed(what: &str, error: porthole_network::Error) -> Error {
    use porthole_network::ErrorKind as Kind;
    let kind = match error.kind() {
        Kind::AlreadyExists => ErrorKind::Conflict,
        Kind::Invalid => ErrorKind::InvalidParameter,
        Kind::ToolMissing => ErrorKind::Unavailable,
        _ => ErrorKind::System,
    };
    // Docker's clients know a port that is taken by what dockerd puts in front.
    let driver = match error.kind() {
        Kind::PortAllocated | Kind::PortInUse => {
            "driver failed programming external connectivity: "
        }
        _ => "",
    };
    Error::new(kind, format!("{what}: {driver}{error}")).with_source(error)
}
