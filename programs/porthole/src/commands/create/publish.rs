//! `-p [ADDRESS:][HOST:]CONTAINER[/tcp|udp]` and `--expose PORT`; each port may be a range.

use std::net::IpAddr;
use std::ops::RangeInclusive;

use anyhow::{Context, Result, anyhow, bail};
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
        publish(&mut ports, text).map_err(|error| {
            anyhow!(
                "{error}: -p {text} is not [ADDRESS:][HOST:]CONTAINER[/tcp|udp], where HOST and \
                 CONTAINER are ports from 0 to 65535 or ranges such as 8000-8009"
            )
        })?;
    }
    for text in exposed {
        let (range, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
        let range = self::range(range)
            .with_context(|| format!("--expose {text}: expected PORT[-PORT][/tcp|udp]"))?;
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
            .with_context(|| format!("invalid IP address: {address}"))?;
    }
    let inside = range(container).with_context(|| format!("invalid containerPort: {container}"))?;
    let hosts = if host.is_empty() {
        None
    } else {
        Some(range(host).with_context(|| format!("invalid hostPort: {host}"))?)
    };
    for (at, port) in inside.clone().enumerate() {
        let host = match &hosts {
            None => String::new(),
            // One container port may have any of a range: the daemon picks.
            Some(_) if inside.clone().count() == 1 => host.to_owned(),
            Some(hosts) if hosts.clone().count() == inside.clone().count() => {
                hosts.clone().nth(at).unwrap_or_default().to_string()
            }
            Some(_) => bail!(
                "invalid ranges specified for container and host Ports: {container} and {host}"
            ),
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
        for (wrong, words) in [
            ("99999:80", "invalid hostPort: 99999"),
            ("x", "invalid containerPort: x"),
            ("1.2.3:80:80", "invalid IP address: 1.2.3"),
            ("1-3:1-2", "container and host Ports: 1-2 and 1-3"),
        ] {
            let refusal = parse(&[wrong.to_owned()], &[])
                .expect_err(wrong)
                .to_string();
            assert!(refusal.contains(words), "{refusal}");
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
