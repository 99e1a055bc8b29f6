//! Giving an image a further name.

use porthole_store::{Image, Reference};

use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::image::publish;

/// The registry and the first part of the path of names that only images made here have.
const LOCAL: (&str, &str) = ("docker.io", "porthole/");

/// Gives the image that `name` names a further one; an image that had it loses it.
pub(crate) async fn tag(
    context: &Context,
    name: &str,
    repository: &str,
    tag: Option<&str>,
) -> Result<()> {
    let reference = reference(repository, tag)?;
    let image = context.records.find_image(name).await?;
    check_local(Some(&image), &reference)?;
    context.records.tag(image.id, reference.clone()).await?;
    publish(context, &image, "tag", &reference.to_string());
    Ok(())
}

/// The name with this tag, or `latest`.
pub(crate) fn reference(repository: &str, tag: Option<&str>) -> Result<Reference> {
    let invalid = |error: porthole_oci::Error| {
        Error::invalid(format!("invalid reference format: {error}")).with_source(error)
    };
    let reference: Reference = repository.parse().map_err(invalid)?;
    if reference.digest().is_some() {
        return Err(Error::invalid(
            "refusing to create a tag with a digest reference",
        ));
    }
    if reference.repository() == "sha256" {
        return Err(Error::invalid(
            "refusing to create an ambiguous tag using digest algorithm as name",
        ));
    }
    match tag {
        Some(tag) => reference.with_tag(tag).map_err(invalid),
        None => Ok(reference.or_latest()),
    }
}

/// Whether a name is one that only images made here have.
pub(crate) fn is_local(name: &Reference) -> bool {
    let (domain, prefix) = LOCAL;
    name.domain() == domain && name.path().starts_with(prefix)
}

/// What is `FROM porthole/…` must stand on what was built here: an image from elsewhere never
/// takes such a name. A base may have further tags in its own repository.
pub(crate) fn check_local(image: Option<&Image>, wanted: &Reference) -> Result<()> {
    let repository = wanted.repository();
    let has_repository = |image: &Image| {
        let mut names = image.tags.iter();
        names.any(|name| name.repository() == repository)
    };
    if !is_local(wanted) || image.is_some_and(has_repository) {
        return Ok(());
    }
    let what = image.map_or_else(|| "an image".to_owned(), |image| image.id.short());
    Err(Error::new(
        ErrorKind::Forbidden,
        format!(
            "cannot tag {what} as {wanted}: names that begin with porthole/ are for base images built on \
             this host; choose another name",
        ),
    ))
}
