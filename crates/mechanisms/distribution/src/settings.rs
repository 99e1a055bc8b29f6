//! What a client is told about registries.

use std::path::PathBuf;
use std::time::Duration;

/// What a client is told about registries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Registries that may be had without TLS or with any certificate: `host[:port]`, or networks such
    /// as `10.0.0.0/8`. Those on this machine may always be.
    pub insecure_registries: Vec<String>,
    /// Mirrors of Docker Hub, `https://host[:port][/path]`: asked in this order before Docker Hub
    /// itself, and never given its credentials.
    pub mirrors: Vec<String>,
    /// Directories with a directory for each registry, `<host[:port]>/{*.crt,*.cert,*.key}`. The first
    /// that has one for a registry is used.
    pub certificates: Vec<PathBuf>,
    /// The proxies.
    pub proxies: Proxies,
    /// How long a registry may be silent until it is given up.
    pub patience: Duration,
    /// How often something is tried that fails for a reason that may pass.
    pub attempts: u32,
    /// The pause before the second attempt; it doubles before each further one.
    pub pause: Duration,
    /// What requests say of the client.
    pub user_agent: String,
}

/// The proxies between this host and registries. Registries on this machine are asked directly.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Proxies {
    /// For `http://`.
    pub http: Option<String>,
    /// For `https://`.
    pub https: Option<String>,
    /// Hosts, domains and networks that are asked directly, separated by commas.
    pub none_for: Option<String>,
}

impl Proxies {
    /// Those of the variables that other programs heed too: `HTTP_PROXY`, `HTTPS_PROXY` and
    /// `NO_PROXY`, in capital or small letters.
    #[must_use]
    pub fn from_environment() -> Self {
        let variable = |names: [&str; 2]| {
            let values = names
                .into_iter()
                .filter_map(|name| std::env::var(name).ok());
            values.into_iter().find(|value| !value.is_empty())
        };
        Self {
            http: variable(["HTTP_PROXY", "http_proxy"]),
            https: variable(["HTTPS_PROXY", "https_proxy"]),
            none_for: variable(["NO_PROXY", "no_proxy"]),
        }
    }
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            insecure_registries: Vec::new(),
            mirrors: Vec::new(),
            certificates: vec![
                PathBuf::from("/etc/porthole/certs.d"),
                PathBuf::from("/etc/docker/certs.d"),
            ],
            proxies: Proxies::from_environment(),
            patience: Duration::from_secs(60),
            attempts: 5,
            pause: Duration::from_secs(1),
            user_agent: concat!("porthole/", env!("CARGO_PKG_VERSION")).to_owned(),
        }
    }
}
