//! Our nftables table: translation, and what may be forwarded.
//!
//! Everything is in `inet porthole`. Ports are elements of two maps, so that publishing one is one
//! small transaction; a full [`apply`] replaces the table as one transaction, so that packets see
//! either the old or the new.

use std::fmt::Write;
use std::net::IpAddr;

use ipnet::Ipv4Net;

use crate::endpoint::PublishedPort;
use crate::error::{Error, ErrorKind, Result};
use crate::tool;

const TABLE: &str = "inet porthole";

/// Ports published on all of the host's addresses, and on one.
const MAPS: [&str; 2] = ["published", "published_at"];

/// Puts the table in place with these ports, whatever was there.
pub(crate) async fn apply(bridge: &str, subnet: Ipv4Net, ports: &[PublishedPort]) -> Result<()> {
    let mut script = table(bridge, subnet);
    script.push_str(&elements("add", ports));
    nft(&script).await
}

/// Translates ports.
pub(crate) async fn publish(ports: &[PublishedPort]) -> Result<()> {
    match elements("add", ports) {
        script if script.is_empty() => Ok(()),
        script => nft(&script).await,
    }
}

/// Translates ports no more. Those that are not translated are fine.
pub(crate) async fn unpublish(ports: &[PublishedPort]) -> Result<()> {
    // Adding first makes deleting succeed whether or not somebody has flushed the table.
    let script = elements("add", ports) + &elements("delete", ports);
    if script.is_empty() {
        return Ok(());
    }
    match nft(&script).await {
        // The table itself is gone.
        Err(error) if error.kind() == ErrorKind::Tool && !exists().await? => Ok(()),
        other => other,
    }
}

/// Removes the table.
pub(crate) async fn remove() -> Result<()> {
    nft(&format!("table {TABLE}\ndelete table {TABLE}\n")).await
}

/// Whether the table is in place with exactly these ports and all its rules.
pub(crate) async fn is_intact(
    bridge: &str,
    subnet: Ipv4Net,
    ports: &[PublishedPort],
) -> Result<bool> {
    let listing = match tool::run("nft", &["-j", "list", "table", "inet", "porthole"], "").await {
        Err(error) if error.kind() == ErrorKind::Tool => return Ok(false),
        other => other?,
    };
    let found = Inventory::of_listing(&listing)?;
    Ok(found == Inventory::of_script(&table(bridge, subnet), ports))
}

async fn exists() -> Result<bool> {
    let listing = tool::run("nft", &["-j", "list", "tables"], "").await?;
    let listing = parse(&listing)?;
    let ours = |object: &serde_json::Value| {
        object["table"]["family"] == "inet" && object["table"]["name"] == "porthole"
    };
    Ok(listing["nftables"]
        .as_array()
        .is_some_and(|objects| objects.iter().any(ours)))
}

/// How many rules and ports a table has: enough to see that somebody flushed or deleted.
#[derive(Debug, PartialEq, Eq)]
struct Inventory {
    rules: usize,
    ports: usize,
}

impl Inventory {
    fn of_listing(listing: &[u8]) -> Result<Self> {
        let listing = parse(listing)?;
        let objects = listing["nftables"]
            .as_array()
            .map_or(&[][..], Vec::as_slice);
        let rules = objects
            .iter()
            .filter(|object| object.get("rule").is_some())
            .count();
        let elements =
            |object: &serde_json::Value| object["map"]["elem"].as_array().map_or(0, Vec::len);
        Ok(Self {
            rules,
            ports: objects.iter().map(elements).sum(),
        })
    }

    fn of_script(script: &str, ports: &[PublishedPort]) -> Self {
        let is_rule = |line: &&str| line.starts_with("\t\t") && !line.starts_with("\t\ttype");
        let rules = script.lines().filter(is_rule).count();
        Self {
            rules,
            ports: ports
                .iter()
                .filter(|port| port.host_address.is_ipv4())
                .count(),
        }
    }
}

fn parse(listing: &[u8]) -> Result<serde_json::Value> {
    serde_json::from_slice(listing).map_err(|error| {
        Error::new(
            ErrorKind::Tool,
            "read listing of",
            "nft",
            "not what nft prints",
        )
        .with_source(error)
    })
}

async fn nft(script: &str) -> Result<()> {
    tool::run("nft", &["-f", "-"], script).await.map(drop)
}

/// The script that replaces the table.
///
/// - `loopback`: the bridge has `route_localnet`, so that what comes from 127.0.0.1 can be
///   translated to a container and back; a container must not reach the host's loopback by it.
/// - `translate`: only what is for an address of the host's; the more specific first.
/// - `postrouting`: what leaves; what the host's loopback sends in; and what a container sends to
///   a container by a published port, whose answer would otherwise bypass the translation.
/// - `forward`: into the bridge comes only what a container asked for or has published.
fn table(bridge: &str, subnet: Ipv4Net) -> String {
    format!(
        r#"table {TABLE}
delete table {TABLE}
table {TABLE} {{
	map published {{
		type inet_proto . inet_service : ipv4_addr . inet_service
	}}
	map published_at {{
		type inet_proto . ipv4_addr . inet_service : ipv4_addr . inet_service
	}}
	chain loopback {{
		type filter hook prerouting priority raw; policy accept;
		iifname "{bridge}" ip daddr 127.0.0.0/8 drop
	}}
	chain translate {{
		dnat ip to meta l4proto . ip daddr . th dport map @published_at
		dnat ip to meta l4proto . th dport map @published
	}}
	chain prerouting {{
		type nat hook prerouting priority -100; policy accept;
		meta l4proto {{ tcp, udp }} fib daddr type local jump translate
	}}
	chain output {{
		type nat hook output priority -100; policy accept;
		meta l4proto {{ tcp, udp }} fib daddr type local jump translate
	}}
	chain postrouting {{
		type nat hook postrouting priority 100; policy accept;
		oifname != "{bridge}" ip saddr {subnet} masquerade
		oifname "{bridge}" ip saddr 127.0.0.0/8 masquerade
		oifname "{bridge}" ip saddr {subnet} ct status dnat masquerade
	}}
	chain forward {{
		type filter hook forward priority 0; policy accept;
		oifname != "{bridge}" accept
		iifname "{bridge}" accept
		ct state established,related accept
		ct status dnat accept
		drop
	}}
}}
"#
    )
}

/// Commands about the elements of IPv4 ports; those of IPv6 are relayed, not translated.
fn elements(verb: &str, ports: &[PublishedPort]) -> String {
    let [any, at] = MAPS;
    let mut script = String::new();
    for port in ports {
        let IpAddr::V4(host) = port.host_address else {
            continue;
        };
        let protocol = port.transport.name();
        let (map, key) = if host.is_unspecified() {
            (any, format!("{protocol} . {}", port.host_port))
        } else {
            (at, format!("{protocol} . {host} . {}", port.host_port))
        };
        let value = format!("{} . {}", port.container_address, port.container_port);
        let _ = writeln!(script, "{verb} element {TABLE} {map} {{ {key} : {value} }}");
    }
    script
}

#[cfg(test)]
mod tests {
    use std::net::Ipv4Addr;

    use porthole_protocol::supervisor::Transport;

    use super::*;

    fn port(host: &str, host_port: u16) -> PublishedPort {
        PublishedPort {
            transport: Transport::Tcp,
            host_address: host.parse().unwrap(),
            host_port,
            container_address: Ipv4Addr::new(172, 30, 0, 2),
            container_port: 80,
        }
    }

    #[test]
    fn ports_become_elements() {
        let ports = [
            port("0.0.0.0", 8080),
            port("127.0.0.1", 81),
            port("::", 8080),
            PublishedPort {
                transport: Transport::Udp,
                ..port("0.0.0.0", 53)
            },
        ];
        assert_eq!(
            elements("add", &ports),
            "add element inet porthole published { tcp . 8080 : 172.30.0.2 . 80 }\n\
             add element inet porthole published_at { tcp . 127.0.0.1 . 81 : 172.30.0.2 . 80 }\n\
             add element inet porthole published { udp . 53 : 172.30.0.2 . 80 }\n"
        );
    }

    #[test]
    fn a_listing_is_compared_by_what_it_holds() {
        let subnet = "172.30.0.0/16".parse().unwrap();
        let expected = Inventory::of_script(
            &table("porthole0", subnet),
            &[port("0.0.0.0", 1), port("::", 1)],
        );
        assert_eq!(
            expected,
            Inventory {
                rules: 13,
                ports: 1
            }
        );
        let listing = br#"{"nftables":[{"metainfo":{}},{"map":{"name":"published","elem":[[1,{}]]}},{"rule":{}}]}"#;
        assert_eq!(
            Inventory::of_listing(listing).unwrap(),
            Inventory { rules: 1, ports: 1 }
        );
        assert!(Inventory::of_listing(b"x").is_err());
    }
}
