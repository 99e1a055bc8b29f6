//! Removing images that nothing uses.

use std::collections::BTreeMap;

use crate::context::Context;
use crate::error::{ErrorKind, Result};
use crate::event::ObjectKind;
use crate::filter::Filters;
use crate::image::config::created;
use crate::image::{RemovedImage, remove};
use crate::pruned::{Pruned, publish};

const ACCEPTED: &[&str] = &["dangling", "label", "label!", "until"];

/// Removes the images that no container is made from and that the filters let through: those
/// without a name, and with `dangling=false` all.
pub(crate) async fn prune(context: &Context, filters: &Filters) -> Result<Pruned<RemovedImage>> {
    filters.check(ACCEPTED)?;
    let until = filters.until()?;
    let nameless_only = filters.boolean("dangling")?.unwrap_or(true);
    let images = context.records.images().await?;
    let sizes: BTreeMap<String, u64> = images
        .iter()
        .flat_map(|image| &image.layers)
        .map(|layer| (format!("sha256:{}", layer.id), layer.size))
        .collect();
    let mut pruned = Pruned {
        removed: Vec::new(),
        reclaimed: 0,
    };
    for image in &images {
        let chosen = (!nameless_only || image.tags.is_empty())
            && until.is_none_or(|until| created(image) < until)
            && filters.prunes_labels(&image.config.config.labels)
            && remove::users(context, image).is_empty()
            && !remove::has_children(context, image).await?;
        if !chosen {
            continue;
        }
        match remove::delete(context, image, Vec::new()).await {
            Ok(removed) => pruned.removed.extend(removed),
            // A container has been made from it meanwhile, or somebody has removed it.
            Err(error) if matches!(error.kind(), ErrorKind::Conflict | ErrorKind::NotFound) => {}
            Err(error) => return Err(error),
        }
    }
    pruned.reclaimed = pruned
        .removed
        .iter()
        .filter_map(|removed| match removed {
            RemovedImage::Deleted(id) => sizes.get(id),
            RemovedImage::Untagged(_) => None,
        })
        .sum();
    publish(context, ObjectKind::Image, pruned.reclaimed);
    Ok(pruned)
}
