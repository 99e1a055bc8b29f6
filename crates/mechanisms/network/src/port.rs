//! Which ports of the host are published.

use std::collections::HashMap;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};
use std::ops::RangeInclusive;

use porthole_protocol::supervisor::Transport;
use rustix::net::{AddressFamily, SocketFlags, SocketType, sockopt};

use crate::endpoint::{PortRequest, PublishedPort};
use crate::error::{Error, ErrorKind, Result};

const OPERATION: &str = "publish port";

/// Asks the host whether a port is free on an address; the test double of tests.
pub(crate) type Probe = fn(Transport, SocketAddr) -> std::io::Result<()>;

/// The published ports of all endpoints.
#[derive(Debug)]
pub(crate) struct Ports {
    used: HashMap<(Transport, u16), Vec<IpAddr>>,
    ephemeral: RangeInclusive<u16>,
    last: u16,
    ipv6: bool,
    probe: Probe,
}

impl Ports {
    /// `ephemeral` is the range that free ports are chosen from; `ipv6` says whether the host can
    /// listen on IPv6.
    pub(crate) fn new(ephemeral: RangeInclusive<u16>, ipv6: bool, probe: Probe) -> Self {
        let last = *ephemeral.end();
        Self {
            used: HashMap::new(),
            ephemeral,
            last,
            ipv6,
            probe,
        }
    }

    /// Takes all ports of an endpoint or none.
    pub(crate) fn take(
        &mut self,
        requests: &[PortRequest],
        container: Ipv4Addr,
    ) -> Result<Vec<PublishedPort>> {
        let mut taken = Vec::new();
        for request in requests {
            if let Err(error) = self.take_one(request, container, &mut taken) {
                self.give_back(&taken);
                return Err(error);
            }
        }
        Ok(taken)
    }

    /// Marks ports as taken that a record names.
    pub(crate) fn adopt(&mut self, ports: &[PublishedPort]) {
        for port in ports {
            self.used
                .entry((port.transport, port.host_port))
                .or_default()
                .push(port.host_address);
        }
    }

    pub(crate) fn give_back(&mut self, ports: &[PublishedPort]) {
        for port in ports {
            let key = (port.transport, port.host_port);
            let Some(addresses) = self.used.get_mut(&key) else {
                continue;
            };
            if let Some(index) = addresses
                .iter()
                .position(|address| *address == port.host_address)
            {
                addresses.swap_remove(index);
            }
            if addresses.is_empty() {
                self.used.remove(&key);
            }
        }
    }

    fn take_one(
        &mut self,
        request: &PortRequest,
        container: Ipv4Addr,
        taken: &mut Vec<PublishedPort>,
    ) -> Result<()> {
        if request.container_port == 0 {
            return Err(Error::new(
                ErrorKind::Invalid,
                OPERATION,
                "0",
                "a container has no port 0",
            ));
        }
        let addresses = match request.host_address {
            Some(address) => vec![address],
            None if self.ipv6 => vec![Ipv4Addr::UNSPECIFIED.into(), Ipv6Addr::UNSPECIFIED.into()],
            None => vec![Ipv4Addr::UNSPECIFIED.into()],
        };
        let transport = request.transport;
        let host_port = match &request.host_ports {
            None => self.free_port(transport, &addresses)?,
            Some(ports) => self.first_free(transport, &addresses, ports)?,
        };
        let ports = addresses.into_iter().map(|host_address| PublishedPort {
            transport,
            host_address,
            host_port,
            container_address: container,
            container_port: request.container_port,
        });
        let ports: Vec<_> = ports.collect();
        self.adopt(&ports);
        taken.extend(ports);
        Ok(())
    }

    /// The first of `ports` that is free on all of `addresses`; else why the last one is not.
    fn first_free(
        &self,
        transport: Transport,
        addresses: &[IpAddr],
        ports: &RangeInclusive<u16>,
    ) -> Result<u16> {
        let message = "a range of ports ends before it begins";
        let mut outcome = Err(Error::new(ErrorKind::Invalid, OPERATION, "", message));
        for port in ports.clone() {
            outcome = self.check_all(transport, addresses, port).map(|()| port);
            if outcome.is_ok() {
                break;
            }
        }
        outcome
    }

    /// The next port after the last one chosen that is free on all of `addresses`.
    fn free_port(&mut self, transport: Transport, addresses: &[IpAddr]) -> Result<u16> {
        let (first, end) = (*self.ephemeral.start(), *self.ephemeral.end());
        let last = self.last.clamp(first, end);
        let order = (last..=end).skip(1).chain(first..=last);
        for port in order {
            if self.check_all(transport, addresses, port).is_ok() {
                self.last = port;
                return Ok(port);
            }
        }
        let message = format!("all ports from {first} to {end} are in use");
        Err(Error::new(ErrorKind::NoFreePort, OPERATION, "0", message))
    }

    fn check_all(&self, transport: Transport, addresses: &[IpAddr], port: u16) -> Result<()> {
        addresses
            .iter()
            .try_for_each(|address| self.check(transport, *address, port))
    }

    fn check(&self, transport: Transport, address: IpAddr, port: u16) -> Result<()> {
        let host = SocketAddr::new(address, port);
        let used = self
            .used
            .get(&(transport, port))
            .map_or(&[][..], Vec::as_slice);
        if used.iter().any(|other| overlap(*other, address)) {
            let message = format!("Bind for {host} failed: port is already allocated");
            return Err(Error::plain(
                ErrorKind::PortAllocated,
                OPERATION,
                host.to_string(),
                message,
            ));
        }
        (self.probe)(transport, host).map_err(|error| {
            let protocol = transport.name();
            let reason = reason(&error);
            let message = format!("failed to bind host port {host}/{protocol}: {reason}");
            Error::plain(ErrorKind::PortInUse, OPERATION, host.to_string(), message)
                .with_source(error)
        })
    }
}

fn overlap(a: IpAddr, b: IpAddr) -> bool {
    a.is_ipv4() == b.is_ipv4() && (a == b || a.is_unspecified() || b.is_unspecified())
}

/// What Go says for the error, since clients look for it.
fn reason(error: &std::io::Error) -> &'static str {
    match error.kind() {
        std::io::ErrorKind::AddrInUse => "address already in use",
        std::io::ErrorKind::AddrNotAvailable => "cannot assign requested address",
        std::io::ErrorKind::PermissionDenied => "permission denied",
        _ => "the kernel refused it",
    }
}

/// Whether the host could receive on `address`: binds and lets go. The supervisor holds the port
/// afterwards, so a program that is quicker only makes the start fail later.
pub(crate) fn probe_host(transport: Transport, address: SocketAddr) -> std::io::Result<()> {
    let family = if address.is_ipv6() {
        AddressFamily::INET6
    } else {
        AddressFamily::INET
    };
    let kind = match transport {
        Transport::Tcp => SocketType::STREAM,
        Transport::Udp => SocketType::DGRAM,
    };
    let socket = rustix::net::socket_with(family, kind, SocketFlags::CLOEXEC, None)?;
    if address.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, true)?;
    }
    if transport == Transport::Udp {
        return Ok(rustix::net::bind(&socket, &address)?);
    }
    // Connections of an earlier holder that linger are no obstacle.
    sockopt::set_socket_reuseaddr(&socket, true)?;
    rustix::net::bind(&socket, &address)?;
    Ok(rustix::net::listen(&socket, 1)?)
}

/// The range that the host chooses free ports from, which is Docker's too.
pub(crate) fn host_ephemeral_range() -> RangeInclusive<u16> {
    let text =
        std::fs::read_to_string("/proc/sys/net/ipv4/ip_local_port_range").unwrap_or_default();
    parse_range(&text).unwrap_or(49153..=65535)
}

fn parse_range(text: &str) -> Option<RangeInclusive<u16>> {
    let mut numbers = text.split_whitespace().map(str::parse);
    let (first, last) = (numbers.next()?.ok()?, numbers.next()?.ok()?);
    (first > 0 && first <= last).then_some(first..=last)
}

#[cfg(test)]
mod tests {
    use super::*;

    const CONTAINER: Ipv4Addr = Ipv4Addr::new(172, 30, 0, 2);

    fn ports() -> Ports {
        Ports::new(5000..=5002, true, |_, _| Ok(()))
    }

    fn request(address: Option<&str>, host_port: u16) -> PortRequest {
        PortRequest {
            transport: Transport::Tcp,
            host_address: address.map(|text| text.parse().unwrap()),
            host_ports: (host_port != 0).then_some(host_port..=host_port),
            container_port: 80,
        }
    }

    #[test]
    fn publishes_on_both_families_unless_told() {
        let taken = ports().take(&[request(None, 8080)], CONTAINER).unwrap();
        let hosts: Vec<_> = taken
            .iter()
            .map(|port| port.host_address.to_string())
            .collect();
        assert_eq!(hosts, ["0.0.0.0", "::"]);
        let taken = ports()
            .take(&[request(Some("127.0.0.1"), 8080)], CONTAINER)
            .unwrap();
        assert_eq!(taken.len(), 1);
    }

    #[test]
    fn detects_conflicts_with_dockers_text() {
        let table = [
            (None, None, false),
            (Some("127.0.0.1"), None, false),
            (None, Some("127.0.0.1"), false),
            (Some("127.0.0.1"), Some("127.0.0.1"), false),
            (Some("127.0.0.1"), Some("127.0.0.2"), true),
            (Some("0.0.0.0"), Some("::1"), true),
            (Some("::"), Some("::1"), false),
        ];
        for (first, second, fits) in table {
            let mut ports = ports();
            ports.take(&[request(first, 8080)], CONTAINER).unwrap();
            let result = ports.take(&[request(second, 8080)], CONTAINER);
            assert_eq!(result.is_ok(), fits, "{first:?} {second:?}");
            if let Err(error) = result {
                assert_eq!(error.kind(), ErrorKind::PortAllocated);
            }
        }
        let mut ports = ports();
        ports.take(&[request(None, 8080)], CONTAINER).unwrap();
        let error = ports.take(&[request(None, 8080)], CONTAINER).unwrap_err();
        assert_eq!(
            error.to_string(),
            "Bind for 0.0.0.0:8080 failed: port is already allocated"
        );
    }

    #[test]
    fn takes_all_or_none_and_gives_back() {
        let mut ports = ports();
        let taken = ports.take(&[request(None, 80)], CONTAINER).unwrap();
        assert!(
            ports
                .take(&[request(None, 81), request(None, 80)], CONTAINER)
                .is_err()
        );
        ports.take(&[request(None, 81)], CONTAINER).unwrap();
        ports.give_back(&taken);
        ports.take(&[request(None, 80)], CONTAINER).unwrap();
    }

    #[test]
    fn chooses_free_ports_until_there_is_none() {
        let mut ports = ports();
        let taken = ports
            .take(
                &[request(None, 0), request(None, 0), request(None, 0)],
                CONTAINER,
            )
            .unwrap();
        let mut chosen: Vec<_> = taken.iter().map(|port| port.host_port).collect();
        chosen.dedup();
        assert_eq!(chosen, [5000, 5001, 5002]);
        let error = ports.take(&[request(None, 0)], CONTAINER).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::NoFreePort);
    }

    #[test]
    fn a_port_of_the_host_is_not_taken() {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut ports = Ports::new(5000..=5002, false, probe_host);
        let error = ports
            .take(&[request(Some("127.0.0.1"), port)], CONTAINER)
            .unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PortInUse);
        let expected =
            format!("failed to bind host port 127.0.0.1:{port}/tcp: address already in use");
        assert_eq!(error.to_string(), expected);
        drop(listener);
        ports
            .take(&[request(Some("127.0.0.1"), port)], CONTAINER)
            .unwrap();
    }

    #[test]
    fn a_range_gives_its_first_free_port() {
        let mut ports = ports();
        let range = |transport| PortRequest {
            transport,
            host_ports: Some(8000..=8001),
            ..request(None, 0)
        };
        let tcp = range(Transport::Tcp);
        for expected in [8000, 8001] {
            let taken = ports.take(std::slice::from_ref(&tcp), CONTAINER).unwrap();
            assert_eq!(taken[0].host_port, expected);
        }
        let error = ports.take(&[tcp], CONTAINER).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::PortAllocated);
        let taken = ports.take(&[range(Transport::Udp)], CONTAINER).unwrap();
        assert_eq!(
            (taken[0].transport, taken[0].host_port),
            (Transport::Udp, 8000)
        );
        ports.give_back(&taken);
        ports.take(&[range(Transport::Udp)], CONTAINER).unwrap();
    }

    #[test]
    fn a_udp_port_of_the_host_is_not_taken() {
        let socket = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
        let port = socket.local_addr().unwrap().port();
        let mut ports = Ports::new(5000..=5002, false, probe_host);
        let wanted = PortRequest {
            transport: Transport::Udp,
            ..request(Some("127.0.0.1"), port)
        };
        let error = ports.take(&[wanted], CONTAINER).unwrap_err();
        assert!(
            error.to_string().contains(&format!("127.0.0.1:{port}/udp")),
            "{error}"
        );
    }

    #[test]
    fn reads_the_hosts_range() {
        assert_eq!(parse_range("32768\t60999\n"), Some(32768..=60999));
        for text in ["", "1", "9 5", "0 1", "a b"] {
            assert_eq!(parse_range(text), None);
        }
    }
}
