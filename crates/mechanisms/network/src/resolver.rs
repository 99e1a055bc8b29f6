//! The resolver configuration that containers get: the host's, as far as they can reach it.

use std::net::IpAddr;
use std::path::Path;

/// Where resolvers are configured, the host's first; the second holds the real servers when the
/// first names systemd's stub, which listens on the host's loopback alone.
const FILES: [&str; 2] = ["/etc/resolv.conf", "/run/systemd/resolve/resolv.conf"];

/// Servers of last resort when the host has none that a container can reach: Docker's.
const FALLBACK: [IpAddr; 2] = [
    IpAddr::V4(std::net::Ipv4Addr::new(8, 8, 8, 8)),
    IpAddr::V4(std::net::Ipv4Addr::new(8, 8, 4, 4)),
];

/// A resolver configuration.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Resolver {
    /// Servers, the first to ask first.
    pub servers: Vec<IpAddr>,
    /// Domains to look names up in.
    pub search: Vec<String>,
}

impl Resolver {
    /// The host's, as containers can use it. Reads files, so ask anew for each container.
    #[must_use]
    pub fn of_host() -> Self {
        Self::from_files(&FILES.map(Path::new))
    }

    fn from_files(files: &[&Path]) -> Self {
        let mut search = Vec::new();
        for file in files {
            let Ok(text) = std::fs::read_to_string(file) else {
                continue;
            };
            let found = parse(&text);
            if search.is_empty() {
                search = found.search;
            }
            // IPv6 servers are out of reach as long as the network has no IPv6.
            let reachable = |server: &IpAddr| server.is_ipv4() && !server.is_loopback();
            let servers: Vec<_> = found.servers.into_iter().filter(reachable).collect();
            if !servers.is_empty() {
                return Self { servers, search };
            }
        }
        Self {
            servers: FALLBACK.to_vec(),
            search,
        }
    }
}

fn parse(text: &str) -> Resolver {
    let mut resolver = Resolver::default();
    for line in text.lines() {
        let mut words = line.split_whitespace();
        match words.next() {
            Some("nameserver") => {
                resolver
                    .servers
                    .extend(words.next().and_then(|word| word.parse::<IpAddr>().ok()));
            }
            // The last of these lines counts, as in libc.
            Some("search" | "domain") => resolver.search = words.map(str::to_owned).collect(),
            _ => {}
        }
    }
    resolver
}

#[cfg(test)]
mod tests {
    use super::*;

    fn from_texts(texts: &[&str]) -> Resolver {
        let directory = tempfile::tempdir().unwrap();
        let files: Vec<_> = (0..texts.len())
            .map(|i| directory.path().join(i.to_string()))
            .collect();
        for (file, text) in files.iter().zip(texts) {
            std::fs::write(file, text).unwrap();
        }
        let files: Vec<_> = files.iter().map(AsRef::as_ref).collect();
        Resolver::from_files(&files)
    }

    #[test]
    fn takes_the_hosts_servers() {
        let resolver = from_texts(&[
            "# x\nsearch a.example b.example\nnameserver 192.0.2.1\nnameserver fe80::1%eth0\nnameserver 2001:db8::1\n",
        ]);
        assert_eq!(resolver.servers, ["192.0.2.1".parse::<IpAddr>().unwrap()]);
        assert_eq!(resolver.search, ["a.example", "b.example"]);
    }

    #[test]
    fn looks_behind_the_stub() {
        let resolver = from_texts(&[
            "nameserver 127.0.0.53\nsearch a.example\n",
            "nameserver 192.0.2.7\nsearch other\n",
        ]);
        assert_eq!(resolver.servers, ["192.0.2.7".parse::<IpAddr>().unwrap()]);
        assert_eq!(resolver.search, ["a.example"]);
    }

    #[test]
    fn falls_back() {
        for texts in [
            &[][..],
            &[""],
            &["nameserver 127.0.0.1\n"],
            &["nameserver ::1\n"],
        ] {
            assert_eq!(from_texts(texts).servers, FALLBACK);
        }
    }
}
