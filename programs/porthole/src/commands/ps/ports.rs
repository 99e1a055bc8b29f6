//! A container's ports in one cell.

use std::collections::BTreeMap;

use serde_json::Value;

/// A port of a container, and where it is published.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
struct Port<'a> {
    inside: u64,
    /// Empty if it is not published.
    address: &'a str,
    outside: u64,
    protocol: &'a str,
}

/// The ports in docker's form. Neighbours that are published under their own numbers are told as a
/// range; what has another number outside comes last, each by itself.
pub(super) fn shown(ports: &Value) -> String {
    let ports = ports.as_array().map_or(&[][..], Vec::as_slice);
    let mut ports: Vec<_> = ports.iter().map(Port::of).collect();
    ports.sort();
    let mut open: BTreeMap<(&str, &str), (usize, u64, u64)> = BTreeMap::new();
    let (mut ranges, mut moved) = (Vec::new(), Vec::new());
    for (at, port) in ports.iter().enumerate() {
        if !port.address.is_empty() && port.outside != port.inside {
            moved.push(port.moved());
            continue;
        }
        let range =
            open.entry((port.address, port.protocol))
                .or_insert((at, port.inside, port.inside));
        if port.inside > range.2 + 1 {
            ranges.push(as_range(port, range.1, range.2));
            *range = (at, port.inside, port.inside);
        }
        range.2 = port.inside;
    }
    let mut last: Vec<_> = open.into_values().collect();
    last.sort_unstable();
    ranges.extend(
        last.iter()
            .map(|(at, first, end)| as_range(&ports[*at], *first, *end)),
    );
    ranges.extend(moved);
    ranges.join(", ")
}

impl<'a> Port<'a> {
    fn of(port: &'a Value) -> Self {
        let text = |name: &str| port[name].as_str().unwrap_or_default();
        let number = |name: &str| port[name].as_u64().unwrap_or_default();
        Self {
            inside: number("PrivatePort"),
            address: text("IP"),
            outside: number("PublicPort"),
            protocol: text("Type"),
        }
    }

    fn moved(&self) -> String {
        let address = bracketed(self.address);
        format!(
            "{address}:{}->{}/{}",
            self.outside, self.inside, self.protocol
        )
    }
}

fn as_range(like: &Port<'_>, first: u64, last: u64) -> String {
    let numbers = if first == last {
        first.to_string()
    } else {
        format!("{first}-{last}")
    };
    if like.address.is_empty() {
        return format!("{numbers}/{}", like.protocol);
    }
    let address = bracketed(like.address);
    format!("{address}:{numbers}->{numbers}/{}", like.protocol)
}

fn bracketed(address: &str) -> String {
    if address.contains(':') {
        format!("[{address}]")
    } else {
        address.to_owned()
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::shown;

    fn port(address: &str, outside: u16, inside: u16, protocol: &str) -> serde_json::Value {
        json!({ "IP": address, "PublicPort": outside, "PrivatePort": inside, "Type": protocol })
    }

    #[test]
    fn ports_are_shown_as_dockers() {
        assert_eq!(shown(&serde_json::Value::Null), "");
        assert_eq!(
            shown(&json!([{ "PrivatePort": 80, "Type": "tcp" }])),
            "80/tcp"
        );
        assert_eq!(
            shown(&json!([port("::", 8080, 80, "tcp")])),
            "[::]:8080->80/tcp"
        );
    }

    #[test]
    fn neighbours_are_one_range() {
        let all = json!([
            port("0.0.0.0", 8101, 8101, "udp"),
            port("0.0.0.0", 8100, 8100, "udp"),
            port("0.0.0.0", 8102, 8102, "udp"),
            port("::", 8100, 8100, "udp"),
            port("0.0.0.0", 90, 80, "tcp"),
            port("0.0.0.0", 8200, 8200, "udp"),
            { "PrivatePort": 443, "Type": "tcp" },
        ]);
        assert_eq!(
            shown(&all),
            "0.0.0.0:8100-8102->8100-8102/udp, 443/tcp, [::]:8100->8100/udp, \
             0.0.0.0:8200->8200/udp, 0.0.0.0:90->80/tcp"
        );
    }
}
