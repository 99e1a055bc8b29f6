//! Removing an image or one of its names.

use std::sync::Arc;

use porthole_store::{Image, Reference};

use crate::container::record::Container;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::image::{RemoveImage, RemovedImage, publish};

/// Removes what `name` names: a name, and with its last name the image; or an image by its ID.
pub(crate) async fn remove(
    context: &Context,
    name: &str,
    options: RemoveImage,
) -> Result<Vec<RemovedImage>> {
    let image = context.records.find_image(name).await?;
    if is_beginning_of_id(&image, name) {
        return remove_by_id(context, &image, options).await;
    }
    let reference: Reference =
        name.parse()
            .map(Reference::or_latest)
            .map_err(|error: porthole_oci::Error| {
                Error::invalid(error.to_string()).with_source(error)
            })?;
    remove_name(context, &image, name, &reference, options).await
}

async fn remove_by_id(
    context: &Context,
    image: &Image,
    options: RemoveImage,
) -> Result<Vec<RemovedImage>> {
    if repositories(image) > 1 && !options.force {
        let reason = "image is referenced in multiple repositories";
        return Err(conflict(image, "must be forced", reason));
    }
    check_use(context, image, options.force)?;
    delete(context, image, Vec::new()).await
}

/// Removes a name; with its last name an image goes that nothing uses.
async fn remove_name(
    context: &Context,
    image: &Image,
    given: &str,
    reference: &Reference,
    options: RemoveImage,
) -> Result<Vec<RemovedImage>> {
    let users = users(context, image);
    if image.tags.len() + image.digests.len() == 1 {
        match users.first() {
            None => return delete(context, image, Vec::new()).await,
            Some(user) if !options.force => {
                return Err(Error::conflict(format!(
                    "conflict: unable to remove repository reference \"{given}\" (must force) - container {} is \
                     using its referenced image {}",
                    short(&user.id),
                    image.id.short()
                )));
            }
            Some(_) => {}
        }
    }
    let untagged = context.records.untag(reference.clone()).await?;
    publish(context, image, "untag", &reference.to_string());
    let removed = vec![RemovedImage::Untagged(reference.to_string())];
    if untagged.remaining == 0 && !users.iter().any(|user| user.state.is_active()) {
        return delete(context, image, removed).await;
    }
    Ok(removed)
}

/// Deletes an image with all its names and the layers that nothing else needs.
pub(crate) async fn delete(
    context: &Context,
    image: &Image,
    mut removed: Vec<RemovedImage>,
) -> Result<Vec<RemovedImage>> {
    let gone = context.records.remove_image(image.id).await?;
    for name in &gone.names {
        publish(context, image, "untag", &name.to_string());
        removed.push(RemovedImage::Untagged(name.to_string()));
    }
    publish(context, image, "delete", &image.id.to_string());
    removed.push(RemovedImage::Deleted(image.id.to_string()));
    let layers = gone
        .layers
        .iter()
        .map(|layer| RemovedImage::Deleted(format!("sha256:{layer}")));
    removed.extend(layers);
    Ok(removed)
}

/// Running containers forbid the removal, stopped ones unless it is forced.
fn check_use(context: &Context, image: &Image, force: bool) -> Result<()> {
    let users = users(context, image);
    if let Some(user) = users.iter().find(|user| user.state.is_active()) {
        let reason = format!(
            "image is being used by running container {}",
            short(&user.id)
        );
        return Err(conflict(image, "cannot be forced", &reason));
    }
    match users.first() {
        Some(user) if !force => {
            let reason = format!(
                "image is being used by stopped container {}",
                short(&user.id)
            );
            Err(conflict(image, "must be forced", &reason))
        }
        _ => Ok(()),
    }
}

/// The containers that are made from an image.
pub(crate) fn users(context: &Context, image: &Image) -> Vec<Arc<Container>> {
    let id = image.id.to_string();
    let containers = context.containers.all();
    let records = containers.iter().map(|handle| handle.ledger.read());
    records
        .filter(|container| container.image_id == id)
        .collect()
}

fn conflict(image: &Image, force: &str, reason: &str) -> Error {
    Error::conflict(format!(
        "conflict: unable to delete {} ({force}) - {reason}",
        image.id.short()
    ))
}

fn repositories(image: &Image) -> usize {
    let names = image
        .tags
        .iter()
        .chain(&image.digests)
        .map(Reference::repository);
    // Two tags of one repository are two names all the same.
    image
        .tags
        .len()
        .max(names.collect::<std::collections::BTreeSet<_>>().len())
}

fn is_beginning_of_id(image: &Image, name: &str) -> bool {
    let id = image.id.to_string();
    id.starts_with(name) || id.trim_start_matches("sha256:").starts_with(name)
}

fn short(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}
