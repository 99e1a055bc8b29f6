//! The daemon's life: claim, open, serve, leave.

use std::os::unix::fs::DirBuilderExt;
use std::sync::Arc;

use anyhow::{Context, Result};
use futures::future::join_all;
use porthole_api::{Api, Listener};
use porthole_engine::network::HostNetwork;
use porthole_engine::{Engine, Parts};
use porthole_network::{Network, Options, Teardown};
use porthole_store::Store;
use tokio::signal::unix::{Signal, SignalKind, signal};
use tokio::sync::watch;

use crate::address::Address;
use crate::configuration::Configuration;
use crate::facts::InstalledKernel;
use crate::instance::Instance;
use crate::tls::CertificateFiles;
use crate::{compute, facts, socket};

/// Runs until SIGTERM or SIGINT. Containers run on.
///
/// # Errors
/// When the daemon cannot start; nothing of it is left then.
pub(crate) async fn run(configuration: &Configuration) -> Result<()> {
    let exec_root = &configuration.exec_root;
    std::fs::DirBuilder::new()
        .recursive(true)
        .mode(0o711)
        .create(exec_root)
        .with_context(|| format!("cannot make {}", exec_root.display()))?;
    let _instance = Instance::claim(exec_root)?;
    let _hang_up = outlive_hang_up()?;
    // Before anything else makes files: the sockets' modes come from the process's umask. Clients
    // wait until the engine is open.
    let listeners = listen(configuration).await?;
    let network = open_network(configuration).await?;
    let engine = open_engine(configuration, network.clone()).await?;
    let stop = stop_signal()?;
    tracing::info!(version = env!("CARGO_PKG_VERSION"), "serving the API");
    if let Err(error) = porthole_systemd::ready() {
        tracing::warn!(%error, "cannot tell systemd that the daemon is ready");
    }
    let api = Api::new(engine);
    join_all(listeners.into_iter().map(|listener| {
        let mut stop = stop.clone();
        api.clone().serve(listener, async move {
            // An error means that the sender is gone, and with it the signals.
            let _ = stop.wait_for(|stop| *stop).await;
        })
    }))
    .await;
    leave(configuration, &network).await;
    Ok(())
}

async fn open_network(configuration: &Configuration) -> Result<Network> {
    let mut options = Options::new(&configuration.exec_root);
    options.bridge.clone_from(&configuration.bridge);
    options.subnet = configuration.subnet;
    Network::open(options)
        .await
        .context("cannot open the networks")
}

async fn open_engine(configuration: &Configuration, network: Network) -> Result<Arc<Engine>> {
    let data_root = configuration.data_root.clone();
    let (store, recovery) = tokio::task::spawn_blocking(move || Store::open(data_root))
        .await?
        .with_context(|| format!("cannot open {}", configuration.data_root.display()))?;
    tracing::debug!(?recovery, "opened the store");
    let kernel = InstalledKernel::new(configuration);
    if let Err(error) = kernel.build() {
        tracing::warn!(%error, "no kernel package: containers cannot start");
    }
    let facts = facts::gather(configuration)?;
    for warning in &facts.warnings {
        tracing::warn!("{warning}");
    }
    let parts = Parts {
        store,
        compute: Arc::new(compute::client(configuration)),
        network: Arc::new(HostNetwork::new(network)),
        registries: configuration.registries.open(),
        facts,
        installation: Arc::new(kernel),
    };
    Engine::open(parts).await.context("cannot open the engine")
}

async fn listen(configuration: &Configuration) -> Result<Vec<Listener>> {
    let tls = configuration.tls.as_ref().map(CertificateFiles::follow);
    let tls = tls.transpose().context("cannot speak TLS")?;
    let mut listeners = Vec::new();
    for host in &configuration.hosts {
        listeners.push(match (host, &tls) {
            (Address::Unix(path), _) => Listener::unix(socket::bind(path, &configuration.group)?),
            (Address::Tcp(address), Some(tls)) => {
                Listener::tls(socket::bind_tcp(address, true).await?, tls.clone())
            }
            (Address::Tcp(address), None) => {
                Listener::insecure_tcp(socket::bind_tcp(address, false).await?)
            }
        });
    }
    Ok(listeners)
}

/// SIGHUP asks a daemon to read its configuration again; one that has nothing to read again must
/// not end with it.
fn outlive_hang_up() -> Result<Signal> {
    signal(SignalKind::hangup()).context("cannot watch for SIGHUP")
}

/// Becomes true with the first signal that asks to end.
fn stop_signal() -> Result<watch::Receiver<bool>> {
    let mut terminate = signal(SignalKind::terminate())?;
    let mut interrupt = signal(SignalKind::interrupt())?;
    let (tell, stop) = watch::channel(false);
    tokio::spawn(async move {
        tokio::select! {
            _ = terminate.recv() => {}
            _ = interrupt.recv() => {}
        }
        tracing::info!("ending; containers run on");
        tell.send_replace(true);
    });
    Ok(stop)
}

/// Takes down what the host need not have while no container runs.
async fn leave(configuration: &Configuration, network: &Network) {
    for host in &configuration.hosts {
        if let Address::Unix(path) = host {
            // One that stays behind refuses connections, and the next daemon takes its place.
            let _ = std::fs::remove_file(path);
        }
    }
    match network.teardown().await {
        Ok(Teardown::Done) => tracing::debug!("the networks are taken down"),
        Ok(Teardown::InUse) => tracing::info!("containers use the networks, which stay"),
        Err(error) => tracing::warn!(%error, "cannot take down the networks"),
    }
}

#[cfg(test)]
mod tests {
    use rustix::process::{Signal, getpid, kill_process};

    use super::*;

    #[tokio::test]
    async fn a_hang_up_ends_no_daemon() {
        let mut hang_up = outlive_hang_up().expect("a watch");
        kill_process(getpid(), Signal::HUP).expect("a signal");
        hang_up.recv().await.expect("this process, still alive");
    }
}
