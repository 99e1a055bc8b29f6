//! What registries are asked beside images: who somebody is, what there is, what a name means.

use bytes::Bytes;
use futures::stream::{BoxStream, StreamExt};
use porthole_oci::{Descriptor, Platform, Reference};

pub use porthole_distribution::{Client, Credentials, SearchResult};

use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::filter::Filters;

/// The registries, as the daemon was set up for them.
#[derive(Clone)]
pub struct Registries {
    /// What speaks with them.
    pub client: Client,
    /// Whether a push may fetch base layers of Microsoft's from where they are kept, to put them
    /// into another registry.
    pub push_base_layers: bool,
}

impl std::fmt::Debug for Registries {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Registries")
            .field("push_base_layers", &self.push_base_layers)
            .finish_non_exhaustive()
    }
}

/// What a name means in its registry.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Distribution {
    /// The manifest or index.
    pub descriptor: Descriptor,
    /// The platforms that it has images for.
    pub platforms: Vec<Platform>,
}

/// The answer to a login.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Login {
    /// In words.
    pub status: String,
    /// What takes the password's place from now on; may be empty.
    pub identity_token: String,
}

/// A search.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct SearchImages {
    /// What to look for, perhaps behind a registry's name.
    pub term: String,
    /// Results at most.
    pub limit: Option<u32>,
    /// `is-automated`, `is-official`, `stars`.
    pub filters: Filters,
}

/// The most results that can be asked for, as in Docker Hub.
const MOST_RESULTS: u32 = 100;

/// Searches.
pub(crate) async fn search(
    context: &Context,
    search: SearchImages,
    credentials: Option<Credentials>,
) -> Result<Vec<SearchResult>> {
    let SearchImages {
        term,
        limit,
        filters,
    } = search;
    filters.check(&["is-automated", "is-official", "stars"])?;
    let (automated, official) = (
        filters.boolean("is-automated")?,
        filters.boolean("is-official")?,
    );
    let mut stars = 0;
    for value in filters.values("stars") {
        let wanted: i64 = value
            .parse()
            .map_err(|_| Error::invalid(format!("invalid filter 'stars={value}'")))?;
        stars = stars.max(wanted);
    }
    if limit.is_some_and(|limit| limit > MOST_RESULTS) {
        return Err(Error::invalid(format!(
            "limit {} is outside the range of [1, {MOST_RESULTS}]",
            limit.unwrap_or_default()
        )));
    }
    let found = context
        .registries
        .client
        .search(&term, limit, &credentials.unwrap_or_default())
        .await
        .map_err(failed)?;
    let fits = |result: &SearchResult| {
        automated.is_none_or(|wanted| result.is_automated == wanted)
            && official.is_none_or(|wanted| result.is_official == wanted)
            && result.star_count >= stars
    };
    Ok(found.into_iter().filter(fits).collect())
}

/// Asks a registry whether it knows somebody.
pub(crate) async fn login(
    context: &Context,
    server: &str,
    credentials: &Credentials,
) -> Result<Login> {
    let answer = context.registries.client.login(server, credentials).await;
    let answer = answer.map_err(|error| {
        use porthole_distribution::ErrorKind as Kind;
        match error.kind() {
            Kind::Unauthorized | Kind::Denied => {
                Error::new(ErrorKind::Unauthorized, error.to_string()).with_source(error)
            }
            _ => failed(error),
        }
    })?;
    Ok(Login {
        status: answer.status,
        identity_token: answer.identity_token,
    })
}

/// Asks a registry what a name means.
pub(crate) async fn distribution(
    context: &Context,
    name: &str,
    credentials: Option<Credentials>,
) -> Result<Distribution> {
    let invalid = |error: porthole_oci::Error| {
        Error::invalid(format!("invalid reference format: {error}")).with_source(error)
    };
    let reference = name.parse::<Reference>().map_err(invalid)?.or_latest();
    let credentials = credentials.unwrap_or_default();
    let inspected = context
        .registries
        .client
        .inspect(&reference, &credentials)
        .await
        .map_err(failed)?;
    Ok(Distribution {
        descriptor: inspected.descriptor,
        platforms: inspected.platforms,
    })
}

/// What is at an address.
pub(crate) async fn download(
    context: &Context,
    address: &str,
) -> Result<BoxStream<'static, Result<Bytes>>> {
    let client = &context.registries.client;
    let pieces = client.download(address).await.map_err(failed)?;
    Ok(pieces.map(|piece| piece.map_err(failed)).boxed())
}

/// A failure of a registry in the engine's terms.
pub(crate) fn failed(error: porthole_distribution::Error) -> Error {
    use porthole_distribution::ErrorKind as Kind;
    let kind = match error.kind() {
        Kind::NotFound | Kind::Denied | Kind::NoMatch => ErrorKind::NotFound,
        Kind::Invalid | Kind::Unsupported => ErrorKind::InvalidParameter,
        _ => ErrorKind::System,
    };
    Error::new(kind, error.to_string()).with_source(error)
}
