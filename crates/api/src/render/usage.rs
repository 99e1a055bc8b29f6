//! How much space everything takes.

use porthole_engine::usage::Usage;
use serde_json::{Value, json};

use super::image;
use super::summary::Row;
use crate::version::ApiVersion;

/// The answer to `GET /system/df`. What was not asked for is null or empty, as dockerd has it; there
/// are no volumes and no build caches yet.
pub(crate) fn usage(usage: &Usage, version: ApiVersion) -> Value {
    let images = usage.images.iter().map(|(summary, shared)| {
        let mut row = image::summary(summary, version);
        row["SharedSize"] = json!(shared);
        row
    });
    let rows: Vec<_> = usage.containers.iter().map(Row::of).collect();
    let mut answer = json!({
        "LayersSize": usage.layers,
        "Images": images.collect::<Value>(),
        "Containers": rows,
        "Volumes": [],
        "BuildCache": [],
    });
    if !version.at_least(42) {
        answer["BuilderSize"] = json!(0);
    }
    answer
}
