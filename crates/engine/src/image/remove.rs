//! Removing an image or one of its names.

use std::collections::BTreeSet;
use std::sync::Arc;

use porthole_store::{Image, Reference};

use crate::container::record::Container;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::image::{RemoveImage, RemovedImage, publish};
use crate::records::stored;

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
    if !is_single_reference(image) && !options.force {
        let reason = "image is referenced in multiple repositories";
        return Err(conflict(image, "must be forced", reason));
    }
    check_use(context, image, options.force)?;
    if has_children(context, image).await? {
        let reason = "image has dependent child images";
        return Err(conflict(image, "cannot be forced", reason));
    }
    delete(context, image, options.force, Vec::new()).await
}

/// Removes a name, and with the last tag of a repository the names by digest that it had there. With
/// its last name an image goes that nothing uses and nothing was made of.
async fn remove_name(
    context: &Context,
    image: &Image,
    given: &str,
    reference: &Reference,
    options: RemoveImage,
) -> Result<Vec<RemovedImage>> {
    let users = users(context, image);
    if is_single_reference(image)
        && !options.force
        && let Some(user) = users.first()
    {
        return Err(Error::conflict(format!(
            "conflict: unable to remove repository reference \"{given}\" (must force) - container {} is \
             using its referenced image {}",
            short(&user.id),
            image.id.short()
        )));
    }
    let mut removed = Vec::new();
    let mut remaining = usize::MAX;
    for name in names_that_go(image, reference) {
        remaining = context.records.untag(name.clone()).await?.remaining;
        publish(context, image, "untag", &name.to_string());
        removed.push(RemovedImage::Untagged(name.to_string()));
    }
    let is_free = remaining == 0
        && !users.iter().any(|user| user.state.is_active())
        && (options.force || users.is_empty());
    if is_free && !has_children(context, image).await? {
        return delete(context, image, options.force, removed).await;
    }
    Ok(removed)
}

/// The name, and those by digest in its repository when no other tag is left there.
fn names_that_go(image: &Image, reference: &Reference) -> Vec<Reference> {
    let is_there = |name: &&Reference| name.repository() == reference.repository();
    let other_tags = image.tags.iter().filter(|name| *name != reference);
    let keeps_digests =
        reference.digest().is_some() || other_tags.clone().any(|name| is_there(&name));
    let mut names = vec![reference.clone()];
    if !keeps_digests {
        names.extend(image.digests.iter().filter(is_there).cloned());
    }
    names
}

/// Whether images were made of it here.
pub(crate) async fn has_children(context: &Context, image: &Image) -> Result<bool> {
    let id = image.id;
    let records = &context.records;
    let children = records.work(move |store| store.children(id).map_err(stored));
    Ok(!children.await?.is_empty())
}

/// Deletes an image with all its names and the layers that nothing else needs; without `force` only if
/// no container was made from it meanwhile.
pub(crate) async fn delete(
    context: &Context,
    image: &Image,
    force: bool,
    mut removed: Vec<RemovedImage>,
) -> Result<Vec<RemovedImage>> {
    let gone = context.records.remove_image(image.id, force).await?;
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

/// The containers that are made from an image, or stand on it.
pub(crate) fn users(context: &Context, image: &Image) -> Vec<Arc<Container>> {
    let id = image.id.to_string();
    let containers = context.containers.all();
    let records = containers.iter().map(|handle| handle.ledger.read());
    records
        .filter(|container| {
            container.image_id == id || container.base.as_deref() == Some(id.as_str())
        })
        .collect()
}

fn conflict(image: &Image, force: &str, reason: &str) -> Error {
    Error::conflict(format!(
        "conflict: unable to delete {} ({force}) - {reason}",
        image.id.short()
    ))
}

/// Whether an image has one tag at most, and all of its names are in one repository.
fn is_single_reference(image: &Image) -> bool {
    let names = image.tags.iter().chain(&image.digests);
    let repositories: BTreeSet<_> = names.map(Reference::repository).collect();
    image.tags.len() <= 1 && repositories.len() <= 1
}

fn is_beginning_of_id(image: &Image, name: &str) -> bool {
    let id = image.id.to_string();
    id.starts_with(name) || id.trim_start_matches("sha256:").starts_with(name)
}

fn short(id: &str) -> &str {
    id.get(..12).unwrap_or(id)
}
