//! Images: rows, details, history, removals.

use porthole_engine::image::{HistoryEntry, ImageDetails, ImageSummary, RemovedImage};
use serde_json::{Value, json};

use super::container::config;
use crate::timestamp;
use crate::version::ApiVersion;

/// Adds `VirtualSize`, which versions before 1.44 have beside `Size`.
fn with_virtual_size(mut answer: Value, size: u64, version: ApiVersion) -> Value {
    if !version.at_least(44) {
        answer["VirtualSize"] = json!(size);
    }
    answer
}

/// A row of `GET /images/json`.
pub(crate) fn summary(image: &ImageSummary, version: ApiVersion) -> Value {
    // Not computed is -1, in Docker's way of saying so.
    let shared_size = image.shared_size.map_or(json!(-1), |size| json!(size));
    let answer = json!({
        "Id": image.id,
        "ParentId": image.parent,
        "RepoTags": image.repo_tags,
        "RepoDigests": image.repo_digests,
        "Created": image.created.unix_timestamp(),
        "Size": image.size,
        "SharedSize": shared_size,
        "Labels": image.labels,
        "Containers": image.containers,
    });
    with_virtual_size(answer, image.size, version)
}

/// The answer to `GET /images/{name}/json`.
pub(crate) fn details(image: &ImageDetails, version: ApiVersion) -> Value {
    let answer = json!({
        "Id": image.id,
        "RepoTags": image.repo_tags,
        "RepoDigests": image.repo_digests,
        "Parent": image.parent,
        "Comment": image.comment,
        "Created": timestamp::rfc3339(image.created),
        "DockerVersion": "",
        "Author": image.author,
        "Config": run_config(image),
        "Architecture": image.architecture,
        "Os": image.os,
        "OsVersion": image.os_version,
        "Size": image.size,
        "GraphDriver": { "Name": "overlay", "Data": { "dir": image.directory } },
        "RootFS": { "Type": "layers", "Layers": image.diff_ids },
        "Metadata": { "LastTagTime": timestamp::rfc3339_or_never(image.last_tagged) },
    });
    with_virtual_size(answer, image.size, version)
}

/// What containers of the image run, with what containers themselves do not have.
fn run_config(image: &ImageDetails) -> Value {
    let mut answer = config(&image.config);
    if !image.volumes.is_empty() {
        let volumes = image.volumes.iter().map(|path| (path.clone(), json!({})));
        answer["Volumes"] = Value::Object(volumes.collect());
    }
    if !image.on_build.is_empty() {
        answer["OnBuild"] = json!(image.on_build);
    }
    answer
}

/// The answer to `GET /images/{name}/history`.
pub(crate) fn history(entries: &[HistoryEntry]) -> Value {
    let row = |entry: &HistoryEntry| {
        json!({
            "Id": entry.id,
            "Created": entry.created.unix_timestamp(),
            "CreatedBy": entry.created_by,
            "Tags": if entry.tags.is_empty() { Value::Null } else { json!(entry.tags) },
            "Size": entry.size,
            "Comment": entry.comment,
        })
    };
    entries.iter().map(row).collect()
}

/// The answer to `DELETE /images/{name}`.
pub(crate) fn removed(removed: &[RemovedImage]) -> Value {
    let row = |step: &RemovedImage| match step {
        RemovedImage::Untagged(name) => json!({ "Untagged": name }),
        RemovedImage::Deleted(id) => json!({ "Deleted": id }),
    };
    removed.iter().map(row).collect()
}
