//! Networks: rows and details, which have the same members.

use std::sync::Arc;

use porthole_engine::container::record::Container;
use porthole_engine::network::NetworkRecord;
use serde_json::{Map, Value, json};

use crate::timestamp;

/// A row of `GET /networks`, or the answer to `GET /networks/{id}`, which names the members.
pub(crate) fn details(network: &NetworkRecord, members: &[Arc<Container>]) -> Value {
    let ranges: Vec<_> = network
        .subnet
        .iter()
        .map(|subnet| json!({ "Subnet": subnet.range, "Gateway": subnet.gateway.to_string() }))
        .collect();
    json!({
        "Name": network.name,
        "Id": network.id,
        // They have always been there.
        "Created": timestamp::rfc3339_or_never(None),
        "Scope": "local",
        "Driver": network.driver,
        "EnableIPv4": network.subnet.is_some(),
        "EnableIPv6": false,
        "IPAM": { "Driver": "default", "Options": null, "Config": ranges },
        "Internal": false,
        "Attachable": false,
        "Ingress": false,
        "ConfigFrom": { "Network": "" },
        "ConfigOnly": false,
        "Containers": containers(members),
        "Options": {},
        "Labels": {},
    })
}

fn containers(members: &[Arc<Container>]) -> Value {
    let members = members.iter().filter_map(|container| {
        let endpoint = container.endpoint.as_ref()?;
        let address = endpoint
            .address
            .map(|address| format!("{address}/{}", endpoint.prefix_length));
        let member = json!({
            "Name": container.name,
            "EndpointID": endpoint.id,
            "MacAddress": endpoint.mac_address,
            "IPv4Address": address.unwrap_or_default(),
            "IPv6Address": "",
        });
        Some((container.id.clone(), member))
    });
    Value::Object(members.collect::<Map<_, _>>())
}
