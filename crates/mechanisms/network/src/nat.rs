//! The nat network: made, kept as it should be, taken down.

use std::sync::{Arc, Weak};
use std::time::Duration;

use crate::address::{self, Leases};
use crate::endpoint::PublishedPort;
use crate::error::{Error, ErrorKind, Result};
use crate::network::{Inner, Nat, Network};
use crate::record::NatRecord;
use crate::watch::Watch;
use crate::{conntrack, firewall, forwarding, link, sysctl};

/// How long to wait, after a change to the firewall, for the rest of it.
const SETTLE: Duration = Duration::from_millis(500);

impl Network {
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

    /// The firewalls of the host that keep containers from the network and that are not ours to
    /// change, each with what to do about it. [`Network::prepare`] logs them too.
    ///
    /// # Errors
    /// [`ErrorKind::ToolMissing`], [`ErrorKind::Tool`], or [`ErrorKind::Kernel`].
    pub async fn obstacles(&self) -> Result<Vec<String>> {
        forwarding::obstacles(&self.inner.options.bridge).await
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
        let intact = firewall::is_intact(&nat.bridge, nat.subnet, &ports).await?;
        self.put_firewall(&nat, &ports, !intact).await
    }

    /// Puts our table in place, if asked to, and our rules in those of others.
    async fn put_firewall(&self, nat: &Nat, ports: &[PublishedPort], table: bool) -> Result<()> {
        let ours = async {
            if table {
                firewall::apply(&nat.bridge, nat.subnet, ports).await
            } else {
                Ok(())
            }
        };
        let (ours, theirs) = tokio::join!(ours, forwarding::allow(&nat.bridge));
        ours.and(theirs)
    }

    pub(crate) async fn remove_nat(&self, record: &NatRecord) -> Result<()> {
        let Inner { options, host, .. } = &*self.inner;
        let change = self.inner.firewall.lock().await;
        // Stopped first: it would put back what is being removed.
        self.inner.set_watcher(None);
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
        if !sysctl::is_forwarding()? {
            sysctl::set_forwarding(true)?;
        }
        self.inner
            .state()
            .leases
            .get_or_insert_with(|| Leases::new(record.subnet, []));
        self.watch();
        let nat = self.nat().ok_or_else(|| no_subnet(&options.bridge))?;
        let change = self.inner.firewall.lock().await;
        // Always anew: an older version's table may differ from ours in more than is compared.
        self.put_firewall(&nat, &self.inner.published(), true)
            .await?;
        drop(change);
        for obstacle in self.obstacles().await? {
            tracing::warn!(
                obstacle,
                "a firewall of the host drops what containers send"
            );
        }
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
        let published = firewall::publish(ports).await;
        drop(change);
        match published {
            Err(error) if error.kind() == ErrorKind::Tool => {
                tracing::warn!(%error, "the firewall's table is not as it was; putting it back");
                self.restore_firewall().await?;
            }
            other => other?,
        }
        conntrack::forget_untranslated(ports).await;
        Ok(())
    }

    /// Translates an endpoint's ports no more.
    pub(crate) async fn unpublish(&self, ports: &[PublishedPort]) -> Result<()> {
        if ports.is_empty() {
            return Ok(());
        }
        let change = self.inner.firewall.lock().await;
        firewall::unpublish(ports).await?;
        drop(change);
        conntrack::forget_translated(ports).await;
        Ok(())
    }

    /// Restores the firewall whenever it has been changed, for as long as there is a handle.
    fn watch(&self) {
        let inner = Arc::downgrade(&self.inner);
        match Watch::open() {
            Ok(watch) => {
                let task = tokio::spawn(keep_firewall(watch, inner)).abort_handle();
                self.inner.set_watcher(Some(task));
            }
            Err(error) => tracing::warn!(%error, "changes to the firewall will not be noticed"),
        }
    }
}

impl Inner {
    /// The published ports of all endpoints.
    fn published(&self) -> Vec<PublishedPort> {
        self.state()
            .endpoints
            .values()
            .flat_map(|endpoint| endpoint.ports.clone())
            .collect()
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
