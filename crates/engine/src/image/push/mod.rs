//! `docker push`.

mod layers;

use std::sync::Arc;

use porthole_oci::{Digest, Reference};
use porthole_store::Image;

use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::image::blobs::{self, Described};
use crate::image::progress::{Progress, ProgressStream, Reporter, reporting};
use crate::image::registry::{Credentials, failed};
use crate::image::{publish, tag};
use crate::records::stored;

/// Pushes the image with this name, or all images of the repository when there is no tag.
pub(crate) fn push(
    context: Arc<Context>,
    name: String,
    tag: Option<String>,
    credentials: Option<Credentials>,
) -> ProgressStream {
    reporting(move |reporter| async move {
        let reference = reference(&name, tag.as_deref())?;
        check_local(&reference)?;
        let push = Push {
            context: &context,
            reporter: &reporter,
            credentials: credentials.unwrap_or_default(),
        };
        let full = format!("{}/{}", reference.domain(), reference.path());
        let wanted = wanted(&context, &reference).await?;
        reporter
            .whole(format!("The push refers to repository [{full}]"))
            .await;
        for (image, name) in wanted {
            push.one(image, &name).await?;
        }
        Ok(())
    })
}

fn reference(name: &str, tag: Option<&str>) -> Result<Reference> {
    let invalid = |error: porthole_oci::Error| {
        Error::invalid(format!("invalid reference format: {error}")).with_source(error)
    };
    let reference: Reference = name.parse().map_err(invalid)?;
    if reference.digest().is_some() {
        return Err(Error::invalid("cannot push a digest reference"));
    }
    match tag.filter(|tag| !tag.is_empty()) {
        Some(tag) => reference.with_tag(tag).map_err(invalid),
        None => Ok(reference),
    }
}

/// Names that begin with `porthole/` mean what was built on the host at hand, everywhere.
fn check_local(reference: &Reference) -> Result<()> {
    if !tag::is_local(reference) {
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::Forbidden,
        format!(
            "cannot push {reference}: names that begin with porthole/ are for base images built on each \
             host; give the image another name with 'docker tag' and push that"
        ),
    ))
}

async fn wanted(context: &Context, reference: &Reference) -> Result<Vec<(Image, Reference)>> {
    let missing = || {
        let repository = reference.repository();
        let message = match reference.tag() {
            Some(_) => format!("tag does not exist: {reference}"),
            None => format!("An image does not exist locally with the tag: {repository}"),
        };
        Error::new(ErrorKind::NotFound, message)
    };
    let images = context.records.images().await?;
    let named = images.into_iter().flat_map(|image| {
        let names = image.tags.clone();
        names.into_iter().map(move |name| (image.clone(), name))
    });
    let fits = |name: &Reference| match reference.tag() {
        Some(_) => name == reference,
        None => name.domain() == reference.domain() && name.path() == reference.path(),
    };
    let wanted: Vec<_> = named.filter(|(_, name)| fits(name)).collect();
    if wanted.is_empty() {
        return Err(missing());
    }
    Ok(wanted)
}

struct Push<'a> {
    context: &'a Context,
    reporter: &'a Reporter,
    credentials: Credentials,
}

impl Push<'_> {
    async fn one(&self, image: Image, name: &Reference) -> Result<()> {
        let records = &self.context.records;
        let prepared = records.work(move |store| {
            let image = blobs::complete(store, image)?;
            let described = blobs::describe(store, &image)?;
            let config = store.image_config(image.id).map_err(stored)?;
            Ok((image, described, config))
        });
        let (image, described, config) = prepared.await?;
        layers::push(self, name, &image, &described).await?;
        let client = &self.context.registries.client;
        let source = layers::Bytes(config.into());
        let descriptor = &described.manifest.config;
        client
            .upload_blob(
                name,
                descriptor.digest,
                descriptor.size,
                &source,
                &self.credentials,
                Arc::new(()),
            )
            .await
            .map_err(failed)?;
        self.finish(&image, name, described).await
    }

    /// Puts the manifest, and tells of it.
    async fn finish(&self, image: &Image, name: &Reference, described: Described) -> Result<()> {
        let client = &self.context.registries.client;
        let size = described.bytes.len() as u64;
        let media_type = described.manifest.media_type();
        let digest = client
            .put_manifest(name, media_type, described.bytes, &self.credentials)
            .await
            .map_err(failed)?;
        let tag = name.tag().unwrap_or_default();
        self.reporter
            .whole(format!("{tag}: digest: {digest} size: {size}"))
            .await;
        let pushed = Progress::Pushed {
            tag: tag.to_owned(),
            digest: digest.to_string(),
            size,
        };
        self.reporter.tell(pushed).await;
        self.remember(image, name, digest).await?;
        publish(self.context, image, "push", &name.to_string());
        Ok(())
    }

    async fn remember(&self, image: &Image, name: &Reference, digest: Digest) -> Result<()> {
        let id = image.id;
        let by_digest = super::by_digest(name, digest);
        let work = move |store: &porthole_store::Store| {
            store.name_by_digest(id, &by_digest).map_err(stored)
        };
        self.context.records.work(work).await
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn local_names_and_digests_are_not_pushed() {
        let local = check_local(&reference("porthole/nanoserver", None).unwrap()).unwrap_err();
        assert!(
            local.to_string().contains("give the image another name"),
            "{local}"
        );
        assert!(check_local(&reference("r.example/porthole/x", Some("1")).unwrap()).is_ok());
        let by_digest = format!("app@{}", Digest::of(b"x"));
        let refused = reference(&by_digest, None).unwrap_err();
        assert_eq!(refused.to_string(), "cannot push a digest reference");
    }
}
