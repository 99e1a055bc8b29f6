//! Addresses to listen on.

use std::fmt::{self, Display, Formatter};
use std::path::PathBuf;

use anyhow::{Context, Result, bail};

/// Where to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Address {
    /// A Unix socket.
    Unix(PathBuf),
    /// A TCP port.
    Tcp(TcpAddress),
}

/// A port of an address of this host, or of all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct TcpAddress {
    /// A name or a number, without the brackets of IPv6.
    pub(crate) host: String,
    /// None for Docker's own, which depends on whether TLS is spoken.
    port: Option<u16>,
}

impl TcpAddress {
    /// The port: Docker's own ones where the address names none.
    pub(crate) fn port(&self, tls: bool) -> u16 {
        self.port.unwrap_or(if tls { 2376 } else { 2375 })
    }

    /// Reads what follows `tcp://`. No host means this one, as in dockerd.
    fn parse(text: &str) -> Result<Self> {
        let text = text.strip_suffix('/').unwrap_or(text);
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => {
                let port = port.parse().with_context(|| format!("port {port:?}"))?;
                (host, Some(port))
            }
            _ => (text, None),
        };
        let bare = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        let host = bare.unwrap_or(host);
        let is_open = bare.is_none() && host.contains(':');
        if is_open || host.contains(['/', '[', ']', '@']) {
            bail!("{host:?} is no host: write tcp://host:port, and IPv6 in brackets");
        }
        let host = if host.is_empty() { "127.0.0.1" } else { host };
        Ok(Self {
            host: host.to_owned(),
            port,
        })
    }
}

impl Address {
    /// Reads `unix:///path`, a path alone, or `tcp://host:port`.
    ///
    /// # Errors
    /// Any other kind of address, with what to do instead.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let path = match text.split_once("://") {
            None => text,
            Some(("unix", path)) => path,
            Some(("tcp", rest)) => {
                let address = TcpAddress::parse(rest);
                return Ok(Self::Tcp(
                    address.with_context(|| format!("cannot listen on {text}"))?,
                ));
            }
            Some((scheme, _)) => bail!(
                "cannot listen on {text}: {scheme}:// is not supported, use unix:///path or tcp://host:port"
            ),
        };
        if !path.starts_with('/') {
            bail!("cannot listen on {text}: the socket's path must begin with /");
        }
        Ok(Self::Unix(path.into()))
    }
}

impl Display for Address {
    fn fmt(&self, formatter: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Unix(path) => write!(formatter, "unix://{}", path.display()),
            Self::Tcp(TcpAddress { host, port }) => {
                let (open, close) = if host.contains(':') {
                    ("[", "]")
                } else {
                    ("", "")
                };
                write!(formatter, "tcp://{open}{host}{close}")?;
                port.map_or(Ok(()), |port| write!(formatter, ":{port}"))
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unix_sockets_have_absolute_paths() {
        let unix = Address::Unix("/run/x.sock".into());
        assert_eq!(
            Address::parse("unix:///run/x.sock").expect("an address"),
            unix
        );
        assert_eq!(Address::parse("/run/x.sock").expect("an address"), unix);
        assert!(Address::parse("unix://x.sock").is_err());
        assert!(Address::parse("npipe:////./pipe/docker").is_err());
    }

    #[test]
    fn tcp_addresses_have_dockers_defaults() {
        for (text, host, with_tls, without) in [
            ("tcp://0.0.0.0:80", "0.0.0.0", 80, 80),
            ("tcp://:80/", "127.0.0.1", 80, 80),
            ("tcp://", "127.0.0.1", 2376, 2375),
            ("tcp://build.example", "build.example", 2376, 2375),
            ("tcp://[::1]:80", "::1", 80, 80),
            ("tcp://[::]", "::", 2376, 2375),
        ] {
            let Address::Tcp(address) = Address::parse(text).expect(text) else {
                panic!("{text}");
            };
            assert_eq!(address.host, host, "{text}");
            assert_eq!(address.port(true), with_tls, "{text}");
            assert_eq!(address.port(false), without, "{text}");
        }
        for text in [
            "tcp://x:y",
            "tcp://::1:80",
            "tcp://x:80/path",
            "tcp://x:70000",
        ] {
            let error = Address::parse(text).expect_err(text);
            assert!(error.to_string().contains(text), "{error}");
        }
        let again = Address::parse("tcp://[::1]:80").expect("an address");
        assert_eq!(again.to_string(), "tcp://[::1]:80");
    }
}
