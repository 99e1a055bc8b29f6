//! `NetworkSettings` and ports.

use std::collections::BTreeMap;
use std::net::IpAddr;

use porthole_engine::container::record::Container;
use serde::Serialize;
use serde_json::{Value, json};

/// `NetworkSettings` of `inspect`, with the members at its top that old clients read.
pub(crate) fn settings(container: &Container) -> Value {
    let endpoint = json!(EndpointSettings::of(container));
    let mut answer = json!({
        "Bridge": "",
        "SandboxID": "",
        "SandboxKey": "",
        "Ports": ports(container),
        "HairpinMode": false,
        "LinkLocalIPv6Address": "",
        "LinkLocalIPv6PrefixLen": 0,
        "SecondaryIPAddresses": null,
        "SecondaryIPv6Addresses": null,
        "Networks": { container.network_name(): endpoint },
    });
    for name in [
        "EndpointID",
        "Gateway",
        "GlobalIPv6Address",
        "GlobalIPv6PrefixLen",
        "IPAddress",
        "IPPrefixLen",
        "IPv6Gateway",
        "MacAddress",
    ] {
        answer[name] = endpoint[name].clone();
    }
    if let Some(endpoint) = &container.endpoint {
        answer["SandboxKey"] = json!(endpoint.namespace.to_string_lossy());
    }
    answer
}

/// A container's place in its network; all empty while it does not run.
#[derive(Debug, Default, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct EndpointSettings<'a> {
    #[serde(rename = "IPAMConfig")]
    ipam_config: (),
    links: (),
    aliases: (),
    mac_address: &'a str,
    driver_opts: (),
    gw_priority: u8,
    #[serde(rename = "NetworkID")]
    network_id: &'a str,
    #[serde(rename = "EndpointID")]
    endpoint_id: &'a str,
    gateway: String,
    #[serde(rename = "IPAddress")]
    ip_address: String,
    #[serde(rename = "IPPrefixLen")]
    ip_prefix_length: u8,
    #[serde(rename = "IPv6Gateway")]
    ipv6_gateway: &'a str,
    #[serde(rename = "GlobalIPv6Address")]
    ipv6_address: &'a str,
    #[serde(rename = "GlobalIPv6PrefixLen")]
    ipv6_prefix_length: u8,
    #[serde(rename = "DNSNames")]
    dns_names: (),
}

impl<'a> EndpointSettings<'a> {
    /// The place of a container.
    pub(crate) fn of(container: &'a Container) -> Self {
        let Some(endpoint) = &container.endpoint else {
            return Self::default();
        };
        let text = |address: Option<IpAddr>| address.map(|it| it.to_string()).unwrap_or_default();
        Self {
            mac_address: &endpoint.mac_address,
            network_id: &endpoint.network_id,
            endpoint_id: &endpoint.id,
            gateway: text(endpoint.gateway),
            ip_address: text(endpoint.address),
            ip_prefix_length: endpoint.address.map_or(0, |_| endpoint.prefix_length),
            ..Self::default()
        }
    }
}

/// Exposed ports with where they are published; none while the container does not run.
fn ports(container: &Container) -> Value {
    let Some(endpoint) = &container.endpoint else {
        return json!({});
    };
    let mut ports: BTreeMap<String, Option<Vec<Value>>> = container
        .config
        .exposed_ports
        .iter()
        .map(|port| (port.to_string(), None))
        .collect();
    for bound in &endpoint.ports {
        let binding =
            json!({ "HostIp": bound.host_ip.to_string(), "HostPort": bound.host_port.to_string() });
        ports
            .entry(bound.container.to_string())
            .or_default()
            .get_or_insert_default()
            .push(binding);
    }
    json!(ports)
}

/// A port in a row of `GET /containers/json`.
#[derive(Debug, Serialize)]
#[serde(rename_all = "PascalCase")]
pub(crate) struct PortRow {
    #[serde(rename = "IP", skip_serializing_if = "Option::is_none")]
    ip: Option<String>,
    private_port: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    public_port: Option<u16>,
    r#type: &'static str,
}

/// The ports in a row of `GET /containers/json`; none while the container does not run.
pub(crate) fn port_rows(container: &Container) -> Vec<PortRow> {
    let Some(endpoint) = &container.endpoint else {
        return Vec::new();
    };
    let bound = endpoint.ports.iter().map(|bound| PortRow {
        ip: Some(bound.host_ip.to_string()),
        private_port: bound.container.number,
        public_port: Some(bound.host_port),
        r#type: bound.container.protocol.name(),
    });
    let is_bound = |port| endpoint.ports.iter().any(|bound| bound.container == port);
    let exposed = container
        .config
        .exposed_ports
        .iter()
        .filter(|port| !is_bound(**port));
    let exposed = exposed.map(|port| PortRow {
        ip: None,
        private_port: port.number,
        public_port: None,
        r#type: port.protocol.name(),
    });
    bound.chain(exposed).collect()
}
