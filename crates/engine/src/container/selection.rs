//! Which containers a list holds: Docker's filters.

use std::ops::RangeInclusive;

use regex_lite::Regex;
use time::OffsetDateTime;

use crate::container::config::{Port, Transport};
use crate::container::list::ListContainers;
use crate::container::record::Container;
use crate::container::state::Phase;
use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::filter::Filters;

const ACCEPTED: &[&str] = &[
    "ancestor",
    "before",
    "exited",
    "expose",
    "health",
    "id",
    "is-task",
    "isolation",
    "label",
    "name",
    "network",
    "publish",
    "since",
    "status",
    "volume",
];

/// Filters whose values are words of a list.
const WORDS: &[(&str, &[&str])] = &[
    (
        "status",
        &[
            "created",
            "dead",
            "exited",
            "paused",
            "removing",
            "restarting",
            "running",
        ],
    ),
    ("health", &["healthy", "none", "starting", "unhealthy"]),
];

/// Filters, checked and looked up.
pub(crate) struct Selection {
    filters: Filters,
    /// Also those that do not run.
    all: bool,
    exited: Vec<u32>,
    names: Vec<Regex>,
    ancestors: Vec<String>,
    before: Option<OffsetDateTime>,
    since: Option<OffsetDateTime>,
    exposed: Vec<PortRange>,
    published: Vec<PortRange>,
    /// Names of the networks that were named by name or ID.
    networks: Vec<String>,
    is_task: Option<bool>,
}

impl Selection {
    /// The selection of a list.
    pub(crate) async fn new(context: &Context, options: &ListContainers) -> Result<Self> {
        let filters = options.filters.clone();
        filters.check(ACCEPTED)?;
        check_words(&filters)?;
        let exited = filters.values("exited").iter();
        let exited = exited
            .map(|value| exit_code(value))
            .collect::<Result<_>>()?;
        Ok(Self {
            all: options.all
                || options.limit.is_some()
                || filters.has("status")
                || filters.has("exited"),
            exited,
            names: filters.patterns("name")?,
            ancestors: ancestors(context, &filters).await?,
            before: created(context, &filters, "before")?,
            since: created(context, &filters, "since")?,
            exposed: port_ranges(&filters, "expose")?,
            published: port_ranges(&filters, "publish")?,
            networks: networks(context, &filters),
            is_task: filters.boolean("is-task")?,
            filters,
        })
    }

    /// Whether the list holds a container.
    pub(crate) fn includes(&self, container: &Container) -> bool {
        let state = &container.state;
        let filters = &self.filters;
        (self.all || state.is_up())
            && self.matches_names(container)
            && filters.matches_labels(&container.config.labels)
            && filters.allows("status", state.status())
            && filters.allows("isolation", &container.host.isolation)
            && filters.allows("health", state.health_name())
            && (self.exited.is_empty()
                || (state.phase == Phase::Exited && self.exited.contains(&state.exit_code)))
            && (!filters.has("ancestor") || self.ancestors.contains(&container.image_id))
            && self.before.is_none_or(|before| container.created < before)
            && self.since.is_none_or(|since| container.created > since)
            && self.is_task != Some(true)
            && self.matches_ports(container)
            && self.matches_mounts(container)
            && self.matches_network(container)
    }

    fn matches_names(&self, container: &Container) -> bool {
        let named = |pattern: &Regex| name_matches(pattern, &container.name);
        self.any("id", &|id| container.id.starts_with(id))
            && (!self.filters.has("name") || self.names.iter().any(named))
    }

    /// Whether any value of the filter matches; true when the filter is not there.
    fn any(&self, filter: &str, matches: &dyn Fn(&str) -> bool) -> bool {
        let mut values = self.filters.values(filter).iter();
        !self.filters.has(filter) || values.any(|value| matches(value))
    }

    /// Exposed are ports of the container, published are ports of the host, while it runs.
    fn matches_ports(&self, container: &Container) -> bool {
        let mut exposed = container.config.exposed_ports.iter();
        let exposes = !self.filters.has("expose")
            || exposed.any(|port| self.exposed.iter().any(|range| range.contains(*port)));
        let mut bound = container
            .endpoint
            .iter()
            .flat_map(|endpoint| &endpoint.ports);
        let publishes = !self.filters.has("publish")
            || bound.any(|bound| {
                let port = Port {
                    number: bound.host_port,
                    protocol: bound.container.protocol,
                };
                self.published.iter().any(|range| range.contains(port))
            });
        exposes && publishes
    }

    fn matches_mounts(&self, container: &Container) -> bool {
        self.any("volume", &|value| {
            container
                .mounts
                .iter()
                .any(|mount| mount.destination == value || mount.source.as_os_str() == value)
        })
    }

    fn matches_network(&self, container: &Container) -> bool {
        let name = container.network_name();
        !self.filters.has("network") || self.networks.iter().any(|network| network == name)
    }
}

fn check_words(filters: &Filters) -> Result<()> {
    for (name, words) in WORDS {
        let mut values = filters.values(name).iter();
        if let Some(wrong) = values.find(|value| !words.contains(&value.as_str())) {
            return Err(Error::invalid(format!(
                "invalid filter '{name}={wrong}': must be one of {}",
                words.join(", ")
            )));
        }
    }
    Ok(())
}

/// Ports as filters give them: `80`, `80/udp`, `8000-8080/tcp`.
#[derive(Debug, PartialEq, Eq)]
struct PortRange {
    numbers: RangeInclusive<u16>,
    protocol: Transport,
}

impl PortRange {
    fn parse(text: &str) -> Option<Self> {
        let (numbers, protocol) = text.split_once('/').unwrap_or((text, "tcp"));
        let (first, last) = numbers.split_once('-').unwrap_or((numbers, numbers));
        let port = |number: &str| format!("{number}/{protocol}").parse::<Port>().ok();
        let (first, last) = (port(first)?, port(last)?);
        (first <= last).then_some(Self {
            numbers: first.number..=last.number,
            protocol: first.protocol,
        })
    }

    fn contains(&self, port: Port) -> bool {
        self.protocol == port.protocol && self.numbers.contains(&port.number)
    }
}

fn port_ranges(filters: &Filters, name: &str) -> Result<Vec<PortRange>> {
    let ranges = filters.values(name).iter().map(|value| {
        PortRange::parse(value).ok_or_else(|| {
            Error::invalid(format!(
                "invalid filter '{name}={value}': a port is 80, 80/tcp or 8000-8080/tcp"
            ))
        })
    });
    ranges.collect()
}

/// Names of the networks that the filter names; a network that is not there has no container.
fn networks(context: &Context, filters: &Filters) -> Vec<String> {
    let wanted = filters.values("network");
    let networks = context.network.list().into_iter();
    networks
        .filter(|network| wanted.contains(&network.name) || wanted.contains(&network.id))
        .map(|network| network.name)
        .collect()
}

/// Docker matches names anywhere, both with their leading slash and without it.
fn name_matches(pattern: &Regex, name: &str) -> bool {
    pattern.is_match(name) || pattern.is_match(&format!("/{name}"))
}

/// An exit code as a filter gives it: also negative, as Windows programs give theirs.
#[expect(
    clippy::cast_sign_loss,
    reason = "the same 32 bits, seen as Windows shows them"
)]
fn exit_code(value: &str) -> Result<u32> {
    let signed = || value.parse::<i32>().map(|code| code as u32);
    value.parse::<u32>().or_else(|_| signed()).map_err(|error| {
        Error::invalid(format!("invalid filter 'exited={value}'")).with_source(error)
    })
}

/// IDs of the images that the filter names; names of none are left out.
async fn ancestors(context: &Context, filters: &Filters) -> Result<Vec<String>> {
    let mut ids = Vec::new();
    for name in filters.values("ancestor") {
        match context.records.find_image(name).await {
            Ok(image) => ids.push(image.id.to_string()),
            Err(error) if error.kind() == ErrorKind::System => return Err(error),
            Err(_) => {}
        }
    }
    Ok(ids)
}

/// When the container was created that the filter names.
fn created(context: &Context, filters: &Filters, name: &str) -> Result<Option<OffsetDateTime>> {
    let first = filters.values(name).first();
    first
        .map(|value| {
            context
                .containers
                .find(value)
                .map(|handle| handle.ledger.read().created)
        })
        .transpose()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_match_anywhere_unless_anchored() {
        for (pattern, expected) in [
            ("eb", true),
            ("^/web$", true),
            ("^web$", true),
            ("^eb", false),
            ("we$", false),
            ("/web", true),
            ("^(web|db)$", true),
            ("^/?w.b", true),
            ("w[0-9]", false),
        ] {
            let regex = Regex::new(pattern).unwrap();
            assert_eq!(name_matches(&regex, "web"), expected, "{pattern}");
        }
        let wrong = Filters([("name".to_owned(), vec!["(".to_owned()])].into());
        let error = wrong.patterns("name").unwrap_err();
        assert_eq!(error.kind(), ErrorKind::InvalidParameter);
    }

    #[test]
    fn exit_codes_are_read_as_windows_shows_them() {
        assert_eq!(exit_code("3221225786").unwrap(), 0xc000_013a);
        assert_eq!(exit_code("-1073741510").unwrap(), 0xc000_013a);
        assert!(exit_code("x").is_err());
    }

    #[test]
    fn ports_are_given_alone_or_in_ranges() {
        let holds = |range: &str, port: &str| {
            PortRange::parse(range)
                .unwrap()
                .contains(port.parse().unwrap())
        };
        assert!(holds("80", "80/tcp") && !holds("80", "80/udp"));
        assert!(holds("8000-8080/udp", "8080/udp") && !holds("8000-8080", "8081/tcp"));
        for wrong in ["", "x", "8080:80", "9-8", "80/sctp", "1-70000"] {
            assert_eq!(PortRange::parse(wrong), None, "{wrong}");
        }
    }
}
