//! An image's configuration in the engine's terms.

use porthole_store::{Image, RunConfig};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::container::config::ContainerConfig;
use crate::container::health::HealthCheck;

/// The label that names the Wine build that an image's base was made from.
pub(crate) const WINE_BUILD: &str = "io.porthole.wine-build";

/// What a container of the image runs. Ports that are no ports are left out, and so is a health check
/// that is none.
pub(crate) fn run_config(config: &RunConfig) -> ContainerConfig {
    ContainerConfig {
        user: config.user.clone(),
        env: config.env.clone(),
        cmd: config.cmd.clone(),
        entrypoint: config.entrypoint.clone(),
        args_escaped: config.args_escaped,
        working_dir: config.working_dir.clone(),
        labels: config.labels.clone(),
        exposed_ports: config
            .exposed_ports
            .keys()
            .filter_map(|port| port.parse().ok())
            .collect(),
        stop_signal: config.stop_signal.clone(),
        stop_timeout: config.stop_timeout,
        healthcheck: healthcheck(config),
        shell: config.shell.clone(),
        ..ContainerConfig::default()
    }
}

fn healthcheck(config: &RunConfig) -> Option<HealthCheck> {
    let check: HealthCheck = serde_json::from_value(config.healthcheck.clone()?).ok()?;
    check.check(&config.shell).is_ok().then_some(check)
}

/// When an image was made, as it says; else when it came into the store.
pub(crate) fn created(image: &Image) -> OffsetDateTime {
    let said = image.config.created.as_deref().and_then(timestamp);
    said.unwrap_or_else(|| {
        OffsetDateTime::from_unix_timestamp_nanos(image.imported.into())
            .unwrap_or(OffsetDateTime::UNIX_EPOCH)
    })
}

/// The image that another was made from here; empty for none.
pub(crate) fn parent(image: &Image) -> String {
    let parent = image.parent.map(|parent| parent.to_string());
    parent.unwrap_or_default()
}

/// A point in time as images write it.
pub(crate) fn timestamp(text: &str) -> Option<OffsetDateTime> {
    OffsetDateTime::parse(text, &Rfc3339).ok()
}

/// Names as Docker shows them.
pub(crate) fn names(references: &[porthole_store::Reference]) -> Vec<String> {
    references.iter().map(ToString::to_string).collect()
}
