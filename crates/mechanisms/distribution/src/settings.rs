//! What a client is told about registries.

use std::path::PathBuf;
use std::time::Duration;

use ipnet::IpNet;
use reqwest::Url;

use crate::endpoint::mirror_base;
use crate::error::{Error, ErrorKind, Result};

/// What a client is told about registries.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Settings {
    /// Registries that may be had without TLS or with any certificate: `host[:port]`, or networks such
    /// as `10.0.0.0/8`. Those on this machine may always be.
    pub insecure_registries: Vec<String>,
    /// Mirrors of Docker Hub, `https://host[:port]`: asked in this order before Docker Hub
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

impl Settings {
    /// Whether insecure registries and mirrors are what they have to be; one that is not would match
    /// nothing, or fail whatever is asked for.
    ///
    /// # Errors
    /// [`ErrorKind::Configuration`] for the first that is not.
    pub fn check(&self) -> Result<()> {
        for registry in &self.insecure_registries {
            if !is_registry(registry) && registry.parse::<IpNet>().is_err() {
                let sentence = format!(
                    "invalid insecure registry {registry:?}: neither of the form host[:port] nor a \
                     network such as 10.0.0.0/8"
                );
                return Err(Error::new(ErrorKind::Configuration, sentence));
            }
        }
        let mut mirrors = self.mirrors.iter();
        mirrors.try_for_each(|mirror| mirror_base(mirror).map(drop))
    }
}

/// Whether `text` is `host[:port]`, spelt as in names of images.
fn is_registry(text: &str) -> bool {
    let host = text.rsplit_once(':').map_or(text, |(host, port)| {
        let is_port = port.parse::<u16>().is_ok();
        if is_port { host } else { text }
    });
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "-._:[]".contains(c);
    let is_host = |url: Url| {
        url.host_str()
            .is_some_and(|found| found.eq_ignore_ascii_case(host))
    };
    text.chars().all(is_plain) && Url::parse(&format!("http://{text}/")).is_ok_and(is_host)
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_would_match_nothing_is_refused_by_name() {
        let insecure = |registry: &str| Settings {
            insecure_registries: vec![registry.to_owned()],
            ..Settings::default()
        };
        for registry in [
            "registry.example",
            "registry.example:5000",
            "10.1.2.3:5000",
            "[fd00::1]:5000",
            "10.0.0.0/8",
            "fd00::/8",
        ] {
            assert!(insecure(registry).check().is_ok(), "{registry}");
        }
        for registry in [
            "",
            "10.0.0.0/33",
            "http://registry.example:5000",
            " registry.example",
            "registry.example:port",
            "registry.example/path",
            "me@registry.example",
        ] {
            let error = insecure(registry).check().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Configuration, "{registry}");
            assert!(error.to_string().contains(registry), "{error}");
        }
    }
}
