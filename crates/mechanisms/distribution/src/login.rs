//! Whether credentials are right.

use reqwest::{Method, StatusCode, Url};

use crate::challenge::Challenge;
use crate::client::Client;
use crate::credentials::Credentials;
use crate::endpoint::{DOCKER_HUB, purpose};
use crate::error::{Error, ErrorKind, Result};
use crate::failure;
use crate::token;
use crate::transport::Request;

/// How Docker's clients name Docker Hub when they log in.
const DOCKER_HUB_NAMES: [&str; 4] = ["", "index.docker.io", "docker.io", "registry-1.docker.io"];

/// A login that succeeded.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// What Docker says of it.
    pub status: String,
    /// A token that stands for account and password from now on; empty where the registry has none.
    pub identity_token: String,
}

impl Client {
    /// Whether a registry takes these credentials. `server` is the registry as Docker's clients name
    /// it: `host[:port]` or an address, and nothing or `https://index.docker.io/v1/` for Docker Hub.
    ///
    /// # Errors
    /// [`ErrorKind::Unauthorized`] with Docker's sentence when it does not, [`ErrorKind::Invalid`] for
    /// what is no registry's name, and what asking a registry brings.
    pub async fn login(&self, server: &str, credentials: &Credentials) -> Result<Login> {
        let domain = domain(server)?;
        let registry = self.registry(&domain).await?;
        let mut ping = Request::new(Method::GET, registry.base.clone());
        ping.url.set_path("v2/");
        let shown = failure::shown(&ping.url);
        let mut identity_token = None;
        ping.authorization = match registry.challenge() {
            None => None,
            Some(Challenge::Basic) => {
                let header = token::basic(credentials);
                Some(header.ok_or_else(|| {
                    let sentence = format!("Get {shown:?}: no basic auth credentials");
                    Error::new(ErrorKind::Unauthorized, sentence)
                })?)
            }
            Some(challenge) => {
                let purpose = purpose(challenge, &[], credentials);
                let given = token::identity(self.transport(), &purpose, registry.is_secure());
                let (header, identity) = given
                    .await
                    .map_err(|error| error.within(&format!("Get {shown:?}")))?;
                identity_token = identity;
                Some(header)
            }
        };
        let answer = self.transport().send(ping, &registry.authority).await?;
        match answer.status() {
            StatusCode::OK => Ok(Login {
                status: "Login Succeeded".to_owned(),
                identity_token: identity_token.unwrap_or_default(),
            }),
            status => {
                let kind = match status {
                    StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => ErrorKind::Unauthorized,
                    _ => ErrorKind::Server,
                };
                let sentence = format!("login attempt to {shown} failed with status: {status}");
                Err(Error::new(kind, sentence))
            }
        }
    }
}

/// The domain of the names of images of a registry.
fn domain(server: &str) -> Result<String> {
    let invalid = |what: &str| {
        let sentence = format!("invalid server address {server:?}: {what}");
        Error::new(ErrorKind::Invalid, sentence)
    };
    let host = match server.split_once("://") {
        Some(("http" | "https", rest)) => rest,
        Some(_) => return Err(invalid(r#"must be "http" or "https""#)),
        None => server,
    };
    let host = host.split('/').next().unwrap_or_default();
    if DOCKER_HUB_NAMES.contains(&host) {
        return Ok(DOCKER_HUB.to_owned());
    }
    let address = Url::parse(&format!("https://{host}/"));
    match address {
        Ok(address) if address.username().is_empty() && address.path() == "/" => {
            Ok(host.to_owned())
        }
        _ => Err(invalid("unable to parse")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registries_are_told_from_addresses() {
        let table = [
            ("", "docker.io"),
            ("https://index.docker.io/v1/", "docker.io"),
            ("docker.io", "docker.io"),
            ("localhost:5000", "localhost:5000"),
            ("https://registry.example:5000/v2/", "registry.example:5000"),
            ("http://127.0.0.1:5000", "127.0.0.1:5000"),
        ];
        for (server, expected) in table {
            assert_eq!(domain(server).unwrap(), expected, "{server}");
        }
        for server in ["ftp://x", "a b", "user@host", "host:port", "?x"] {
            let error = domain(server).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Invalid, "{server}");
        }
    }
}
