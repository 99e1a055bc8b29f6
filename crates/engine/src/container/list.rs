//! Listing containers.

use std::collections::BTreeSet;
use std::sync::Arc;

use regex_lite::Regex;
use time::OffsetDateTime;

use crate::container::record::Container;
use crate::container::size::{self, Size};
use crate::container::state::Phase;
use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::filter::Filters;
use crate::text;

/// Which containers are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListContainers {
    /// Also those that do not run.
    pub all: bool,
    /// At most so many of the newest, running or not.
    pub limit: Option<usize>,
    /// With their sizes.
    pub size: bool,
    /// Filters.
    pub filters: Filters,
}

/// A container in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerSummary {
    /// The container.
    pub container: Arc<Container>,
    /// The image as it is best named now: what the client gave, or the ID when that name has moved.
    pub image: String,
    /// Docker's sentence, for example `Exited (3) 5 minutes ago`.
    pub status: String,
    /// Its size, where it was asked for and could be measured.
    pub size: Option<Size>,
}

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

const STATUSES: &[&str] = &[
    "created",
    "dead",
    "exited",
    "paused",
    "removing",
    "restarting",
    "running",
];

/// The containers that were asked for, the newest first.
pub(crate) async fn list(
    context: &Context,
    options: ListContainers,
) -> Result<Vec<ContainerSummary>> {
    let selection = Selection::new(context, &options).await?;
    let mut containers: Vec<Arc<Container>> = context
        .containers
        .all()
        .iter()
        .map(|handle| handle.ledger.read())
        .collect();
    containers.sort_by(|a, b| b.created.cmp(&a.created).then_with(|| a.id.cmp(&b.id)));
    let wanted = containers
        .into_iter()
        .filter(|container| selection.includes(container));
    let limit = options.limit.unwrap_or(usize::MAX);
    let wanted: Vec<Arc<Container>> = wanted.take(limit).collect();
    let names = ImageNames::new(context, !wanted.is_empty()).await?;
    let now = OffsetDateTime::now_utc();
    let mut summaries = Vec::with_capacity(wanted.len());
    for container in wanted {
        summaries.push(ContainerSummary {
            image: names.of(&container),
            status: status(&container, now),
            size: if options.size {
                size(context, &container.id).await
            } else {
                None
            },
            container,
        });
    }
    Ok(summaries)
}

/// The size of a container. One that cannot be measured, for it has just been removed or means to be
/// hard to measure, does not spoil the list.
async fn size(context: &Context, id: &str) -> Option<Size> {
    size::measure(context, id)
        .await
        .inspect_err(|error| tracing::warn!(container = id, %error, "cannot measure the container"))
        .ok()
}

/// Docker's sentence about a container's state.
fn status(container: &Container, now: OffsetDateTime) -> String {
    let state = &container.state;
    let since = |time: Option<OffsetDateTime>| text::duration(now - time.unwrap_or(now));
    match (state.phase, state.started_at) {
        (Phase::Running, _) => format!("Up {}", since(state.started_at)),
        (Phase::Removing, _) => "Removal In Progress".to_owned(),
        (Phase::Dead, _) => "Dead".to_owned(),
        (_, None) => "Created".to_owned(),
        (_, Some(_)) => format!(
            "Exited ({}) {} ago",
            state.exit_code,
            since(state.finished_at)
        ),
    }
}

/// Which image names still name which image.
struct ImageNames(BTreeSet<(String, String)>);

impl ImageNames {
    async fn new(context: &Context, needed: bool) -> Result<Self> {
        let images = if needed {
            context.records.images().await?
        } else {
            Vec::new()
        };
        let names = images.iter().flat_map(|image| {
            image
                .tags
                .iter()
                .map(|tag| (tag.to_string(), image.id.to_string()))
        });
        Ok(Self(names.collect()))
    }

    fn of(&self, container: &Container) -> String {
        let (name, id) = (&container.config.image, &container.image_id);
        let full = name
            .parse::<porthole_store::Reference>()
            .map(|name| name.or_latest().to_string());
        match full {
            Ok(full) if self.0.contains(&(full.clone(), id.clone())) => name.clone(),
            // An ID names itself.
            _ if id
                .trim_start_matches("sha256:")
                .starts_with(name.trim_start_matches("sha256:")) =>
            {
                name.clone()
            }
            _ => id.clone(),
        }
    }
}

/// Filters, checked and looked up.
struct Selection {
    filters: Filters,
    /// Also those that do not run.
    all: bool,
    exited: Vec<u32>,
    names: Vec<Regex>,
    ancestors: Vec<String>,
    before: Option<OffsetDateTime>,
    since: Option<OffsetDateTime>,
}

impl Selection {
    async fn new(context: &Context, options: &ListContainers) -> Result<Self> {
        let filters = options.filters.clone();
        filters.check(ACCEPTED)?;
        let exited = filters
            .values("exited")
            .iter()
            .map(|value| exit_code(value));
        let exited = exited.collect::<Result<Vec<u32>>>()?;
        if let Some(wrong) = filters
            .values("status")
            .iter()
            .find(|value| !STATUSES.contains(&value.as_str()))
        {
            return Err(Error::invalid(format!(
                "invalid filter 'status={wrong}': invalid value for state ({wrong}): must be one of {}",
                STATUSES.join(", ")
            )));
        }
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
            filters,
        })
    }

    fn includes(&self, container: &Container) -> bool {
        let state = &container.state;
        let filters = &self.filters;
        (self.all || state.is_running())
            && self.matches_names(container)
            && filters.matches_labels(&container.config.labels)
            && filters.allows("status", state.status())
            && filters.allows("isolation", &container.host.isolation)
            && filters.allows("health", "none")
            && (self.exited.is_empty()
                || (state.phase == Phase::Exited && self.exited.contains(&state.exit_code)))
            && (!filters.has("ancestor") || self.ancestors.contains(&container.image_id))
            && self.before.is_none_or(|before| container.created < before)
            && self.since.is_none_or(|since| container.created > since)
            && filters.allows("is-task", "false")
            && self.matches_ports(container)
            && self.matches_mounts(container)
            && (!filters.has("network") || filters.allows("network", container.network_name()))
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

    fn matches_ports(&self, container: &Container) -> bool {
        let is = |value: &str, port: &dyn ToString| {
            let port = port.to_string();
            port == value || port.strip_suffix("/tcp") == Some(value)
        };
        self.any("expose", &|value| {
            container
                .config
                .exposed_ports
                .iter()
                .any(|port| is(value, port))
        }) && self.any("publish", &|value| {
            container
                .host
                .port_bindings
                .keys()
                .any(|port| is(value, port))
        })
    }

    fn matches_mounts(&self, container: &Container) -> bool {
        self.any("volume", &|value| {
            container
                .mounts
                .iter()
                .any(|mount| mount.destination == value || mount.source.as_os_str() == value)
        })
    }
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
}
