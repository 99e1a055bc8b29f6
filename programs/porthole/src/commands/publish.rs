//! `-p [ADDRESS:][HOST:]CONTAINER[/tcp]`.

use std::collections::HashMap;

use anyhow::{Context, Result};
use bollard::models::{PortBinding, PortMap};

/// Published ports as the API wants them: the exposed ports, and their bindings.
pub(super) fn parse(texts: &[String]) -> Result<(Vec<String>, PortMap)> {
    let mut bindings: PortMap = HashMap::new();
    for text in texts {
        let (port, binding) = one(text)
            .with_context(|| format!("-p {text}: expected [ADDRESS:][HOST:]CONTAINER[/tcp]"))?;
        bindings
            .entry(port)
            .or_default()
            .get_or_insert_default()
            .push(binding);
    }
    let mut exposed: Vec<_> = bindings.keys().cloned().collect();
    exposed.sort();
    Ok((exposed, bindings))
}

fn one(text: &str) -> Result<(String, PortBinding)> {
    let (ports, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
    let (before, container) = ports.rsplit_once(':').unwrap_or(("", ports));
    // An IPv6 address is in brackets, so the last colon outside of them separates.
    let (address, host) = if before.ends_with(']') {
        (before, "")
    } else {
        before.rsplit_once(':').unwrap_or(("", before))
    };
    let container: u16 = container
        .parse()
        .context("the container's port is not a number from 1 to 65535")?;
    if !host.is_empty() {
        host.parse::<u16>()
            .context("the host's port is not a number from 0 to 65535")?;
    }
    let address = address.trim_start_matches('[').trim_end_matches(']');
    if !address.is_empty() {
        address
            .parse::<std::net::IpAddr>()
            .context("the address is no IP address")?;
    }
    let binding = PortBinding {
        host_ip: Some(address.to_owned()),
        host_port: Some(host.to_owned()),
    };
    Ok((format!("{container}/{protocol}"), binding))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn parts(text: &str) -> (String, String, String) {
        let (port, binding) = one(text).expect(text);
        (
            port,
            binding.host_ip.unwrap_or_default(),
            binding.host_port.unwrap_or_default(),
        )
    }

    #[test]
    fn addresses_and_host_ports_may_be_left_out() {
        let expected =
            |port: &str, ip: &str, host: &str| (port.to_owned(), ip.to_owned(), host.to_owned());
        assert_eq!(parts("80"), expected("80/tcp", "", ""));
        assert_eq!(parts("8080:80"), expected("80/tcp", "", "8080"));
        assert_eq!(
            parts("127.0.0.1:8080:80/tcp"),
            expected("80/tcp", "127.0.0.1", "8080")
        );
        assert_eq!(parts("127.0.0.1::80"), expected("80/tcp", "127.0.0.1", ""));
        assert_eq!(parts("[::1]:8080:80"), expected("80/tcp", "::1", "8080"));
        assert_eq!(parts("[::1]:80"), expected("80/tcp", "::1", ""));
        for wrong in ["", "x", "x:80", "1.2.3:80:80", "70000"] {
            assert!(one(wrong).is_err(), "{wrong}");
        }
    }
}
