//! A daemon that is killed at any moment leaves nothing that the next one cannot take away.
//!
//! The test program starts itself as the process to kill: [`worker`] makes and removes endpoints
//! for as long as it lives.

mod support;

use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Context, Result, ensure};
use porthole_network::{
    EndpointSpec, Network, NetworkKind, Options, PortRequest, Teardown, Transport,
};
use support::{on_own_host, sh};

/// Says to [`worker`] where to work.
const ROOT: &str = "PORTHOLE_NETWORK_CRASH_ROOT";

const KILLS: u64 = 15;

#[test]
fn worker() -> Result<()> {
    let Ok(root) = std::env::var(ROOT) else {
        return Ok(());
    };
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let network = Network::open(Options::new(root)).await?;
        network.reconcile(&["kept".to_owned()]).await?;
        for round in 0_u64.. {
            let port = PortRequest {
                host_address: None,
                transport: Transport::Tcp,
                host_ports: None,
                container_port: 80,
            };
            for (id, network_kind) in [("a", NetworkKind::Nat), ("b", NetworkKind::None)] {
                let spec = EndpointSpec {
                    id: id.to_owned(),
                    network: network_kind,
                    ports: vec![port.clone()],
                };
                network.create_endpoint(&spec).await?;
            }
            network.delete_endpoint("a").await?;
            network.delete_endpoint("b").await?;
            if round % 4 == 3 {
                network.teardown().await?;
            }
        }
        Ok(())
    })
}

fn start(root: &Path) -> Result<Child> {
    let mut command = Command::new(std::env::current_exe()?);
    command
        .args(["worker", "--exact"])
        .env(ROOT, root)
        .stdout(Stdio::null())
        .stderr(Stdio::null());
    Ok(command.spawn()?)
}

fn traces(root: &Path) -> Result<String> {
    let root = root.display();
    sh(&format!(
        "ip -br link; nft list ruleset; cat /proc/sys/net/ipv4/ip_forward; \
         findmnt -rno TARGET | grep {root} || true; ls -R {root} 2>/dev/null || true"
    ))
}

#[test]
fn leaves_nothing_when_killed_at_any_moment() {
    on_own_host(|root| async move {
        std::fs::create_dir(&root)?;
        let before = traces(&root)?;
        let mut random =
            u64::from(SystemTime::now().duration_since(UNIX_EPOCH)?.subsec_nanos()) | 1;
        println!("seed: {random}");
        let mut interrupted = 0;
        for kill in 0..KILLS {
            let mut child = start(&root)?;
            // xorshift64
            random ^= random << 13;
            random ^= random >> 7;
            random ^= random << 17;
            tokio::time::sleep(Duration::from_millis(10 + random % 250)).await;
            child.kill()?;
            child.wait()?;
            // An `nft` that it started finishes by itself.
            tokio::time::sleep(Duration::from_millis(50)).await;
            let found = traces(&root)?;
            interrupted += u64::from(found != before);
            let network = Network::open(Options::new(&root)).await?;
            network
                .reconcile(&[])
                .await
                .with_context(|| format!("kill {kill}:\n{found}"))?;
            ensure!(network.teardown().await? == Teardown::Done);
            let after = traces(&root)?;
            ensure!(
                after == before,
                "kill {kill}\nbefore:\n{before}\nfound:\n{found}\nafter:\n{after}"
            );
        }
        println!("{interrupted} of {KILLS} kills left something");
        ensure!(interrupted > 0, "the worker did nothing");
        Ok(())
    });
}
