//! Addresses to listen on.

use std::path::PathBuf;

use anyhow::{Result, bail};

/// Where to listen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Address {
    /// A Unix socket.
    Unix(PathBuf),
}

impl Address {
    /// Reads `unix:///path`, or a path alone.
    ///
    /// # Errors
    /// Any other kind of address, with what to do instead.
    pub(crate) fn parse(text: &str) -> Result<Self> {
        let path = match text.split_once("://") {
            None => text,
            Some(("unix", path)) => path,
            Some(("tcp", _)) => bail!(
                "cannot listen on {text}: TCP needs mutual TLS, which this version does not have; \
                 forward the socket instead, for example by 'ssh -L 2375:/run/porthole/docker.sock host'"
            ),
            Some((scheme, _)) => {
                bail!("cannot listen on {text}: {scheme}:// is not supported, use unix:///path")
            }
        };
        if !path.starts_with('/') {
            bail!("cannot listen on {text}: the socket's path must begin with /");
        }
        Ok(Self::Unix(path.into()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_unix_sockets_with_absolute_paths_are_taken() {
        let unix = Address::Unix("/run/x.sock".into());
        assert_eq!(
            Address::parse("unix:///run/x.sock").expect("an address"),
            unix
        );
        assert_eq!(Address::parse("/run/x.sock").expect("an address"), unix);
        assert!(Address::parse("unix://x.sock").is_err());
        let tcp = Address::parse("tcp://0.0.0.0:2375").expect_err("no TCP");
        assert!(tcp.to_string().contains("mutual TLS"));
        assert!(Address::parse("npipe:////./pipe/docker").is_err());
    }
}
