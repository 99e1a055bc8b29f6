//! What the engine needs of a network: a place for each container. Implemented over the network
//! mechanism, and in memory for tests.

pub mod directory;
mod host;

use std::net::IpAddr;
use std::ops::RangeInclusive;

use async_trait::async_trait;

use crate::container::config::Port;
use crate::container::record::Endpoint;
use crate::error::Result;

pub use host::HostNetwork;
pub use porthole_network::{Counters, Traffic};

/// Makes and takes back endpoints.
#[async_trait]
pub trait Network: Send + Sync {
    /// Makes the endpoint of a container, with a network namespace to join. Nothing is left behind
    /// when it fails.
    ///
    /// # Errors
    /// `System` with Docker's text when a port is taken; `NotFound` for an unknown network;
    /// `Conflict` for a container that has an endpoint.
    async fn connect(&self, request: &ConnectRequest) -> Result<Endpoint>;

    /// The endpoint that [`Self::connect`] made for this container, if it is still there.
    ///
    /// # Errors
    /// `System`.
    async fn endpoint(&self, container: &str) -> Result<Option<Endpoint>>;

    /// Takes everything back that was made for containers that an earlier engine left and that are
    /// not among `claimed`, and restores for those what the host lost meanwhile. Gives the claimed
    /// ones that have no endpoint. Called once, before anything else.
    ///
    /// # Errors
    /// `System`.
    async fn reconcile(&self, claimed: &[String]) -> Result<Vec<String>>;

    /// What has passed through a container's endpoint; nothing for one without an interface.
    ///
    /// # Errors
    /// `System`.
    async fn traffic(&self, container: &str) -> Result<Option<Traffic>>;

    /// The networks that there are, by name.
    fn list(&self) -> Vec<NetworkRecord>;

    /// Takes everything back that [`Self::connect`] made for this container. Idempotent.
    ///
    /// # Errors
    /// `System`.
    async fn disconnect(&self, container: &str) -> Result<()>;
}

/// A network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkRecord {
    /// 64 hexadecimal digits.
    pub id: String,
    /// The name: `nat` or `none`.
    pub name: String,
    /// Docker's word for what makes its endpoints: `nat` or `null`.
    pub driver: &'static str,
    /// Its addresses, once it has some.
    pub subnet: Option<Subnet>,
}

/// The addresses of a network.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Subnet {
    /// For example `172.30.0.0/16`.
    pub range: String,
    /// The way out.
    pub gateway: IpAddr,
}

/// An endpoint to make.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ConnectRequest {
    /// The container's ID.
    pub container: String,
    /// The network's name: `nat` or `none`.
    pub network: String,
    /// Ports to publish.
    pub ports: Vec<PublishPort>,
}

/// A port to publish.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct PublishPort {
    /// The container's port.
    pub container: Port,
    /// The host's address; none for all.
    pub host_ip: Option<IpAddr>,
    /// The host's ports, of which the first free one is taken; none lets the network choose.
    pub host_ports: Option<RangeInclusive<u16>>,
}
