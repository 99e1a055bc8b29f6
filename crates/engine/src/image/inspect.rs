//! Looking at an image.

use porthole_store::Image;
use time::OffsetDateTime;

use crate::image::config::{created, names, parent, run_config, timestamp};
use crate::image::{HistoryEntry, ImageDetails};

/// Everything about an image.
pub(crate) fn details(image: &Image, last_tagged: Option<i64>) -> ImageDetails {
    let config = &image.config;
    ImageDetails {
        id: image.id.to_string(),
        repo_tags: names(&image.tags),
        repo_digests: names(&image.digests),
        created: created(image),
        author: config.author.clone().unwrap_or_default(),
        comment: config.comment.clone().unwrap_or_default(),
        parent: parent(image),
        architecture: config.architecture.clone(),
        os: config.os.clone(),
        os_version: config.os_version.clone().unwrap_or_default(),
        size: image.size(),
        config: run_config(&config.config),
        volumes: config.config.volumes.keys().cloned().collect(),
        on_build: config.config.on_build.clone(),
        diff_ids: config
            .rootfs
            .diff_ids
            .iter()
            .map(ToString::to_string)
            .collect(),
        directory: image
            .layers
            .last()
            .map(|layer| layer.directory.display().to_string())
            .unwrap_or_default(),
        last_tagged: last_tagged
            .and_then(|time| OffsetDateTime::from_unix_timestamp_nanos(time.into()).ok()),
    }
}

/// An image's history, the newest step first. An image without one has a step for each layer.
/// `ancestors` are the images that it was made from here, the nearest first.
pub(crate) fn history(image: &Image, ancestors: &[Image]) -> Vec<HistoryEntry> {
    // Layers of a base that is not here take no room.
    let below = image.base.iter().flat_map(|base| &base.layers).map(|_| 0);
    let mut sizes = below.chain(image.layers.iter().map(|layer| layer.size));
    let step = |created, created_by, comment, size| HistoryEntry {
        id: "<missing>".to_owned(),
        created,
        created_by,
        tags: Vec::new(),
        size,
        comment,
    };
    let mut steps: Vec<HistoryEntry> = image
        .config
        .history
        .iter()
        .map(|entry| {
            let size = if entry.empty_layer {
                0
            } else {
                sizes.next().unwrap_or_default()
            };
            let created = entry.created.as_deref().and_then(timestamp);
            let text = |text: &Option<String>| text.clone().unwrap_or_default();
            step(
                created.unwrap_or(OffsetDateTime::UNIX_EPOCH),
                text(&entry.created_by),
                text(&entry.comment),
                size,
            )
        })
        .collect();
    steps.extend(sizes.map(|size| step(created(image), String::new(), String::new(), size)));
    steps.reverse();
    for (step, image) in steps
        .iter_mut()
        .zip(std::iter::once(image).chain(ancestors))
    {
        step.id = image.id.to_string();
        step.tags = names(&image.tags);
    }
    steps
}
