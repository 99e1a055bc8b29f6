//! Where a log goes.

use std::fmt::{self, Display, Formatter};
use std::path::PathBuf;

/// A destination.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Address {
    Udp(Endpoint),
    Tcp(Endpoint),
    Tls(Endpoint),
    /// A stream socket.
    Unix(PathBuf),
    /// A datagram socket.
    UnixDatagram(PathBuf),
    /// The first of these that answers, by datagrams or a stream.
    Local(Vec<PathBuf>),
}

/// A port of a host.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Endpoint {
    /// A name, or a number without brackets.
    pub(crate) host: String,
    pub(crate) port: u16,
}

impl Endpoint {
    /// Reads `host:port`; the port may be left out where there is a default.
    pub(crate) fn parse(text: &str, default: Option<u16>) -> Option<Self> {
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) if !port.ends_with(']') => (host, port.parse().ok()?),
            _ => (text, default?),
        };
        let bare = host
            .strip_prefix('[')
            .and_then(|host| host.strip_suffix(']'));
        if bare.is_none() && host.contains([':', '/', '[', ']']) {
            return None;
        }
        Some(Self {
            host: bare.unwrap_or(host).to_owned(),
            port,
        })
    }

    /// For the socket functions: no host is this one.
    pub(crate) fn target(&self) -> (&str, u16) {
        let host = if self.host.is_empty() {
            "localhost"
        } else {
            &self.host
        };
        (host, self.port)
    }
}

impl Display for Endpoint {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        let (host, port) = self.target();
        if host.contains(':') {
            write!(f, "[{host}]:{port}")
        } else {
            write!(f, "{host}:{port}")
        }
    }
}

impl Display for Address {
    fn fmt(&self, f: &mut Formatter<'_>) -> fmt::Result {
        match self {
            Self::Udp(endpoint) => write!(f, "udp://{endpoint}"),
            Self::Tcp(endpoint) => write!(f, "tcp://{endpoint}"),
            Self::Tls(endpoint) => write!(f, "tls://{endpoint}"),
            Self::Unix(path) => write!(f, "unix://{}", path.display()),
            Self::UnixDatagram(path) => write!(f, "unixgram://{}", path.display()),
            Self::Local(_) => f.write_str("the syslog of this host"),
        }
    }
}
