//! Listing images.

use std::collections::BTreeMap;

use porthole_store::{Image, Reference};
use time::OffsetDateTime;

use crate::context::Context;
use crate::error::Result;
use crate::filter::Filters;
use crate::image::ImageSummary;
use crate::image::config::{created, names, parent};

const ACCEPTED: &[&str] = &["before", "dangling", "label", "reference", "since", "until"];

/// The images that were asked for, the newest first.
pub(crate) async fn list(
    context: &Context,
    filters: Filters,
    measures_shared: bool,
) -> Result<Vec<ImageSummary>> {
    filters.check(ACCEPTED)?;
    let until = filters.until()?;
    let dangling = filters.boolean("dangling")?;
    let before = created_of(context, &filters, "before").await?;
    let since = created_of(context, &filters, "since").await?;
    let images = context.records.images().await?;
    let wanted = images
        .iter()
        .filter(|image| {
            let nameless = image.tags.is_empty();
            dangling.is_none_or(|wanted| wanted == nameless)
                && filters.matches_labels(&image.config.config.labels)
                && before.is_none_or(|before| created(image) < before)
                && since.is_none_or(|since| created(image) > since)
                && until.is_none_or(|until| created(image) < until)
        })
        .filter_map(|image| summary(image, &filters));
    let mut summaries = summaries(context, wanted);
    if measures_shared {
        let shared = shared_sizes(&images);
        for summary in &mut summaries {
            summary.shared_size = shared.get(&summary.id).copied();
        }
    }
    Ok(summaries)
}

/// Bytes that each image shares with others, by ID.
pub(crate) fn shared_sizes(images: &[Image]) -> BTreeMap<String, u64> {
    let mut users: BTreeMap<_, u32> = BTreeMap::new();
    for layer in images.iter().flat_map(|image| &image.layers) {
        *users.entry(layer.id).or_default() += 1;
    }
    let shared = images.iter().map(|image| {
        let shared = image.layers.iter().filter(|layer| users[&layer.id] > 1);
        let size = shared.map(|layer| layer.size).sum();
        (image.id.to_string(), size)
    });
    shared.collect()
}

/// All of these images, the newest first.
pub(crate) fn all(context: &Context, images: &[Image]) -> Vec<ImageSummary> {
    let none = Filters::none();
    summaries(
        context,
        images.iter().filter_map(|image| summary(image, &none)),
    )
}

/// Counts the containers of each image, and sorts.
fn summaries(context: &Context, images: impl Iterator<Item = ImageSummary>) -> Vec<ImageSummary> {
    let containers = context.containers.all();
    let mut summaries: Vec<ImageSummary> = images.collect();
    for summary in &mut summaries {
        let made_from = |handle: &&std::sync::Arc<crate::container::handle::Handle>| {
            handle.ledger.read().image_id == summary.id
        };
        summary.containers = containers.iter().filter(made_from).count() as u64;
    }
    summaries.sort_by_key(|summary| std::cmp::Reverse(summary.created));
    summaries
}

/// An image with those of its names that the filter `reference` lets through; none when it lets
/// through none.
fn summary(image: &Image, filters: &Filters) -> Option<ImageSummary> {
    let wanted = |name: &&Reference| {
        !filters.has("reference")
            || filters
                .values("reference")
                .iter()
                .any(|pattern| matches(pattern, name))
    };
    let tags: Vec<Reference> = image.tags.iter().filter(wanted).cloned().collect();
    let digests: Vec<Reference> = image.digests.iter().filter(wanted).cloned().collect();
    if filters.has("reference") && tags.is_empty() && digests.is_empty() {
        return None;
    }
    Some(ImageSummary {
        id: image.id.to_string(),
        repo_tags: names(&tags),
        repo_digests: names(&digests),
        created: created(image),
        size: image.size(),
        shared_size: None,
        parent: parent(image),
        labels: image.config.config.labels.clone(),
        containers: 0,
    })
}

/// Against the name with and without its tag, familiar and full.
fn matches(pattern: &str, name: &Reference) -> bool {
    let full = format!("{}/{}", name.domain(), name.path());
    let tag = name.tag().map(|tag| format!("{full}:{tag}"));
    [name.to_string(), name.repository(), full]
        .into_iter()
        .chain(tag)
        .any(|candidate| glob(pattern.as_bytes(), candidate.as_bytes()))
}

/// Shell patterns as Docker has them for names: `*` and `?` do not cross a slash. In the time of
/// pattern times text, for both come from clients: only the last `*` can have to take more, for
/// what one before it matched is then matched best.
fn glob(pattern: &[u8], text: &[u8]) -> bool {
    let (mut at, mut in_text) = (0, 0);
    // The pattern after the last `*`, and the end of what that has taken.
    let mut star = None;
    while in_text < text.len() {
        let byte = text[in_text];
        match pattern.get(at) {
            Some(b'*') => {
                at += 1;
                star = Some((at, in_text));
            }
            Some(wanted) if *wanted == byte || (*wanted == b'?' && byte != b'/') => {
                at += 1;
                in_text += 1;
            }
            _ => match &mut star {
                Some((after, taken)) if text[*taken] != b'/' => {
                    *taken += 1;
                    (at, in_text) = (*after, *taken);
                }
                _ => return false,
            },
        }
    }
    pattern[at..].iter().all(|byte| *byte == b'*')
}

async fn created_of(
    context: &Context,
    filters: &Filters,
    name: &str,
) -> Result<Option<OffsetDateTime>> {
    match filters.values(name).first() {
        None => Ok(None),
        Some(value) => Ok(Some(created(&context.records.find_image(value).await?))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_match_as_shell_patterns() {
        let name: Reference = "porthole/nanoserver:latest".parse().unwrap();
        for (pattern, expected) in [
            ("porthole/nanoserver", true),
            ("porthole/nanoserver:latest", true),
            ("docker.io/porthole/nanoserver", true),
            ("porthole/*", true),
            ("*/nano*:l?test", true),
            ("*", false),
            ("nanoserver", false),
            ("porthole/**r:*", true),
            ("p*e/n*o*r", true),
            ("p*o/n*r", false),
            ("*/nanoserver/*", false),
            ("porthole/nanoserver?latest", true),
            ("porthole?nanoserver", false),
        ] {
            assert_eq!(matches(pattern, &name), expected, "{pattern}");
        }
    }

    #[test]
    fn no_pattern_takes_long() {
        // Tried out one by one, the ways to share out the text would outlast the machine.
        let text = "a".repeat(200);
        let pattern = "a*".repeat(100) + "b";
        assert!(!glob(pattern.as_bytes(), text.as_bytes()));
        assert!(glob(&vec![b'*'; 1 << 20], text.as_bytes()));
    }
}
