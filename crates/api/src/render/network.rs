//! `NetworkSettings` and ports.

use std::collections::BTreeMap;

use porthole_engine::container::record::{Container, Endpoint};
use serde_json::{Map, Value, json};

/// `NetworkSettings` of `inspect`, with the members at its top that old clients read.
pub(crate) fn settings(container: &Container) -> Value {
    let endpoint = endpoint(container);
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
        "Networks": networks(container),
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

/// The networks that the container is in, by name.
pub(crate) fn networks(container: &Container) -> Value {
    let mut networks = Map::new();
    networks.insert(container.network_name().to_owned(), endpoint(container));
    Value::Object(networks)
}

fn endpoint(container: &Container) -> Value {
    let place = container.endpoint.as_ref();
    let address = |of: fn(&Endpoint) -> Option<std::net::IpAddr>| {
        place
            .and_then(of)
            .map(|address| address.to_string())
            .unwrap_or_default()
    };
    let ip = address(|endpoint| endpoint.address);
    json!({
        "IPAMConfig": null,
        "Links": null,
        "Aliases": null,
        "MacAddress": place.map(|endpoint| endpoint.mac_address.as_str()).unwrap_or_default(),
        "DriverOpts": null,
        "GwPriority": 0,
        "NetworkID": place.map(|endpoint| endpoint.network_id.as_str()).unwrap_or_default(),
        "EndpointID": place.map(|endpoint| endpoint.id.as_str()).unwrap_or_default(),
        "Gateway": address(|endpoint| endpoint.gateway),
        "IPPrefixLen": if ip.is_empty() { 0 } else { place.map_or(0, |endpoint| endpoint.prefix_length) },
        "IPAddress": ip,
        "IPv6Gateway": "",
        "GlobalIPv6Address": "",
        "GlobalIPv6PrefixLen": 0,
        "DNSNames": null,
    })
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

/// The ports in a row of `GET /containers/json`.
pub(crate) fn port_rows(container: &Container) -> Vec<Value> {
    let Some(endpoint) = &container.endpoint else {
        return Vec::new();
    };
    let bound = endpoint.ports.iter().map(|bound| {
        json!({
            "IP": bound.host_ip.to_string(),
            "PrivatePort": bound.container.number,
            "PublicPort": bound.host_port,
            "Type": bound.container.protocol.name(),
        })
    });
    let is_bound = |port| endpoint.ports.iter().any(|bound| bound.container == port);
    let exposed = container
        .config
        .exposed_ports
        .iter()
        .filter(|port| !is_bound(**port));
    let exposed =
        exposed.map(|port| json!({ "PrivatePort": port.number, "Type": port.protocol.name() }));
    bound.chain(exposed).collect()
}
