//! What registries answer.

use porthole_engine::image::registry::{Distribution, SearchResult};
use serde_json::{Value, json};

/// The answer to `GET /images/search`.
pub(crate) fn results(results: &[SearchResult]) -> Value {
    let row = |result: &SearchResult| {
        json!({
            "name": result.name,
            "description": result.description,
            "star_count": result.star_count,
            "is_official": result.is_official,
            "is_automated": result.is_automated,
        })
    };
    results.iter().map(row).collect()
}

/// The answer to `GET /distribution/{name}/json`.
pub(crate) fn distribution(found: &Distribution) -> Value {
    let descriptor = &found.descriptor;
    json!({
        "Descriptor": {
            "mediaType": descriptor.media_type,
            "digest": descriptor.digest.to_string(),
            "size": descriptor.size,
        },
        "Platforms": found.platforms,
    })
}
