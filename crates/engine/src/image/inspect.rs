//! Looking at an image.

use porthole_store::Image;
use time::OffsetDateTime;

use crate::image::config::{created, names, run_config, timestamp};
use crate::image::{HistoryEntry, ImageDetails};

/// Everything about an image.
pub(crate) fn details(image: &Image) -> ImageDetails {
    let config = &image.config;
    ImageDetails {
        id: image.id.to_string(),
        repo_tags: names(&image.tags),
        repo_digests: names(&image.digests),
        created: created(image),
        author: config.author.clone().unwrap_or_default(),
        comment: config.comment.clone().unwrap_or_default(),
        architecture: config.architecture.clone(),
        os: config.os.clone(),
        os_version: config.os_version.clone().unwrap_or_default(),
        size: image.size(),
        config: run_config(&config.config),
        diff_ids: image
            .layers
            .iter()
            .map(|layer| layer.diff_id.to_string())
            .collect(),
        directory: image
            .layers
            .last()
            .map(|layer| layer.directory.display().to_string())
            .unwrap_or_default(),
    }
}

/// An image's history, the newest step first. An image without one has a step for each layer.
pub(crate) fn history(image: &Image) -> Vec<HistoryEntry> {
    let mut sizes = image.layers.iter().map(|layer| layer.size);
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
    if let Some(newest) = steps.first_mut() {
        newest.id = image.id.to_string();
        newest.tags = names(&image.tags);
    }
    steps
}
