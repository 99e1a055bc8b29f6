//! `-p [ADDRESS:][HOST:]CONTAINER[/tcp]` and `--expose PORT`; each port may be a range.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use anyhow::{Context, Result, bail};
use serde_json::{Map, Value, json};

/// Ports as the API wants them.
#[derive(Debug, Default, PartialEq)]
pub(super) struct Ports {
    /// `ExposedPorts`: the published and the exposed ones.
    pub(super) exposed: Map<String, Value>,
    /// `PortBindings`.
    pub(super) bindings: Map<String, Value>,
}

/// Reads the options.
pub(super) fn parse(published: &[String], exposed: &[String]) -> Result<Ports> {
    let mut ports = Ports::default();
    for text in published {
        publish(&mut ports, text)
            .with_context(|| format!("-p {text}: expected [ADDRESS:][HOST:]CONTAINER[/tcp]"))?;
    }
    for text in exposed {
        let (range, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
        let range = self::range(range)
            .with_context(|| format!("--expose {text}: expected PORT[-PORT][/tcp]"))?;
        for port in range {
            ports
                .exposed
                .insert(format!("{port}/{protocol}"), json!({}));
        }
    }
    Ok(ports)
}

fn publish(ports: &mut Ports, text: &str) -> Result<()> {
    let (addresses, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let (before, container) = addresses.rsplit_once(':').unwrap_or(("", addresses));
    // An IPv6 address is in brackets, so the last colon outside of them separates.
    let (address, host) = if before.ends_with(']') {
        (before, "")
    } else {
        before.rsplit_once(':').unwrap_or(("", before))
    };
    let address = address.trim_start_matches('[').trim_end_matches(']');
    if !address.is_empty() {
        address
            .parse::<IpAddr>()
            .context("the address is no IP address")?;
    }
    let container = range(container).context("the container's port")?;
    let hosts = if host.is_empty() {
        None
    } else {
        Some(range(host).context("the host's port")?)
    };
    for (at, port) in container.clone().enumerate() {
        let host = match &hosts {
            None => String::new(),
            // One container port may have any of a range: the daemon picks.
            Some(_) if container.clone().count() == 1 => host.to_owned(),
            Some(hosts) if hosts.clone().count() == container.clone().count() => {
                hosts.clone().nth(at).unwrap_or_default().to_string()
            }
            Some(_) => bail!("the ranges of ports are not of one length"),
        };
        let key = format!("{port}/{protocol}");
        ports.exposed.insert(key.clone(), json!({}));
        let bindings = ports.bindings.entry(key).or_insert_with(|| json!([]));
        if let Value::Array(bindings) = bindings {
            bindings.push(json!({ "HostIp": address, "HostPort": host }));
        }
    }
    Ok(())
}

fn range(text: &str) -> Result<RangeInclusive<u16>> {
    let (first, last) = text.split_once('-').unwrap_or((text, text));
    let number = |text: &str| {
        text.parse::<u16>()
            .context("a port is a number from 0 to 65535")
    };
    let (first, last) = (number(first)?, number(last)?);
    if first > last {
        bail!("a range of ports begins with the smaller one");
    }
    Ok(first..=last)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bindings(text: &str) -> Value {
        let ports = parse(&[text.to_owned()], &[]).expect(text);
        Value::Object(ports.bindings)
    }

    fn one(port: &str, address: &str, host: &str) -> Value {
        json!({ port: [{ "HostIp": address, "HostPort": host }] })
    }

    #[test]
    fn addresses_and_host_ports_may_be_left_out() {
        for (text, expected) in [
            ("80", one("80/tcp", "", "")),
            ("8080:80", one("80/tcp", "", "8080")),
            ("127.0.0.1:8080:80/tcp", one("80/tcp", "127.0.0.1", "8080")),
            ("127.0.0.1::80", one("80/tcp", "127.0.0.1", "")),
            ("[::1]:8080:80", one("80/tcp", "::1", "8080")),
            ("[::1]:80", one("80/tcp", "::1", "")),
            ("53:53/udp", one("53/udp", "", "53")),
            ("8000-8009:80", one("80/tcp", "", "8000-8009")),
        ] {
            assert_eq!(bindings(text), expected, "{text}");
        }
        for wrong in ["", "x", "x:80", "1.2.3:80:80", "70000", "1-3:1-2", "9-8"] {
            assert!(parse(&[wrong.to_owned()], &[]).is_err(), "{wrong}");
        }
    }

    #[test]
    fn ranges_go_together() {
        let bindings = bindings("8000-8001:80-81");
        assert_eq!(
            bindings["81/tcp"],
            json!([{ "HostIp": "", "HostPort": "8001" }])
        );
        let ports = parse(&[], &["90-92/udp".to_owned()]).expect("ports");
        assert_eq!(ports.exposed.len(), 3);
        assert!(ports.bindings.is_empty());
    }
}
