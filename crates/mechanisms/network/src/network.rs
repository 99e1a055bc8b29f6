//! The handle, and the nat network as a whole: made, kept as it should be, taken down.

use std::collections::{BTreeMap, BTreeSet};
use std::net::Ipv4Addr;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError, Weak};
use std::time::Duration;

use ipnet::Ipv4Net;
use tokio::task::AbortHandle;

use crate::address::{self, Leases};
use crate::endpoint::{Endpoint, NetworkKind, PublishedPort};
use crate::error::{Error, ErrorKind, Result};
use crate::port::{self, Ports};
use crate::record::{NatRecord, Records};
use crate::watch::Watch;
use crate::{firewall, forwarding, link, namespace, sysctl};

/// How long to wait, after a change to the firewall, for the rest of it.
const SETTLE: Duration = Duration::from_millis(500);

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
    prepared: tokio::sync::Mutex<Option<u32>>,
    /// One change to the firewall at a time, so that a full one misses no small one.
    firewall: tokio::sync::Mutex<()>,
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
        self.stop_watching();
    }
}

impl Inner {
    fn stop_watching(&self) {
        if let Some(watcher) = self
            .watcher
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take()
        {
            watcher.abort();
        }
    }

    pub(crate) fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// The published ports of all endpoints.
    fn published(&self) -> Vec<PublishedPort> {
        self.state()
            .endpoints
            .values()
            .flat_map(|endpoint| endpoint.ports.clone())
            .collect()
    }
}

impl Network {
    /// Opens the networks below a run-time root; touches nothing outside it.
    ///
    /// # Errors
    /// [`ErrorKind::Kernel`].
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

    /// Makes the nat network: bridge, settings, firewall. What is there already is left as it is.
    /// [`Network::create_endpoint`] does it when it has not been done; done before, it costs the
    /// first container nothing.
    ///
    /// Beside iptables that drops what is forwarded (dockerd, ufw), rules in `DOCKER-USER` or at
    /// the head of `FORWARD` let the bridge through; should those come or go later, the rules
    /// follow, and so does our own table.
    ///
    /// # Errors
    /// [`ErrorKind::ToolMissing`], [`ErrorKind::NoFreeSubnet`], [`ErrorKind::NameTaken`],
    /// [`ErrorKind::Tool`], or [`ErrorKind::Kernel`].
    pub async fn prepare(&self) -> Result<Nat> {
        self.prepare_bridge().await?;
        self.nat()
            .ok_or_else(|| no_subnet(&self.inner.options.bridge))
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

    /// Puts the firewall's rules back where somebody removed them. Done by itself when the kernel
    /// announces a change.
    ///
    /// # Errors
    /// As [`Network::prepare`].
    pub async fn restore_firewall(&self) -> Result<()> {
        let Some(nat) = self.nat() else { return Ok(()) };
        let _change = self.inner.firewall.lock().await;
        let ports = self.inner.published();
        let ours = async {
            if firewall::is_intact(&nat.bridge, nat.subnet, &ports).await? {
                return Ok(());
            }
            firewall::apply(&nat.bridge, nat.subnet, &ports).await
        };
        let (ours, theirs) = tokio::join!(ours, forwarding::allow(&nat.bridge));
        ours.and(theirs)
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

    async fn remove_nat(&self, record: &NatRecord) -> Result<()> {
        let Inner { options, host, .. } = &*self.inner;
        let change = self.inner.firewall.lock().await;
        // Stopped first: it would put back what is being removed.
        self.inner.stop_watching();
        let (ours, theirs) = tokio::join!(firewall::remove(), forwarding::disallow());
        drop(change);
        let bridge = link::delete(host, &options.bridge).await;
        ours.and(theirs).and(bridge)?;
        if record.enabled_forwarding && !link::has_other_bridges(host, &options.bridge).await? {
            sysctl::set_forwarding(false)?;
        }
        Ok(())
    }

    /// The bridge's index; makes the nat network when that has not been done.
    pub(crate) async fn prepare_bridge(&self) -> Result<u32> {
        let mut prepared = self.inner.prepared.lock().await;
        if let Some(index) = *prepared {
            return Ok(index);
        }
        let Inner {
            options,
            host,
            records,
            ..
        } = &*self.inner;
        let record = self.nat_record().await?;
        records.write_nat(&record)?;
        let index = link::ensure_bridge(host, &options.bridge, record.subnet).await?;
        sysctl::configure_bridge(&options.bridge)?;
        sysctl::set_forwarding(true)?;
        self.inner
            .state()
            .leases
            .get_or_insert_with(|| Leases::new(record.subnet, []));
        self.watch();
        self.restore_firewall().await?;
        *prepared = Some(index);
        Ok(index)
    }

    /// The nat network as it is recorded, or as it shall be.
    async fn nat_record(&self) -> Result<NatRecord> {
        let Inner {
            options,
            host,
            records,
            ..
        } = &*self.inner;
        let enabled_forwarding = !sysctl::is_forwarding()?;
        if let Some(record) = records.nat()? {
            return Ok(NatRecord {
                enabled_forwarding: record.enabled_forwarding || enabled_forwarding,
                ..record
            });
        }
        let subnet = match options.subnet {
            Some(subnet) => Some(subnet.trunc()),
            None => address::choose_subnet(&link::used_networks(host, &options.bridge).await?),
        };
        let subnet = subnet.ok_or_else(|| no_subnet(&options.bridge))?;
        Ok(NatRecord {
            subnet,
            enabled_forwarding,
        })
    }

    /// Translates an endpoint's ports.
    pub(crate) async fn publish(&self, ports: &[PublishedPort]) -> Result<()> {
        if ports.is_empty() {
            return Ok(());
        }
        let change = self.inner.firewall.lock().await;
        match firewall::publish(ports).await {
            Err(error) if error.kind() == ErrorKind::Tool => {
                drop(change);
                tracing::warn!(%error, "the firewall's table is not as it was; putting it back");
                self.restore_firewall().await
            }
            other => other,
        }
    }

    /// Translates an endpoint's ports no more.
    pub(crate) async fn unpublish(&self, ports: &[PublishedPort]) -> Result<()> {
        if ports.is_empty() {
            return Ok(());
        }
        let _change = self.inner.firewall.lock().await;
        firewall::unpublish(ports).await
    }

    /// Restores the firewall whenever it has been changed, for as long as there is a handle.
    fn watch(&self) {
        self.inner.stop_watching();
        let inner = Arc::downgrade(&self.inner);
        match Watch::open() {
            Ok(watch) => {
                let task = tokio::spawn(keep_firewall(watch, inner)).abort_handle();
                *self
                    .inner
                    .watcher
                    .lock()
                    .unwrap_or_else(PoisonError::into_inner) = Some(task);
            }
            Err(error) => tracing::warn!(%error, "changes to the firewall will not be noticed"),
        }
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

async fn keep_firewall(mut watch: Watch, inner: Weak<Inner>) {
    loop {
        if let Err(error) = watch.changed().await {
            tracing::error!(%error, "changes to the firewall are no longer noticed");
            return;
        }
        tokio::time::sleep(SETTLE).await;
        let Some(inner) = inner.upgrade() else { return };
        if let Err(error) = (Network { inner }).restore_firewall().await {
            tracing::error!(%error, "the firewall was changed and could not be restored");
        }
    }
}

fn no_subnet(bridge: &str) -> Error {
    let message = "the host has routes to every private network; configure a subnet";
    Error::new(
        ErrorKind::NoFreeSubnet,
        "choose subnet for",
        bridge,
        message,
    )
}
