//! The networks that there are, and who is in them.

use std::sync::Arc;

use crate::container::record::Container;
use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::filter::Filters;
use crate::network::NetworkRecord;

/// A network and the running containers in it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NetworkDetails {
    /// The network.
    pub network: NetworkRecord,
    /// Containers that have an endpoint in it.
    pub members: Vec<Arc<Container>>,
}

const ACCEPTED: &[&str] = &["dangling", "driver", "id", "label", "name", "scope", "type"];

/// The networks that were asked for, by name.
pub(crate) fn list(context: &Context, filters: &Filters) -> Result<Vec<NetworkRecord>> {
    filters.check(ACCEPTED)?;
    let (ids, names) = (filters.patterns("id")?, filters.patterns("name")?);
    // All of them are built in, and those are never dangling.
    let dangling = filters.boolean("dangling")?.unwrap_or(false);
    for value in filters.values("type") {
        if !matches!(value.as_str(), "builtin" | "custom") {
            return Err(Error::invalid(format!("invalid filter 'type={value}'")));
        }
    }
    let wanted = |network: &NetworkRecord| {
        !dangling
            && filters.allows("type", "builtin")
            && filters.allows("scope", "local")
            && filters.allows("driver", network.driver)
            // None of them has labels.
            && !filters.has("label")
            && (!filters.has("id") || ids.iter().any(|id| id.is_match(&network.id)))
            && (!filters.has("name") || names.iter().any(|name| name.is_match(&network.name)))
    };
    Ok(context.network.list().into_iter().filter(wanted).collect())
}

/// The network that a client names by ID, name, or beginning of an ID.
pub(crate) fn find(context: &Context, name: &str) -> Result<NetworkRecord> {
    let networks = context.network.list();
    let exact = networks
        .iter()
        .find(|network| network.id == name)
        .or_else(|| networks.iter().find(|network| network.name == name));
    if let Some(network) = exact {
        return Ok(network.clone());
    }
    let mut beginning = networks
        .iter()
        .filter(|network| !name.is_empty() && network.id.starts_with(name));
    match (beginning.next(), beginning.next()) {
        (Some(network), None) => Ok(network.clone()),
        (Some(_), Some(_)) => Err(Error::invalid(format!(
            "network {name} is ambiguous: several IDs begin so"
        ))),
        (None, _) => Err(not_found(name)),
    }
}

/// A network and who is in it.
pub(crate) fn details(context: &Context, name: &str) -> Result<NetworkDetails> {
    let network = find(context, name)?;
    let containers = context.containers.all();
    let members = containers
        .iter()
        .map(|handle| handle.ledger.read())
        .filter(|container| {
            let endpoint = container.endpoint.as_ref();
            endpoint.is_some_and(|endpoint| endpoint.network_id == network.id)
        })
        .collect();
    Ok(NetworkDetails { network, members })
}

/// Removes a network: none that there is can be.
pub(crate) fn remove(context: &Context, name: &str) -> Result<()> {
    let network = find(context, name)?;
    Err(Error::new(
        ErrorKind::Forbidden,
        format!(
            "{} is a pre-defined network and cannot be removed",
            network.name
        ),
    ))
}

/// Docker's sentence.
pub(crate) fn not_found(name: &str) -> Error {
    Error::new(ErrorKind::NotFound, format!("network {name} not found"))
}
