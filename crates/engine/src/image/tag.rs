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
    check_local(&image, &reference)?;
    context.records.tag(image.id, reference.clone()).await?;
    publish(context, &image, "tag", &reference.to_string());
    Ok(())
}

fn reference(repository: &str, tag: Option<&str>) -> Result<Reference> {
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

/// What is `FROM porthole/…` must stand on what was built here: an image from elsewhere never
/// takes such a name. A base may have further tags in its own repository.
fn check_local(image: &Image, wanted: &Reference) -> Result<()> {
    let (domain, prefix) = LOCAL;
    if wanted.domain() != domain || !wanted.path().starts_with(prefix) {
        return Ok(());
    }
    let repository = wanted.repository();
    if image
        .tags
        .iter()
        .any(|name| name.repository() == repository)
    {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Forbidden,
        format!(
            "cannot tag {} as {wanted}: names that begin with porthole/ are for base images built on \
             this host; choose another name",
            image.id.short()
        ),
    ))
}
