//! Endpoints against the real kernel: what `ip` and `nft` say, and what gets through.

mod support;

use std::net::{IpAddr, UdpSocket};
use std::path::Path;

use anyhow::{Context, Result, ensure};
use porthole_network::{
    Endpoint, EndpointSpec, ErrorKind, Network, NetworkKind, Options, PortRequest, Teardown,
    Transport,
};
use support::{ask, echo, get, get_in, inside, json, on_own_host, serve, sh, sh_in};

fn spec(id: &str, network: NetworkKind, ports: &[(Option<&str>, u16, u16)]) -> EndpointSpec {
    let request = |(host, host_port, container_port): &(Option<&str>, u16, u16)| PortRequest {
        host_address: host.map(|text| text.parse().expect("an address")),
        transport: Transport::Tcp,
        host_ports: (*host_port != 0).then_some(*host_port..=*host_port),
        container_port: *container_port,
    };
    EndpointSpec {
        id: id.to_owned(),
        network,
        ports: ports.iter().map(request).collect(),
    }
}

async fn open(exec_root: &Path) -> Result<Network> {
    Ok(Network::open(Options::new(exec_root)).await?)
}

async fn nat(network: &Network, id: &str, ports: &[(Option<&str>, u16, u16)]) -> Result<Endpoint> {
    Ok(network
        .create_endpoint(&spec(id, NetworkKind::Nat, ports))
        .await?)
}

/// An endpoint's address as text.
fn ip(endpoint: &Endpoint) -> String {
    endpoint
        .address
        .expect("it is in the nat network")
        .ip
        .to_string()
}

/// Everything that the host would show of us.
fn traces(exec_root: &Path) -> Result<String> {
    let root = exec_root.display();
    sh(&format!(
        "ip -br link; ip route; nft list ruleset; cat /proc/sys/net/ipv4/ip_forward; \
         findmnt -rno TARGET | grep {root} || true; find {root} 2>/dev/null || true"
    ))
}

/// A second machine, reached by an uplink.
async fn outside(network: &Network) -> Result<Endpoint> {
    let endpoint = network
        .create_endpoint(&spec("outside", NetworkKind::None, &[]))
        .await?;
    let path = endpoint.namespace.display();
    sh(&format!(
        "ip link add uplink type veth peer name peer netns {path} && \
         ip address add 192.0.2.1/24 dev uplink && ip link set uplink up"
    ))?;
    sh_in(
        &endpoint.namespace,
        "ip address add 192.0.2.2/24 dev peer && ip link set peer up",
    )?;
    Ok(endpoint)
}

#[test]
fn an_endpoint_has_what_it_says() {
    on_own_host(|root| async move {
        let network = open(&root).await?;
        let endpoint = nat(&network, "c1", &[]).await?;
        let address = endpoint.address.context("an address")?;
        let at = format!("nsenter --net={}", endpoint.namespace.display());
        let links = json(&format!("{at} ip -j -d address"))?;
        ensure!(
            links[0]["ifname"] == "lo" && links[0]["operstate"] == "UNKNOWN",
            "{links}"
        );
        let interface = &links[1];
        ensure!(
            interface["ifname"] == "Ethernet"
                && interface["flags"].to_string().contains("LOWER_UP"),
            "{links}"
        );
        ensure!(interface["address"] == address.mac_text(), "{links}");
        let addresses = interface["addr_info"].as_array().context("addresses")?;
        ensure!(addresses.len() == 1, "only IPv4: {links}");
        ensure!(
            addresses[0]["local"] == address.ip.to_string() && addresses[0]["prefixlen"] == 16,
            "{links}"
        );
        let routes = json(&format!("{at} ip -j route show default"))?;
        ensure!(
            routes[0]["gateway"] == address.gateway.to_string(),
            "{routes}"
        );
        let bridge = json("ip -j -d address show dev porthole0")?;
        ensure!(
            bridge[0]["addr_info"][0]["local"] == address.gateway.to_string(),
            "{bridge}"
        );
        ensure!(
            bridge[0]["addr_info"]
                .as_array()
                .is_some_and(|list| list.len() == 1),
            "{bridge}"
        );
        Ok(())
    });
}

#[test]
fn none_has_loopback_alone() {
    on_own_host(|root| async move {
        let before = sh("ip -br link; nft list ruleset")?;
        let network = open(&root).await?;
        let endpoint = network
            .create_endpoint(&spec("c1", NetworkKind::None, &[(None, 80, 80)]))
            .await?;
        ensure!(endpoint.address.is_none() && endpoint.ports.is_empty());
        let links = sh_in(&endpoint.namespace, "ip -br link")?;
        ensure!(
            links.lines().count() == 1 && links.contains("UP"),
            "{links}"
        );
        serve(&endpoint.namespace, 80)?;
        ensure!(get_in(&endpoint.namespace, "127.0.0.1:80")? == "127.0.0.1");
        ensure!(
            sh("ip -br link; nft list ruleset")? == before,
            "the host is untouched"
        );
        network.delete_endpoint("c1").await?;
        ensure!(network.teardown().await? == Teardown::Done);
        Ok(())
    });
}

#[test]
fn published_ports_are_reached_from_everywhere() {
    on_own_host(|root| async move {
        let network = open(&root).await?;
        let outside = outside(&network).await?;
        let server = nat(
            &network,
            "server",
            &[(None, 8080, 80), (Some("127.0.0.1"), 8081, 80)],
        )
        .await?;
        let client = nat(&network, "client", &[]).await?;
        serve(&server.namespace, 80)?;
        let gateway = network.nat().context("prepared")?.gateway.to_string();

        let direct = format!("{}:80", ip(&server));
        // From where, by which address, and who the server then sees.
        let ways: [(&str, Option<&Endpoint>, &str, &str); 8] = [
            ("the host by loopback", None, "127.0.0.1:8080", &gateway),
            (
                "the host by a port on loopback",
                None,
                "127.0.0.1:8081",
                &gateway,
            ),
            (
                "the host by its address",
                None,
                "192.0.2.1:8080",
                "192.0.2.1",
            ),
            ("the host directly", None, &direct, &gateway),
            (
                "another machine",
                Some(&outside),
                "192.0.2.1:8080",
                "192.0.2.2",
            ),
            (
                "a neighbour by the host",
                Some(&client),
                "192.0.2.1:8080",
                &gateway,
            ),
            ("a neighbour directly", Some(&client), &direct, &ip(&client)),
            (
                "itself by the host",
                Some(&server),
                "192.0.2.1:8080",
                &gateway,
            ),
        ];
        for (from, endpoint, address, seen) in ways {
            let peer = match endpoint {
                Some(endpoint) => get_in(&endpoint.namespace, address).context(from)?,
                None => get(address).context(from)?,
            };
            ensure!(peer == seen, "{from}: seen as {peer}, not {seen}");
        }
        let loopback_only = get_in(&outside.namespace, "192.0.2.1:8081");
        ensure!(loopback_only.is_err(), "published on loopback alone");

        network.delete_endpoint("server").await?;
        ensure!(get("127.0.0.1:8080").is_err(), "published no more");
        Ok(())
    });
}

#[test]
fn published_udp_ports_are_reached_by_who_already_sends_too() {
    on_own_host(|root| async move {
        let network = open(&root).await?;
        let outside = outside(&network).await?;
        let publish = |id: &str| EndpointSpec {
            id: id.to_owned(),
            network: NetworkKind::Nat,
            ports: vec![PortRequest {
                transport: Transport::Udp,
                host_address: None,
                host_ports: Some(5353..=5353),
                container_port: 53,
            }],
        };
        nat(&network, "neighbour", &[]).await?;
        let host = "192.0.2.1:5353";
        let early = inside(&outside.namespace, || Ok(UdpSocket::bind("0.0.0.0:0")?))?;
        ensure!(ask(&early, host).is_err(), "nothing is published yet");

        let first = network.create_endpoint(&publish("first")).await?;
        echo(&first.namespace, 53, "first")?;
        ensure!(ask(&early, host)? == "first?", "who sent before");
        let local = UdpSocket::bind("127.0.0.1:0")?;
        ensure!(ask(&local, "127.0.0.1:5353")? == "first?", "by loopback");

        network.delete_endpoint("first").await?;
        let second = network.create_endpoint(&publish("second")).await?;
        echo(&second.namespace, 53, "second")?;
        ensure!(
            ask(&early, host)? == "second?",
            "not where the first one was"
        );
        Ok(())
    });
}

#[test]
fn what_is_not_published_is_not_reached() {
    on_own_host(|root| async move {
        let network = open(&root).await?;
        let outside = outside(&network).await?;
        let server = nat(&network, "server", &[]).await?;
        serve(&server.namespace, 80)?;
        let subnet = network.nat().context("prepared")?.subnet;
        sh_in(
            &outside.namespace,
            &format!("ip route add {subnet} via 192.0.2.1"),
        )?;
        ensure!(get_in(&outside.namespace, &format!("{}:80", ip(&server))).is_err());
        // A host service on loopback, and the container that pretends it were a neighbour's.
        let listener = std::net::TcpListener::bind("127.0.0.1:9000")?;
        let gateway = network.nat().context("prepared")?.gateway;
        sh_in(
            &server.namespace,
            &format!(
                "sysctl -qw net.ipv4.conf.all.route_localnet=1; ip address del 127.0.0.1/8 dev lo; ip route add 127.0.0.1 via {gateway} src {}",
                ip(&server)
            ),
        )?;
        ensure!(
            get_in(&server.namespace, "127.0.0.1:9000").is_err(),
            "the host's loopback is out of reach"
        );
        drop(listener);
        Ok(())
    });
}

#[test]
fn containers_reach_the_outside_as_the_host() {
    on_own_host(|root| async move {
        let network = open(&root).await?;
        let outside = outside(&network).await?;
        let client = nat(&network, "client", &[]).await?;
        serve(&outside.namespace, 80)?;
        ensure!(
            get_in(&client.namespace, "192.0.2.2:80")? == "192.0.2.1",
            "masqueraded"
        );
        Ok(())
    });
}

#[test]
fn nothing_is_left_behind() {
    on_own_host(|root| async move {
        let before = traces(&root)?;
        let network = open(&root).await?;
        for id in ["a", "b", "c"] {
            nat(&network, id, &[(None, 0, 80)]).await?;
        }
        ensure!(network.teardown().await? == Teardown::InUse);
        for id in ["a", "b", "c"] {
            network.delete_endpoint(id).await?;
            network.delete_endpoint(id).await?;
        }
        ensure!(network.teardown().await? == Teardown::Done);
        let after = traces(&root)?.replace(&format!("{}\n", root.display()), "");
        ensure!(after == before, "before:\n{before}\nafter:\n{after}");
        // And again, with the same handle.
        nat(&network, "a", &[]).await?;
        network.delete_endpoint("a").await?;
        ensure!(network.teardown().await? == Teardown::Done);
        Ok(())
    });
}

#[test]
fn failures_undo_what_was_done() {
    on_own_host(|root| async move {
        let network = open(&root).await?;
        nat(&network, "a", &[(None, 8080, 80)]).await?;
        let before = traces(&root)?;
        let error = network
            .create_endpoint(&spec("b", NetworkKind::Nat, &[(None, 8080, 80)]))
            .await
            .unwrap_err();
        ensure!(error.kind() == ErrorKind::PortAllocated, "{error}");
        ensure!(
            error.to_string() == "Bind for 0.0.0.0:8080 failed: port is already allocated",
            "{error}"
        );
        let error = network
            .create_endpoint(&spec("a", NetworkKind::Nat, &[]))
            .await
            .unwrap_err();
        ensure!(error.kind() == ErrorKind::AlreadyExists);
        let error = network
            .create_endpoint(&spec("../x", NetworkKind::Nat, &[]))
            .await
            .unwrap_err();
        ensure!(error.kind() == ErrorKind::Invalid);
        // The next address's interface is there already, so making it fails halfway.
        let c = nat(&network, "c", &[]).await?;
        let next = u32::from(c.address.context("an address")?.ip) + 1;
        sh(&format!("ip link add ph{next:08x} type bridge"))?;
        let error = network
            .create_endpoint(&spec("d", NetworkKind::Nat, &[(None, 9090, 80)]))
            .await
            .unwrap_err();
        ensure!(error.kind() == ErrorKind::Kernel, "{error}");
        network.delete_endpoint("c").await?;
        network.flush().await?;
        let after = traces(&root)?;
        ensure!(after == before, "before:\n{before}\nafter:\n{after}");
        Ok(())
    });
}

#[test]
fn a_new_daemon_finds_what_the_old_one_left() {
    on_own_host(|root| async move {
        let old = open(&root).await?;
        let kept = nat(&old, "kept", &[(None, 8080, 80)]).await?;
        nat(&old, "gone", &[(None, 8081, 80)]).await?;
        nat(&old, "broken", &[]).await?;
        serve(&kept.namespace, 80)?;
        drop(old);
        // Crashed in the middle of making one, and of writing a record.
        sh(&format!(
            "cp {0}/netns/nothing {0}/x 2>/dev/null; touch {0}/netns/stray {0}/network/endpoints/x.json.tmp",
            root.display()
        ))?;
        sh(
            "ip link add phac1e0063 type veth peer name tmp0 && ip link set phac1e0063 master porthole0",
        )?;
        sh(&format!(
            "umount {}/netns/broken; nft flush ruleset",
            root.display()
        ))?;

        let new = open(&root).await?;
        ensure!(new.endpoint("kept") == Some(kept.clone()));
        let claimed = ["kept", "broken", "unknown"].map(str::to_owned);
        let outcome = new.reconcile(&claimed).await?;
        ensure!(
            outcome.removed == ["gone"] && outcome.lost == ["broken", "unknown"],
            "{outcome:?}"
        );
        ensure!(get("127.0.0.1:8080").is_ok(), "translated again");
        let links = sh("ip -br link")?;
        ensure!(!links.contains("phac1e0063"), "{links}");
        let files = sh(&format!(
            "ls {0}/netns {0}/network/endpoints",
            root.display()
        ))?;
        ensure!(
            !files.contains("stray") && !files.contains("x.json") && !files.contains("gone"),
            "{files}"
        );
        let error = new
            .create_endpoint(&spec("x", NetworkKind::Nat, &[(None, 8080, 80)]))
            .await
            .unwrap_err();
        ensure!(
            error.kind() == ErrorKind::PortAllocated,
            "ports are remembered"
        );
        let other = nat(&new, "x", &[(None, 8081, 80)]).await?;
        ensure!(ip(&other) != ip(&kept), "addresses are remembered");
        Ok(())
    });
}

#[test]
fn the_firewall_comes_back_by_itself() {
    on_own_host(|root| async move {
        let network = open(&root).await?;
        let server = nat(&network, "server", &[(None, 8080, 80)]).await?;
        serve(&server.namespace, 80)?;
        sh("nft flush ruleset")?;
        ensure!(get("127.0.0.1:8080").is_err());
        tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        ensure!(get("127.0.0.1:8080").is_ok());
        Ok(())
    });
}

/// Beside a firewall made by `iptables` of one flavour that drops what is forwarded.
fn gets_past_docker_and_ufw(iptables: &'static str) {
    on_own_host(move |root| async move {
        if sh(&format!("{iptables} -S")).is_err() {
            println!("skipped: no {iptables} here");
            return Ok(());
        }
        let network = open(&root).await?;
        let outside = outside(&network).await?;
        sh(&format!("{iptables} -P FORWARD DROP"))?;
        let server = nat(&network, "server", &[(None, 8080, 80)]).await?;
        serve(&server.namespace, 80)?;
        serve(&outside.namespace, 81)?;
        let works = || {
            get_in(&outside.namespace, "192.0.2.1:8080")?;
            get_in(&server.namespace, "192.0.2.2:81")
        };
        works().context("with a policy that drops")?;
        // Docker starts later. The kernel announces it, but not for the legacy flavour.
        sh(&format!(
            "{iptables} -N DOCKER-USER; {iptables} -I FORWARD -j DOCKER-USER"
        ))?;
        if iptables.ends_with("legacy") {
            network.restore_firewall().await?;
        } else {
            tokio::time::sleep(std::time::Duration::from_secs(1)).await;
        }
        let rules = sh(&format!("{iptables} -S"))?;
        ensure!(
            rules.contains("-A DOCKER-USER") && !rules.contains("-A FORWARD -i porthole0"),
            "{rules}"
        );
        works().context("with Docker's chain")?;
        network.delete_endpoint("server").await?;
        network.delete_endpoint("outside").await?;
        network.teardown().await?;
        let rules = sh(&format!("{iptables} -S"))?;
        ensure!(!rules.contains("porthole"), "{rules}");
        Ok(())
    });
}

#[test]
fn gets_past_iptables_over_nftables() {
    gets_past_docker_and_ufw("iptables-nft");
}

#[test]
fn gets_past_legacy_iptables() {
    gets_past_docker_and_ufw("iptables-legacy");
}

#[test]
fn subnets_keep_clear_of_the_hosts_routes() {
    on_own_host(|root| async move {
        sh(
            "ip link add other type bridge && ip address add 172.30.9.1/24 dev other && ip link set other up",
        )?;
        let network = open(&root).await?;
        let nat = network.prepare().await?;
        ensure!(nat.subnet.to_string() == "172.31.0.0/16", "{nat:?}");
        Ok(())
    });
}

#[test]
fn a_host_port_in_use_is_named() {
    on_own_host(|root| async move {
        let network = open(&root).await?;
        let listener = std::net::TcpListener::bind("0.0.0.0:8080")?;
        let error = network
            .create_endpoint(&spec("a", NetworkKind::Nat, &[(None, 8080, 80)]))
            .await
            .unwrap_err();
        ensure!(error.kind() == ErrorKind::PortInUse, "{error}");
        drop(listener);
        let endpoint = nat(&network, "a", &[(None, 0, 80)]).await?;
        let addresses: Vec<IpAddr> = endpoint
            .ports
            .iter()
            .map(|port| port.host_address)
            .collect();
        ensure!(
            addresses.len() == 2 && endpoint.ports[0].host_port != 0,
            "{endpoint:?}"
        );
        inside(&endpoint.namespace, || Ok(()))
    });
}
