//! Forgetting where datagrams went.
//!
//! The kernel translates by the first packet of a flow and remembers; a peer that keeps sending
//! datagrams from one port, as a source of log messages does, keeps that memory alive. What was
//! sent to a port before it was published, or after its container went, would never arrive at the
//! next container. `nft` cannot make it forget.

use crate::endpoint::PublishedPort;
use crate::error::ErrorKind;
use crate::tool;
use porthole_protocol::supervisor::Transport;

/// Forgets the flows to published UDP ports of the host. Without the tool it is said once a port.
pub(crate) async fn forget(ports: &[PublishedPort]) {
    let translated = ports
        .iter()
        .filter(|port| port.transport == Transport::Udp && port.host_address.is_ipv4());
    for port in translated {
        let number = port.host_port.to_string();
        let arguments = ["-D", "-p", "udp", "--orig-port-dst", &number];
        match tool::run("conntrack", &arguments, "").await {
            // Its answer too when there was nothing to forget.
            Ok(_) => {}
            Err(error) if error.kind() == ErrorKind::Tool => {}
            Err(error) => tracing::warn!(
                port = port.host_port,
                %error,
                "peers that already send to this UDP port may not reach the container; \
                 install conntrack"
            ),
        }
    }
}
