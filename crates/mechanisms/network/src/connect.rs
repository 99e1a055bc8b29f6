//! Making and removing endpoints.

use std::net::Ipv4Addr;
use std::time::Duration;

use crate::address;
use crate::endpoint::{Address, Endpoint, EndpointSpec, NetworkKind, PublishedPort};
use crate::error::{Error, ErrorKind, Result};
use crate::network::{Network, State};
use crate::{link, namespace};

const OPERATION: &str = "create endpoint";

/// How long the kernel gets to delete an interface with its namespace, which it does for many at
/// once and so more cheaply, before it is deleted alone.
const DEPARTURE: Duration = Duration::from_millis(250);

/// The longest ID that is accepted.
const MAX_ID: usize = 128;

impl Network {
    /// Makes an endpoint. Nothing is left behind when it fails.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`], [`ErrorKind::AlreadyExists`], [`ErrorKind::PortAllocated`] and
    /// [`ErrorKind::PortInUse`] with Docker's texts, [`ErrorKind::NoFreePort`],
    /// [`ErrorKind::NoFreeAddress`], and those of [`Network::prepare`].
    pub async fn create_endpoint(&self, spec: &EndpointSpec) -> Result<Endpoint> {
        check_id(&spec.id)?;
        let bridge = match spec.network {
            NetworkKind::Nat => Some(self.prepare_bridge().await?),
            NetworkKind::None => None,
        };
        let endpoint = self.reserve(spec)?;
        match self.build(&endpoint, bridge).await {
            Ok(()) => Ok(endpoint),
            Err(error) => {
                if let Err(second) = self.delete_endpoint(&spec.id).await {
                    tracing::error!(endpoint = spec.id, error = %second, "left for reconciliation");
                }
                Err(error)
            }
        }
    }

    /// Removes an endpoint; one that is not there is fine. Nothing must run in its namespace any
    /// more. Its interface may go a moment later: [`Network::flush`] waits for it.
    ///
    /// # Errors
    /// The first failure; the endpoint is still known then, and can be removed again.
    pub async fn delete_endpoint(&self, id: &str) -> Result<()> {
        let Some(endpoint) = self.endpoint(id) else {
            return Ok(());
        };
        if let Some(address) = &endpoint.address {
            self.unpublish(&endpoint.ports).await?;
            self.inner.departing.lock().await.insert(address.ip);
        }
        namespace::remove(&endpoint.namespace)?;
        self.inner.records.remove_endpoint(id)?;
        let mut state = self.inner.state();
        state.endpoints.remove(id);
        state.ports.give_back(&endpoint.ports);
        drop(state);
        if let Some(address) = endpoint.address {
            let network = self.clone();
            tokio::spawn(async move {
                tokio::time::sleep(DEPARTURE).await;
                if let Err(error) = network.finish_departure(address.ip).await {
                    tracing::error!(%error, "left for reconciliation");
                }
            });
        }
        Ok(())
    }

    /// Waits until everything that removed endpoints had is gone.
    ///
    /// # Errors
    /// [`ErrorKind::Kernel`].
    pub async fn flush(&self) -> Result<()> {
        let departing: Vec<_> = self.inner.departing.lock().await.iter().copied().collect();
        for ip in departing {
            self.finish_departure(ip).await?;
        }
        Ok(())
    }

    /// Deletes what is left of an interface, and gives its address back.
    async fn finish_departure(&self, ip: Ipv4Addr) -> Result<()> {
        let mut departing = self.inner.departing.lock().await;
        if !departing.contains(&ip) {
            return Ok(());
        }
        link::delete(&self.inner.host, &link::host_end(ip)).await?;
        departing.remove(&ip);
        if let Some(leases) = &mut self.inner.state().leases {
            leases.give_back(ip);
        }
        Ok(())
    }

    /// Takes address and ports, and records the endpoint.
    fn reserve(&self, spec: &EndpointSpec) -> Result<Endpoint> {
        let directory = namespace::directory(&self.inner.options.exec_root);
        let mut state = self.inner.state();
        if state.endpoints.contains_key(&spec.id) {
            let message = "there is one with this ID";
            return Err(Error::new(
                ErrorKind::AlreadyExists,
                OPERATION,
                &spec.id,
                message,
            ));
        }
        let (address, ports) = match spec.network {
            NetworkKind::Nat => state.take_place(spec)?,
            NetworkKind::None => (None, Vec::new()),
        };
        let endpoint = Endpoint {
            id: spec.id.clone(),
            network: spec.network,
            namespace: directory.join(&spec.id),
            address,
            ports,
        };
        if let Err(error) = self.inner.records.write_endpoint(&endpoint) {
            state.give_back(&endpoint);
            return Err(error);
        }
        state.endpoints.insert(spec.id.clone(), endpoint.clone());
        Ok(endpoint)
    }

    /// Makes in the kernel what is recorded.
    async fn build(&self, endpoint: &Endpoint, bridge: Option<u32>) -> Result<()> {
        let interfaces = async {
            let (file, inside) = namespace::create(&endpoint.namespace).await?;
            let pair = async {
                if let (Some(bridge), Some(address)) = (bridge, &endpoint.address) {
                    link::create_pair(&self.inner.host, bridge, &file, address).await?;
                    let (port, interface) = tokio::join!(
                        link::allow_hairpin(&self.inner.host, address),
                        link::configure_interface(&inside, address),
                    );
                    port.and(interface)?;
                }
                Ok(())
            };
            let (loopback, pair) = tokio::join!(link::configure_loopback(&inside), pair);
            loopback.and(pair)
        };
        let (interfaces, ports) = tokio::join!(interfaces, self.publish(&endpoint.ports));
        interfaces.and(ports)
    }
}

impl State {
    /// Takes an address and the ports in the nat network.
    fn take_place(&mut self, spec: &EndpointSpec) -> Result<(Option<Address>, Vec<PublishedPort>)> {
        let Some(leases) = &mut self.leases else {
            return Ok((None, Vec::new()));
        };
        let ip = leases.take().ok_or_else(|| {
            let message = "every address of the network is in use";
            Error::new(ErrorKind::NoFreeAddress, OPERATION, &spec.id, message)
        })?;
        let ports = self
            .ports
            .take(&spec.ports, ip)
            .inspect_err(|_| leases.give_back(ip))?;
        let subnet = leases.subnet();
        let address = Address {
            ip,
            prefix_length: subnet.prefix_len(),
            gateway: address::gateway(subnet),
            mac: address::mac_of(ip),
        };
        Ok((Some(address), ports))
    }

    /// Takes back [`State::take_place`].
    fn give_back(&mut self, endpoint: &Endpoint) {
        self.ports.give_back(&endpoint.ports);
        if let (Some(leases), Some(address)) = (&mut self.leases, &endpoint.address) {
            leases.give_back(address.ip);
        }
    }
}

/// An ID names a file, so it must not lead elsewhere.
fn check_id(id: &str) -> Result<()> {
    let well_formed = id.len() <= MAX_ID
        && id
            .bytes()
            .next()
            .is_some_and(|byte| byte.is_ascii_alphanumeric())
        && id
            .bytes()
            .all(|byte| byte.is_ascii_alphanumeric() || b"_.-".contains(&byte));
    if well_formed {
        return Ok(());
    }
    let shown: String = id.chars().take(MAX_ID).collect();
    Err(Error::new(
        ErrorKind::Invalid,
        OPERATION,
        shown,
        "not an ID",
    ))
}
