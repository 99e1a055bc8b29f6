//! Removing images that nothing uses.

use std::collections::BTreeMap;

use porthole_oci::{ImageId, MicrosoftKind};
use porthole_store::Image;

use crate::context::Context;
use crate::error::{ErrorKind, Result};
use crate::event::ObjectKind;
use crate::filter::Filters;
use crate::image::config::created;
use crate::image::{RemovedImage, base, remove};
use crate::pruned::{Pruned, publish};

const ACCEPTED: &[&str] = &["dangling", "label", "label!", "until"];

/// Removes the images that no container is made from, no image stands on and that the filters let
/// through: those without a name, and with `dangling=false` all.
pub(crate) async fn prune(context: &Context, filters: &Filters) -> Result<Pruned<RemovedImage>> {
    filters.check(ACCEPTED)?;
    let until = filters.until()?;
    let nameless_only = filters.boolean("dangling")?.unwrap_or(true);
    let images = context.records.images().await?;
    let bases = bases(context, &images).await?;
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
            && !bases.contains(&image.id)
            && filters.prunes_labels(&image.config.config.labels)
            && remove::users(context, image).is_empty()
            && !remove::has_children(context, image).await?;
        if !chosen {
            continue;
        }
        match remove::delete(context, image, false, Vec::new()).await {
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

/// The bases of ours that images stand on in the place of Microsoft's.
async fn bases(context: &Context, images: &[Image]) -> Result<Vec<ImageId>> {
    let kinds = images.iter().filter_map(|image| image.base.as_ref());
    let kinds: Vec<_> = kinds.map(|base| base.kind).collect();
    let records = &context.records;
    let found = records.work(move |store| {
        let mut found = Vec::new();
        for kind in [MicrosoftKind::Nanoserver, MicrosoftKind::Servercore] {
            if kinds.contains(&kind) {
                found.extend(base::installed(store, kind)?.map(|image| image.id));
            }
        }
        Ok(found)
    });
    found.await
}
