//! Published ports: from what a client asks to what the network is asked.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use crate::container::config::{HostConfig, Port, PortBinding};
use crate::container::record::Container;
use crate::error::{Error, Result};
use crate::network::{ConnectRequest, PublishPort};

/// What the container's network is asked for.
pub(crate) fn connect_request(container: &Container) -> Result<ConnectRequest> {
    Ok(ConnectRequest {
        container: container.id.clone(),
        network: container.network_name().to_owned(),
        ports: publish(
            &container.host,
            container.config.exposed_ports.iter().copied(),
        )?,
    })
}

/// The ports to publish: those bound, and with `publish_all_ports` those exposed.
pub(crate) fn publish(
    host: &HostConfig,
    exposed: impl Iterator<Item = Port>,
) -> Result<Vec<PublishPort>> {
    let mut ports = Vec::new();
    for (port, bindings) in &host.port_bindings {
        // An entry without a binding asks for any host port.
        let any = [PortBinding::default()];
        let bindings = if bindings.is_empty() {
            &any[..]
        } else {
            bindings.as_slice()
        };
        for binding in bindings {
            ports.push(binding_of(*port, binding)?);
        }
    }
    if host.publish_all_ports {
        let unbound = |port: &Port| !host.port_bindings.contains_key(port);
        ports.extend(exposed.filter(unbound).map(|container| PublishPort {
            container,
            host_ip: None,
            host_ports: None,
        }));
    }
    Ok(ports)
}

fn binding_of(container: Port, binding: &PortBinding) -> Result<PublishPort> {
    let host_ip =
        match binding.host_ip.as_str() {
            "" => None,
            text => Some(text.parse::<IpAddr>().map_err(|_| {
                Error::invalid(format!("invalid port binding: no IP address: {text}"))
            })?),
        };
    Ok(PublishPort {
        container,
        host_ip,
        host_ports: host_ports(&binding.host_port)?,
    })
}

/// `8080`, or `8000-8010`; none for what leaves the choice to the network.
fn host_ports(text: &str) -> Result<Option<RangeInclusive<u16>>> {
    if matches!(text, "" | "0") {
        return Ok(None);
    }
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    match (first.parse::<u16>(), last.parse()) {
        (Ok(first), Ok(last)) if 0 < first && first <= last => Ok(Some(first..=last)),
        _ => Err(Error::invalid(format!(
            "invalid port specification: \"{text}\""
        ))),
    }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeMap;

    use super::*;

    fn host(port: &str, host_ip: &str, host_port: &str) -> HostConfig {
        let binding = PortBinding {
            host_ip: host_ip.to_owned(),
            host_port: host_port.to_owned(),
        };
        HostConfig {
            port_bindings: BTreeMap::from([(port.parse().unwrap(), vec![binding])]),
            ..HostConfig::default()
        }
    }

    fn published(host: &HostConfig, exposed: &[&str]) -> Result<Vec<PublishPort>> {
        publish(host, exposed.iter().map(|port| port.parse().unwrap()))
    }

    #[test]
    fn bindings_are_read() {
        let ports = published(&host("80/tcp", "127.0.0.1", "8080"), &[]).unwrap();
        assert_eq!(ports[0].host_ip, Some("127.0.0.1".parse().unwrap()));
        assert_eq!(ports[0].host_ports, Some(8080..=8080));
        let ports = published(&host("53/udp", "::1", "5300-5310"), &[]).unwrap();
        assert_eq!(ports[0].host_ports, Some(5300..=5310));
        let ports = published(&host("80/tcp", "", "0"), &[]).unwrap();
        assert_eq!(
            (ports[0].host_ip, ports[0].host_ports.clone()),
            (None, None)
        );
    }

    #[test]
    fn all_exposed_ports_are_published_once() {
        let host = HostConfig {
            publish_all_ports: true,
            ..host("80/tcp", "", "8080")
        };
        let ports = published(&host, &["80/tcp", "443/tcp", "53/udp"]).unwrap();
        let numbers: Vec<_> = ports.iter().map(|port| port.container.number).collect();
        assert_eq!(numbers, [80, 443, 53]);
    }

    #[test]
    fn wrong_bindings_are_refused() {
        for (port, ip, host_port) in [
            ("80/tcp", "x", ""),
            ("80/tcp", "", "70000"),
            ("80/tcp", "", "90-80"),
            ("80/tcp", "", "0-80"),
            ("80/tcp", "", "80-"),
        ] {
            assert!(
                published(&host(port, ip, host_port), &[]).is_err(),
                "{port} {ip} {host_port}"
            );
        }
    }
}
