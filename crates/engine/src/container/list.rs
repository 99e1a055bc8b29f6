//! Listing containers.

use std::collections::BTreeSet;
use std::sync::Arc;

use time::OffsetDateTime;

use crate::container::record::Container;
use crate::container::selection::Selection;
use crate::container::size::{self, Size};
use crate::container::state::{Phase, State};
use crate::context::Context;
use crate::error::Result;
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
        (Phase::Running, _) => format!("Up {}{}", since(state.started_at), health(state)),
        (Phase::Paused, _) => format!("Up {} (Paused)", since(state.started_at)),
        (Phase::Restarting, _) => format!(
            "Restarting ({}) {} ago",
            state.exit_code,
            since(state.finished_at)
        ),
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

/// Docker's remark about the health of a container that runs.
fn health(state: &State) -> String {
    match state.health_name() {
        "none" => String::new(),
        "starting" => " (health: starting)".to_owned(),
        known => format!(" ({known})"),
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
