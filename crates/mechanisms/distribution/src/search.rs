//! Search for repositories, which only Docker Hub and few others still answer.

use porthole_oci::SearchTerm;
use reqwest::{Method, StatusCode, Url};
use serde::Deserialize;

use crate::client::Client;
use crate::credentials::Credentials;
use crate::endpoint::Call;
use crate::error::{Error, ErrorKind, Result};
use crate::transport::Request;

/// Where Docker Hub's index is.
const DOCKER_HUB_INDEX: &str = "https://index.docker.io/";

/// How many repositories are shown that match, unless the caller says.
const DEFAULT_LIMIT: u32 = 25;

/// The largest answer.
const MAX_ANSWER: usize = 4 << 20;

/// A repository that matches.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct SearchResult {
    /// Its name.
    #[serde(default)]
    pub name: String,
    /// What it is, in its own words.
    #[serde(default)]
    pub description: String,
    /// How many like it.
    #[serde(default)]
    pub star_count: i64,
    /// Whether it is one of Docker's own.
    #[serde(default)]
    pub is_official: bool,
    /// Whether it is built from its source; Docker shows this as false whatever the index says.
    #[serde(default)]
    pub is_automated: bool,
}

#[derive(Deserialize)]
struct Results {
    #[serde(default)]
    results: Option<Vec<SearchResult>>,
}

impl Client {
    /// The repositories that match `term`: on Docker Hub, which is not told who asks, or on the
    /// registry that it begins with, which is told if it wants to know.
    ///
    /// # Errors
    /// [`ErrorKind::Invalid`] for a term or a limit that cannot be meant, [`ErrorKind::Server`] with
    /// Docker's sentence where there is no index, and what asking a registry brings.
    pub async fn search(
        &self,
        term: &str,
        limit: Option<u32>,
        credentials: &Credentials,
    ) -> Result<Vec<SearchResult>> {
        if term.contains("://") {
            return Err(Error::new(
                ErrorKind::Invalid,
                format!(
                    "invalid repository name: repository name ({term}) should not have a scheme"
                ),
            ));
        }
        let limit = limit.filter(|limit| *limit != 0).unwrap_or(DEFAULT_LIMIT);
        if limit > 100 {
            return Err(Error::new(
                ErrorKind::Invalid,
                format!("limit {limit} is outside the range of [1, 100]"),
            ));
        }
        let SearchTerm { registry, words } = SearchTerm::of(term);
        let answer = match registry {
            None => {
                let index = Url::parse(DOCKER_HUB_INDEX).map_err(of_address)?;
                // What Docker Hub finds, it shows to everybody.
                let request = Request::new(Method::GET, address(&index, words, limit));
                self.transport().send(request, "index.docker.io").await?
            }
            Some(registry) => {
                let endpoint = self.registry(registry).await?;
                let url = address(&endpoint.base, words, limit);
                let call = Call::new(Method::GET, url, &[], credentials);
                self.call(&endpoint, call).await?
            }
        };
        let status = answer.status();
        if status != StatusCode::OK {
            let sentence = format!("unexpected status code {}", status.as_u16());
            return Err(Error::new(ErrorKind::Server, sentence).transient(false));
        }
        let bytes = answer.document(MAX_ANSWER).await?;
        let found: Results = serde_json::from_slice(&bytes).map_err(|error| {
            let sentence = format!("error decoding registry search results: {error}");
            Error::new(ErrorKind::Malformed, sentence).with_source(error)
        })?;
        let mut results = found.results.unwrap_or_default();
        results.truncate(limit as usize);
        results
            .iter_mut()
            .for_each(|result| result.is_automated = false);
        Ok(results)
    }
}

/// Where the registry at `base` tells what matches.
fn address(base: &Url, words: &str, limit: u32) -> Url {
    let mut url = base.clone();
    url.set_path("v1/search");
    url.query_pairs_mut()
        .append_pair("q", words)
        .append_pair("n", &limit.to_string());
    url
}

fn of_address(error: impl std::error::Error + Send + Sync + 'static) -> Error {
    Error::new(ErrorKind::Configuration, "not an address").with_source(error)
}
