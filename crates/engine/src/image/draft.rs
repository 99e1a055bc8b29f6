//! The configuration of an image that is made here.

use porthole_oci::{Digest, Empty, HistoryEntry, ImageConfig, MAX_LAYERS, RunConfig};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::container::config::ContainerConfig;
use crate::error::{Error, Result};
use crate::image::instruction;

/// What becomes of an image's configuration in the next step.
#[derive(Debug, Clone, Default)]
pub(crate) struct Step {
    /// What containers run.
    pub(crate) config: RunConfig,
    /// Who did it.
    pub(crate) author: String,
    /// In words.
    pub(crate) comment: String,
    /// The command that did it, for the history.
    pub(crate) created_by: String,
    /// The layer that it made.
    pub(crate) diff_id: Option<Digest>,
}

/// The configuration after one more step, as the store keeps it.
pub(crate) fn next(mut before: ImageConfig, step: Step) -> Result<Vec<u8>> {
    let now = OffsetDateTime::now_utc()
        .format(&Rfc3339)
        .map_err(|error| Error::system("cannot write the time").with_source(error))?;
    let some = |text: String| Some(text).filter(|text| !text.is_empty());
    let author = some(step.author);
    before.history.push(HistoryEntry {
        created: Some(now.clone()),
        created_by: some(step.created_by),
        author: author.clone(),
        comment: some(step.comment.clone()),
        empty_layer: step.diff_id.is_none(),
    });
    before.created = Some(now);
    before.author = author;
    before.comment = some(step.comment);
    before.config = step.config;
    before.rootfs.diff_ids.extend(step.diff_id);
    if before.rootfs.diff_ids.len() > MAX_LAYERS {
        return Err(Error::invalid(format!(
            "max depth exceeded: an image has {MAX_LAYERS} layers at most"
        )));
    }
    serde_json::to_vec(&before)
        .map_err(|error| Error::system("cannot write the configuration").with_source(error))
}

/// What an image of this container runs. Volumes and triggers are the image's that it was made from.
pub(crate) fn run_config(
    container: &ContainerConfig,
    image: &RunConfig,
    changes: &[String],
) -> Result<RunConfig> {
    let healthcheck = container.healthcheck.as_ref();
    let healthcheck = healthcheck.map(serde_json::to_value).transpose();
    let ports = container.exposed_ports.iter();
    let mut config = RunConfig {
        user: container.user.clone(),
        exposed_ports: ports.map(|port| (port.to_string(), Empty {})).collect(),
        env: container.env.clone(),
        entrypoint: container.entrypoint.clone(),
        cmd: container.cmd.clone(),
        args_escaped: container.args_escaped,
        volumes: image.volumes.clone(),
        working_dir: container.working_dir.clone(),
        labels: container.labels.clone(),
        stop_signal: container.stop_signal.clone(),
        stop_timeout: container.stop_timeout,
        shell: container.shell.clone(),
        on_build: image.on_build.clone(),
        healthcheck: healthcheck
            .map_err(|error| Error::system("cannot write the health check").with_source(error))?,
    };
    instruction::apply(&mut config, changes)?;
    Ok(config)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_step_adds_a_layer_and_says_who_did_it() {
        let before = ImageConfig {
            os: "windows".to_owned(),
            author: Some("somebody".to_owned()),
            ..ImageConfig::default()
        };
        let step = Step {
            author: "me".to_owned(),
            comment: "installed".to_owned(),
            created_by: "cmd /c setup".to_owned(),
            diff_id: Some(Digest::of(b"x")),
            ..Step::default()
        };
        let bytes = next(before, step.clone()).unwrap();
        let after = ImageConfig::parse(&bytes).unwrap();
        assert_eq!(after.rootfs.diff_ids, [Digest::of(b"x")]);
        assert_eq!(after.author.as_deref(), Some("me"));
        let entry = &after.history[0];
        assert_eq!(entry.created_by.as_deref(), Some("cmd /c setup"));
        assert_eq!(entry.comment.as_deref(), Some("installed"));
        assert!(!entry.empty_layer);
        let mut full = after;
        full.rootfs.diff_ids = vec![Digest::of(b"x"); MAX_LAYERS];
        let error = next(full, step).unwrap_err();
        assert!(error.to_string().starts_with("max depth exceeded"));
    }
}
