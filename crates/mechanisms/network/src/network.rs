//! The handle to the networks.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use ipnet::Ipv4Net;
use tokio::task::AbortHandle;

use crate::address::{self, Leases};
use crate::endpoint::{Endpoint, NetworkKind};
use crate::error::{Error, Result};
use crate::port::{self, Ports};
use crate::record::Records;
use crate::traffic::{self, Traffic};
use crate::{link, namespace, sysctl};

/// How a [`Network`] is set up.
#[derive(Debug, Clone)]
pub struct Options {
    /// The run-time root, for example `/run/porthole`.
    pub exec_root: PathBuf,
    /// The nat network's bridge.
    pub bridge: String,
    /// The nat network's subnet; none for one that the host has no route to.
    pub subnet: Option<Ipv4Net>,
}

impl Options {
    /// The usual bridge and a subnet by choice.
    #[must_use]
    pub fn new(exec_root: impl Into<PathBuf>) -> Self {
        Self {
            exec_root: exec_root.into(),
            bridge: "porthole0".to_owned(),
            subnet: None,
        }
    }
}

/// The nat network as it is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Nat {
    /// Its bridge.
    pub bridge: String,
    /// Its subnet.
    pub subnet: Ipv4Net,
    /// Its way out: the bridge's address.
    pub gateway: Ipv4Addr,
}

/// What [`Network::reconcile`] found.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Reconciled {
    /// Endpoints that nobody claimed; they are removed.
    pub removed: Vec<String>,
    /// Endpoints that were claimed but are not there, or whose namespace is gone.
    pub lost: Vec<String>,
}

/// What [`Network::teardown`] did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Teardown {
    /// Nothing of ours is left on the host.
    Done,
    /// Endpoints are in use, so everything stays.
    InUse,
}

/// A handle to the networks; cheap to clone. Operations on different endpoints may run at the same
/// time, those on one must not. Needs a tokio runtime, and lives in the network namespace of the
/// thread that made it and of the runtime's.
#[derive(Debug, Clone)]
pub struct Network {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) options: Options,
    pub(crate) records: Records,
    pub(crate) host: rtnetlink::Handle,
    state: Mutex<State>,
    /// The bridge's index, once the nat network is prepared; held while that is done.
    pub(crate) prepared: tokio::sync::Mutex<Option<u32>>,
    /// One change to the firewall at a time, so that a full one misses no small one.
    pub(crate) firewall: tokio::sync::Mutex<()>,
    /// Addresses whose interfaces are going; held while one is deleted.
    pub(crate) departing: tokio::sync::Mutex<BTreeSet<Ipv4Addr>>,
    watcher: Mutex<Option<AbortHandle>>,
}

/// What is in use; follows the records.
#[derive(Debug)]
pub(crate) struct State {
    pub(crate) endpoints: BTreeMap<String, Endpoint>,
    pub(crate) ports: Ports,
    pub(crate) leases: Option<Leases>,
}

impl Drop for Inner {
    fn drop(&mut self) {
        self.set_watcher(None);
    }
}

impl Inner {
    /// Replaces the task that watches the firewall; the old one ends.
    pub(crate) fn set_watcher(&self, watcher: Option<AbortHandle>) {
        let mut current = self.watcher.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(old) = std::mem::replace(&mut *current, watcher) {
            old.abort();
        }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Network {
    /// Opens the networks below a run-time root; touches nothing outside it.
    ///
    /// # Errors
    /// [`Kernel`](crate::ErrorKind::Kernel).
    pub async fn open(options: Options) -> Result<Self> {
        let records = Records::open(&options.exec_root)?;
        let endpoints = records.load_endpoints()?;
        let mut ports = Ports::new(
            port::host_ephemeral_range(),
            sysctl::has_ipv6(),
            port::probe_host,
        );
        endpoints
            .iter()
            .for_each(|endpoint| ports.adopt(&endpoint.ports));
        let used = endpoints
            .iter()
            .filter_map(|endpoint| Some(endpoint.address?.ip));
        let leases = records.nat()?.map(|nat| Leases::new(nat.subnet, used));
        let endpoints = endpoints
            .into_iter()
            .map(|endpoint| (endpoint.id.clone(), endpoint))
            .collect();
        let host = link::connect()
            .map_err(|error| Error::io("open netlink socket", Path::new("rtnetlink"), error))?;
        let inner = Inner {
            options,
            records,
            host,
            state: Mutex::new(State {
                endpoints,
                ports,
                leases,
            }),
            prepared: tokio::sync::Mutex::default(),
            firewall: tokio::sync::Mutex::default(),
            departing: tokio::sync::Mutex::default(),
            watcher: Mutex::default(),
        };
        Ok(Self {
            inner: Arc::new(inner),
        })
    }

    /// The nat network, once it has been prepared.
    #[must_use]
    pub fn nat(&self) -> Option<Nat> {
        let subnet = self.inner.state().leases.as_ref()?.subnet();
        let bridge = self.inner.options.bridge.clone();
        Some(Nat {
            bridge,
            subnet,
            gateway: address::gateway(subnet),
        })
    }

    /// All endpoints, by ID.
    #[must_use]
    pub fn endpoints(&self) -> Vec<Endpoint> {
        self.inner.state().endpoints.values().cloned().collect()
    }

    /// The endpoint with this ID.
    #[must_use]
    pub fn endpoint(&self, id: &str) -> Option<Endpoint> {
        self.inner.state().endpoints.get(id).cloned()
    }

    /// What has passed through an endpoint; nothing for one that has no interface, or is not there.
    ///
    /// # Errors
    /// `Kernel` when the interface has gone.
    pub fn traffic(&self, id: &str) -> Result<Option<Traffic>> {
        self.endpoint(id)
            .map_or(Ok(None), |endpoint| traffic::of(&endpoint))
    }

    /// Removes every endpoint that is not `claimed` and everything that belongs to no endpoint,
    /// and restores what the host lost: firewall, bridge settings. Complete when it returns.
    ///
    /// # Errors
    /// The first failure; the rest has been tried all the same.
    pub async fn reconcile(&self, claimed: &[String]) -> Result<Reconciled> {
        let endpoints = self.endpoints();
        let unclaimed = endpoints
            .iter()
            .map(|endpoint| &endpoint.id)
            .filter(|id| !claimed.contains(id));
        let removed: Vec<String> = unclaimed.cloned().collect();
        let mut outcome = Ok(());
        for id in &removed {
            outcome = outcome.and(self.delete_endpoint(id).await);
        }
        outcome = outcome.and(self.remove_stray_namespaces());
        let in_use = self
            .endpoints()
            .iter()
            .any(|endpoint| endpoint.network == NetworkKind::Nat);
        if in_use {
            outcome = outcome
                .and(self.prepare_bridge().await.map(drop))
                .and(self.restore_firewall().await);
        }
        outcome = outcome
            .and(self.remove_stray_interfaces().await)
            .and(self.flush().await);
        outcome?;
        let is_there = |id: &&String| {
            self.endpoint(id)
                .is_some_and(|found| namespace::is_bound(&found.namespace))
        };
        let lost = claimed.iter().filter(|id| !is_there(id)).cloned().collect();
        Ok(Reconciled { removed, lost })
    }

    /// Takes everything down that the host has of ours, if no endpoint is left.
    ///
    /// The host's forwarding is switched off again if this network switched it on, unless there
    /// are other bridges by now, whose owners will have found it on.
    ///
    /// # Errors
    /// The first failure; the rest has been tried all the same.
    pub async fn teardown(&self) -> Result<Teardown> {
        let mut prepared = self.inner.prepared.lock().await;
        if !self.inner.state().endpoints.is_empty() {
            return Ok(Teardown::InUse);
        }
        self.flush().await?;
        let mut outcome = self.remove_stray_namespaces();
        if let Some(record) = self.inner.records.nat()? {
            outcome = outcome.and(self.remove_nat(&record).await);
        }
        outcome?;
        *prepared = None;
        self.inner.state().leases = None;
        self.inner.records.remove_all()?;
        namespace::remove_directory(&self.inner.options.exec_root)?;
        Ok(Teardown::Done)
    }

    fn remove_stray_namespaces(&self) -> Result<()> {
        let endpoints = self.endpoints();
        let is_stray = |path: &PathBuf| endpoints.iter().all(|known| known.namespace != *path);
        let paths = namespace::list(&self.inner.options.exec_root)?;
        paths
            .iter()
            .filter(|path| is_stray(path))
            .try_for_each(|path| namespace::remove(path))
    }

    async fn remove_stray_interfaces(&self) -> Result<()> {
        let Some(bridge) = *self.inner.prepared.lock().await else {
            return Ok(());
        };
        let ends = link::host_ends(&self.inner.host, bridge).await?;
        let endpoints = self.endpoints();
        let known = |ip: &Ipv4Addr| {
            endpoints
                .iter()
                .any(|known| known.address.is_some_and(|a| a.ip == *ip))
        };
        let departing = self.inner.departing.lock().await;
        for ip in ends
            .into_iter()
            .filter(|ip| !known(ip) && !departing.contains(ip))
        {
            link::delete(&self.inner.host, &link::host_end(ip)).await?;
        }
        Ok(())
    }
}
