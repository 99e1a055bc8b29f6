//! What an endpoint costs on the way to a running container.

mod support;

use std::time::{Duration, Instant};

use anyhow::Result;
use porthole_network::{EndpointSpec, Network, NetworkKind, Options, PortRequest, Transport};
use support::on_own_host;

const RUNS: usize = 20;

/// Far above what is seen, for machines that are busy with other tests.
const CEILING: Duration = Duration::from_millis(100);

async fn measure(network: &Network, ports: &[PortRequest]) -> Result<(Duration, Duration)> {
    let (mut creation, mut deletion) = (Vec::new(), Vec::new());
    for run in 0..RUNS {
        let id = format!("c{run}");
        let spec = EndpointSpec {
            id: id.clone(),
            network: NetworkKind::Nat,
            ports: ports.to_vec(),
        };
        let start = Instant::now();
        network.create_endpoint(&spec).await?;
        creation.push(start.elapsed());
        let start = Instant::now();
        network.delete_endpoint(&id).await?;
        deletion.push(start.elapsed());
    }
    creation.sort_unstable();
    deletion.sort_unstable();
    Ok((creation[RUNS / 2], deletion[RUNS / 2]))
}

#[test]
fn fifty_are_made_at_once() {
    on_own_host(|root| async move {
        let network = Network::open(Options::new(root)).await?;
        let port = PortRequest {
            host_address: None,
            transport: Transport::Tcp,
            host_ports: None,
            container_port: 80,
        };
        let specs: Vec<_> = (0..50)
            .map(|number| EndpointSpec {
                id: format!("c{number}"),
                network: NetworkKind::Nat,
                ports: vec![port.clone()],
            })
            .collect();
        let start = Instant::now();
        let made =
            futures::future::try_join_all(specs.iter().map(|spec| network.create_endpoint(spec)))
                .await?;
        println!("50 with a port each: {:?}", start.elapsed());
        let addresses: std::collections::BTreeSet<_> = made
            .iter()
            .filter_map(|endpoint| Some(endpoint.address?.ip))
            .collect();
        assert_eq!(addresses.len(), 50);
        assert!(start.elapsed() < Duration::from_secs(10));
        let start = Instant::now();
        futures::future::try_join_all(specs.iter().map(|spec| network.delete_endpoint(&spec.id)))
            .await?;
        network.teardown().await?;
        println!("all gone: {:?}", start.elapsed());
        Ok(())
    });
}

#[test]
fn endpoints_are_made_in_milliseconds() {
    on_own_host(|root| async move {
        let network = Network::open(Options::new(root)).await?;
        let start = Instant::now();
        network.prepare().await?;
        println!("prepare: {:?}", start.elapsed());
        let port = PortRequest {
            host_address: None,
            transport: Transport::Tcp,
            host_ports: None,
            container_port: 80,
        };
        for (what, ports) in [("no port", vec![]), ("one port", vec![port])] {
            let (creation, deletion) = measure(&network, &ports).await?;
            println!("{what}: created in {creation:?}, deleted in {deletion:?} (medians)");
            assert!(creation < CEILING, "{what}: {creation:?}");
        }
        let start = Instant::now();
        network.flush().await?;
        println!("flush: {:?}", start.elapsed());
        network.teardown().await?;
        Ok(())
    });
}
