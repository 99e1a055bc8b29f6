//! Forgetting where datagrams went.
//!
//! The kernel translates by the first packet of a flow and remembers; a peer that keeps sending
//! datagrams from one port, as a source of log messages does, keeps that memory alive. What was
//! sent to a port before it was published, or after its container went, would never arrive at the
//! next container. `nft` cannot make it forget. Flows of others stay: what passes through the host
//! may well be for the same port.

use std::collections::BTreeSet;
use std::net::{Ipv4Addr, SocketAddrV4, UdpSocket};

use crate::endpoint::PublishedPort;
use crate::error::{ErrorKind, Result};
use crate::tool;
use porthole_protocol::supervisor::Transport;

/// Forgets the flows to this host that ports which are published now would have translated.
pub(crate) async fn forget_untranslated(ports: &[PublishedPort]) {
    let ports: Vec<_> = datagram_ports(ports).collect();
    if ports.is_empty() {
        return;
    }
    // One list, for a range may have many ports and only few of them a flow.
    let listed = match run(&["-L"]).await {
        Ok(listed) => listed,
        Err(error) => return tell(&error),
    };
    let listed = String::from_utf8_lossy(&listed);
    let mut targets: BTreeSet<SocketAddrV4> = listed.lines().filter_map(target).collect();
    targets.retain(|target| ports.iter().any(|port| receives(port, *target)));
    for target in targets {
        let (address, port) = (target.ip().to_string(), target.port().to_string());
        forget(&["-D", "--orig-dst", &address, "--orig-port-dst", &port]).await;
    }
}

/// Forgets the flows that were translated to an endpoint whose ports are published no more.
pub(crate) async fn forget_translated(ports: &[PublishedPort]) {
    let containers: BTreeSet<Ipv4Addr> = datagram_ports(ports)
        .map(|port| port.container_address)
        .collect();
    for container in containers {
        forget(&["-D", "--reply-src", &container.to_string()]).await;
    }
}

fn datagram_ports(ports: &[PublishedPort]) -> impl Iterator<Item = &PublishedPort> {
    ports
        .iter()
        .filter(|port| port.transport == Transport::Udp && port.host_address.is_ipv4())
}

async fn forget(arguments: &[&str]) {
    match run(arguments).await {
        // Its answer too when there was nothing to forget.
        Err(error) if error.kind() != ErrorKind::Tool => tell(&error),
        _ => {}
    }
}

async fn run(arguments: &[&str]) -> Result<Vec<u8>> {
    // Options of ports are known only after the protocol.
    let (command, options) = arguments.split_at(1);
    let arguments = [command, &["-p", "udp"], options].concat();
    tool::run("conntrack", &arguments, "").await
}

fn tell(error: &crate::error::Error) {
    tracing::warn!(
        %error,
        "peers that already send to a published UDP port may not reach the container; \
         install conntrack"
    );
}

/// Where the first packet of a listed flow was sent to.
fn target(line: &str) -> Option<SocketAddrV4> {
    // The first of each pair is the direction in which the flow began.
    let value = |name: &str| {
        let mut words = line.split_ascii_whitespace();
        words.find_map(|word| word.strip_prefix(name))
    };
    Some(SocketAddrV4::new(
        value("dst=")?.parse().ok()?,
        value("dport=")?.parse().ok()?,
    ))
}

/// Whether a port that is published gets what is sent to `target`.
fn receives(port: &PublishedPort, target: SocketAddrV4) -> bool {
    port.host_port == target.port()
        && (port.host_address == *target.ip()
            || (port.host_address.is_unspecified() && is_local(*target.ip())))
}

/// Whether an address is this host's: only to such can a socket be bound.
fn is_local(address: Ipv4Addr) -> bool {
    UdpSocket::bind((address, 0)).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn port(host_address: &str) -> PublishedPort {
        PublishedPort {
            transport: Transport::Udp,
            host_address: host_address.parse().unwrap(),
            host_port: 53,
            container_address: [172, 30, 0, 2].into(),
            container_port: 53,
        }
    }

    #[test]
    fn only_flows_to_this_host_are_forgotten() {
        let line = "udp      17 29 src=127.0.0.1 dst=127.0.0.1 sport=40000 dport=53 [UNREPLIED] \
                    src=127.0.0.1 dst=127.0.0.1 sport=53 dport=40000 mark=0 use=1";
        let own = target(line).unwrap();
        assert_eq!(own, "127.0.0.1:53".parse().unwrap());
        assert_eq!(target("conntrack v1.4.7 (conntrack-tools)"), None);
        // TEST-NET-1 is nobody's.
        let passing = "192.0.2.1:53".parse().unwrap();
        assert!(receives(&port("0.0.0.0"), own) && receives(&port("127.0.0.1"), own));
        assert!(!receives(&port("0.0.0.0"), passing));
        assert!(!receives(&port("127.0.0.1"), passing));
        assert!(!receives(&port("0.0.0.0"), "127.0.0.1:54".parse().unwrap()));
    }
}
