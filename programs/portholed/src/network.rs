//! The engine's network over the mechanism.

use std::net::IpAddr;

use async_trait::async_trait;
use porthole_engine::container::config::{Port, Protocol};
use porthole_engine::container::record::{BoundPort, Endpoint};
use porthole_engine::network::{ConnectRequest, Network, PublishPort};
use porthole_engine::{Error, ErrorKind, Result};
use porthole_network as mechanism;
use porthole_network::{EndpointSpec, NetworkKind, PortRequest, Resolver};
use uuid::Uuid;

/// The networks of this host.
#[derive(Debug, Clone)]
pub(crate) struct HostNetwork(pub(crate) mechanism::Network);

#[async_trait]
impl Network for HostNetwork {
    async fn connect(&self, request: &ConnectRequest) -> Result<Endpoint> {
        let spec = EndpointSpec {
            id: request.container.clone(),
            network: kind(&request.network)?,
            ports: request
                .ports
                .iter()
                .map(port_request)
                .collect::<Result<_>>()?,
        };
        self.0
            .create_endpoint(&spec)
            .await
            .map(endpoint)
            .map_err(|error| failure(&error))
    }

    async fn endpoint(&self, container: &str) -> Result<Option<Endpoint>> {
        Ok(self.0.endpoint(container).map(endpoint))
    }

    async fn reconcile(&self, connected: &[String]) -> Result<()> {
        let reconciled = self.0.reconcile(connected).await.map_err(|error| failure(&error))?;
        for id in reconciled.removed {
            tracing::info!(container = id, "removed an endpoint that no container has");
        }
        for id in reconciled.lost {
            tracing::warn!(
                container = id,
                "the network namespace of a running container is gone"
            );
        }
        Ok(())
    }

    async fn disconnect(&self, container: &str) -> Result<()> {
        self.0.delete_endpoint(container).await.map_err(|error| failure(&error))
    }
}

fn kind(name: &str) -> Result<NetworkKind> {
    match name {
        "nat" => Ok(NetworkKind::Nat),
        "none" => Ok(NetworkKind::None),
        other => Err(Error::new(
            ErrorKind::NotFound,
            format!("network {other} not found"),
        )),
    }
}

fn port_request(port: &PublishPort) -> Result<PortRequest> {
    if port.container.protocol != Protocol::Tcp {
        let message = format!(
            "cannot publish {}: this version of Porthole publishes TCP ports",
            port.container
        );
        return Err(Error::new(ErrorKind::InvalidParameter, message));
    }
    Ok(PortRequest {
        host_address: port.host_ip,
        host_port: port.host_port.unwrap_or(0),
        container_port: port.container.number,
    })
}

fn endpoint(endpoint: mechanism::Endpoint) -> Endpoint {
    let resolver = match endpoint.network {
        NetworkKind::Nat => Resolver::of_host(),
        NetworkKind::None => Resolver::default(),
    };
    let bound = |port: &mechanism::PublishedPort| BoundPort {
        container: Port {
            number: port.container_port,
            protocol: Protocol::Tcp,
        },
        host_ip: port.host_address,
        host_port: port.host_port,
    };
    let address = endpoint.address;
    Endpoint {
        network_id: network_id(endpoint.network),
        namespace: endpoint.namespace,
        address: address.map(|address| IpAddr::V4(address.ip)),
        prefix_length: address.map_or(0, |address| address.prefix_length),
        gateway: address.map(|address| IpAddr::V4(address.gateway)),
        mac_address: address
            .map(|address| address.mac_text())
            .unwrap_or_default(),
        ports: endpoint.ports.iter().map(bound).collect(),
        dns_servers: resolver.servers,
        dns_search: resolver.search,
        id: endpoint.id,
    }
}

/// A network's ID: the built-in ones have the same on every host, in Docker's form of 64 digits.
fn network_id(kind: NetworkKind) -> String {
    let name = match kind {
        NetworkKind::Nat => "nat",
        NetworkKind::None => "none",
    };
    let half = |part: &str| {
        Uuid::new_v5(
            &Uuid::NAMESPACE_OID,
            format!("porthole/{name}/{part}").as_bytes(),
        )
        .simple()
    };
    format!("{}{}", half("a"), half("b"))
}

fn failure(error: &mechanism::Error) -> Error {
    let kind = match error.kind() {
        mechanism::ErrorKind::Invalid => ErrorKind::InvalidParameter,
        _ => ErrorKind::System,
    };
    // Docker's clients know ports that are taken by what dockerd puts in front.
    let message = match error.kind() {
        mechanism::ErrorKind::PortAllocated | mechanism::ErrorKind::PortInUse => {
            format!(
                "failed to set up container networking: driver failed programming external connectivity: {error}"
            )
        }
        _ => format!("failed to set up container networking: {error}"),
    };
    match std::error::Error::source(error).map(ToString::to_string) {
        Some(cause) => Error::new(kind, message).with_source(cause),
        None => Error::new(kind, message),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_have_ids_in_dockers_form() {
        let nat = network_id(NetworkKind::Nat);
        assert_eq!(nat.len(), 64);
        assert_ne!(nat, network_id(NetworkKind::None));
    }

    #[test]
    fn unknown_networks_and_other_protocols_are_refused() {
        assert_eq!(
            kind("overlay").map_err(|error| error.to_string()),
            Err("network overlay not found".to_owned())
        );
        let port = PublishPort {
            container: Port {
                number: 53,
                protocol: Protocol::Udp,
            },
            host_ip: None,
            host_port: None,
        };
        assert_eq!(
            port_request(&port).map_err(|error| error.kind()),
            Err(ErrorKind::InvalidParameter)
        );
    }
}
