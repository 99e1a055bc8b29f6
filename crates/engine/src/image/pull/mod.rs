//! `docker pull`.

mod layers;
mod local;
pub(crate) mod sharing;

use std::sync::Arc;

use porthole_distribution::Resolved;
use porthole_oci::{ImageId, MAX_CONFIG_SIZE, Reference, Wanted, WindowsVersion};

use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::image::blobs::Described;
use crate::image::intake::Incoming;
use crate::image::progress::{ProgressStream, Reporter, reporting};
use crate::image::registry::{Credentials, failed};
use crate::image::{publish, tag};
use crate::records::stored;

/// What to pull.
#[derive(Debug, Clone, Default)]
pub struct PullImage {
    /// The name, perhaps with a tag or digest.
    pub name: String,
    /// The tag or digest, if the name has none; without either, all tags.
    pub tag: Option<String>,
    /// The platform, `windows/amd64` if none.
    pub platform: Option<String>,
    /// What the registry is shown.
    pub credentials: Option<Credentials>,
}

/// The most tags that are pulled at once.
const MAX_TAGS: usize = 1000;

/// Pulls.
pub(crate) fn pull(context: Arc<Context>, request: PullImage) -> ProgressStream {
    reporting(move |reporter| async move {
        let reference = reference(&request.name, request.tag.as_deref())?;
        if tag::is_local(&reference) {
            check_platform(request.platform.as_deref())?;
            return local::up_to_date(&context, &reporter, &reference.or_latest()).await;
        }
        let pull = Pull {
            wanted: wanted(&context, request.platform.as_deref())?,
            credentials: request.credentials.unwrap_or_default(),
            context: &context,
            reporter: &reporter,
        };
        if reference.tag().is_some() || reference.digest().is_some() {
            return pull.one(&reference).await;
        }
        pull.all(&reference).await
    })
}

/// The name with the tag or digest that stands beside it.
fn reference(name: &str, tag: Option<&str>) -> Result<Reference> {
    let invalid = |error: porthole_oci::Error| {
        Error::invalid(format!("invalid reference format: {error}")).with_source(error)
    };
    let whole = match tag {
        None | Some("") => name.to_owned(),
        Some(digest) if digest.contains(':') => format!("{name}@{digest}"),
        // A tag beside a digest says nothing more, and the one in the name is the one that is meant.
        Some(tag) => {
            let reference: Reference = name.parse().map_err(invalid)?;
            if reference.digest().is_some() {
                return Ok(reference);
            }
            return reference.with_tag(tag).map_err(invalid);
        }
    };
    whole.parse().map_err(invalid)
}

/// One platform is there.
fn check_platform(platform: Option<&str>) -> Result<()> {
    let Some(platform) = platform.filter(|platform| !platform.is_empty()) else {
        return Ok(());
    };
    let (os, architecture) = platform.split_once('/').unwrap_or((platform, "amd64"));
    let os = os.split('(').next().unwrap_or_default();
    if os.eq_ignore_ascii_case("windows") && matches!(architecture, "amd64" | "x86_64") {
        return Ok(());
    }
    // moby's words for an image that is not there for a platform, which scripts look for.
    Err(Error::new(
        ErrorKind::NotFound,
        format!(
            "no matching manifest for {platform} in the manifest list entries: {}",
            super::ONLY_WINDOWS
        ),
    ))
}

/// The image that is wanted of several: for the version of Windows that `windows(10.0.17763)` names,
/// else for the one that is set up.
fn wanted(context: &Context, platform: Option<&str>) -> Result<Wanted> {
    check_platform(platform)?;
    let named = platform.and_then(|platform| {
        let (_, rest) = platform.split_once('(')?;
        let (version, _) = rest.split_once(')')?;
        Some(version)
    });
    let own = format!("10.0.{}", context.facts.windows_build);
    let version: WindowsVersion = named
        .unwrap_or(&own)
        .parse()
        .map_err(|error| Error::invalid(format!("invalid platform: {error}")).with_source(error))?;
    Ok(Wanted::windows(version))
}

struct Pull<'a> {
    context: &'a Context,
    reporter: &'a Reporter,
    wanted: Wanted,
    credentials: Credentials,
}

impl Pull<'_> {
    async fn all(&self, repository: &Reference) -> Result<()> {
        let client = &self.context.registries.client;
        let tags = client
            .tags(repository, &self.credentials)
            .await
            .map_err(failed)?;
        if tags.len() > MAX_TAGS {
            return Err(Error::invalid(format!(
                "{} has more than {MAX_TAGS} tags: name those that you want",
                repository.repository()
            )));
        }
        for tag in tags {
            let reference = repository.with_tag(&tag).map_err(|error| {
                Error::system(format!("the registry lists a tag that is none: {error}"))
            })?;
            match self.one(&reference).await {
                // Other tags may be for Windows.
                Err(error) if error.kind() == ErrorKind::NotFound => {
                    self.reporter.tag(&tag, error.to_string()).await;
                }
                pulled => pulled?,
            }
        }
        Ok(())
    }

    async fn one(&self, reference: &Reference) -> Result<()> {
        let client = &self.context.registries.client;
        let resolved = client
            .resolve(reference, &self.credentials, &self.wanted)
            .await
            .map_err(|error| self.explained(error))?;
        let tag = reference.tag().map(str::to_owned);
        let tag = tag.unwrap_or_else(|| resolved.digest.to_string());
        let repository = reference.path();
        self.reporter
            .tag(&tag, format!("Pulling from {repository}"))
            .await;
        let id = ImageId(resolved.manifest.config.digest);
        let records = &self.context.records;
        let is_here = records.work(move |store| match store.image(id) {
            Ok(_) => Ok(true),
            Err(error) if error.is_not_found() => Ok(false),
            Err(error) => Err(stored(error)),
        });
        let is_here = is_here.await?;
        let digest = resolved.digest;
        if !is_here {
            self.fetch(reference, resolved).await?;
        } else {
            self.note(reference, &resolved, id).await?;
        }
        self.reporter.whole(format!("Digest: {digest}")).await;
        self.named(reference, digest, id).await?;
        let status = if is_here {
            format!("Status: Image is up to date for {reference}")
        } else {
            format!("Status: Downloaded newer image for {reference}")
        };
        self.reporter.whole(status).await;
        Ok(())
    }

    /// Adds what Porthole runs to the sentence that says that nothing fits.
    fn explained(&self, error: porthole_distribution::Error) -> Error {
        let error = failed(error);
        let message = error.to_string();
        if !message.contains("no matching manifest") {
            return error;
        }
        let kind = error.kind();
        Error::new(kind, format!("{message}: {}", super::ONLY_WINDOWS)).with_source(error)
    }

    /// Brings in what is not here.
    async fn fetch(&self, reference: &Reference, resolved: Resolved) -> Result<ImageId> {
        let client = &self.context.registries.client;
        let invalid =
            |error: porthole_oci::Error| Error::invalid(error.to_string()).with_source(error);
        resolved.manifest.check_image().map_err(invalid)?;
        let config = client
            .small_blob(
                reference,
                &resolved.manifest.config,
                &self.credentials,
                MAX_CONFIG_SIZE,
            )
            .await
            .map_err(failed)?;
        let descriptors = resolved.manifest.layers.clone();
        let described = Described {
            manifest: resolved.manifest,
            bytes: resolved.bytes,
        };
        let manifest = described.manifest.clone();
        let incoming = Incoming::read(
            config,
            Some(described),
            &descriptors,
            std::slice::from_ref(reference),
        )?;
        manifest.check_config(&incoming.config).map_err(invalid)?;
        let records = &self.context.records;
        let checked = records.work(move |store| incoming.below(store).map(|_| incoming));
        let incoming = checked.await?;
        self.tell_of_base(&incoming, &descriptors).await;
        let sources = layers::fetch(self, reference, &incoming).await?;
        let reference = reference.clone();
        self.context
            .records
            .work(move |store| {
                let (layers, _held) = sources;
                let tags = tagged(&reference).into_iter().collect();
                incoming.import(store, layers, tags, Some(&reference))
            })
            .await
    }

    /// Says which layers are not fetched, and why.
    async fn tell_of_base(&self, incoming: &Incoming, descriptors: &[porthole_oci::Descriptor]) {
        let below = descriptors.len() - incoming.layers.len();
        for layer in &descriptors[..below] {
            let id = short(&layer.digest);
            let status = "Not fetched: Porthole's own base takes its place";
            self.reporter.layer(&id, status).await;
        }
    }

    /// An image that is here is known to be in this repository too.
    async fn note(&self, reference: &Reference, resolved: &Resolved, id: ImageId) -> Result<()> {
        let (reference, bytes) = (reference.clone(), resolved.bytes.clone());
        let layers: Vec<_> = resolved
            .manifest
            .layers
            .iter()
            .map(|layer| layer.digest)
            .collect();
        self.context
            .records
            .work(move |store| {
                let known = store.image_manifest(id).map_err(stored)?;
                // Blobs of another manifest of the same image are others.
                if known.as_deref() == Some(bytes.as_slice()) {
                    for layer in layers {
                        store.note_blob_source(layer, &reference).map_err(stored)?;
                    }
                }
                Ok(())
            })
            .await
    }

    /// Gives the image its names.
    async fn named(
        &self,
        reference: &Reference,
        digest: porthole_oci::Digest,
        id: ImageId,
    ) -> Result<()> {
        let by_digest = super::by_digest(reference, digest);
        let records = &self.context.records;
        records
            .work(move |store| store.name_by_digest(id, &by_digest).map_err(stored))
            .await?;
        if let Some(tag) = tagged(reference) {
            records.tag(id, tag).await?;
        }
        let image = records.image(id).await?;
        publish(self.context, &image, "pull", &reference.to_string());
        Ok(())
    }
}

/// The name that an image is to have when this one was asked for; none for one by digest.
fn tagged(reference: &Reference) -> Option<Reference> {
    (reference.tag().is_some() && reference.digest().is_none()).then(|| reference.clone())
}

/// The first digits of a digest, as progress names layers.
pub(crate) fn short(digest: &porthole_oci::Digest) -> String {
    digest.hex()[..12].to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tag_or_a_digest_may_stand_beside_the_name() {
        let digest = porthole_oci::Digest::of(b"x").to_string();
        for (name, tag, expected) in [
            ("app", Some("1"), "app:1".to_owned()),
            ("app:1", None, "app:1".to_owned()),
            ("app", None, "app".to_owned()),
            ("app", Some(digest.as_str()), format!("app@{digest}")),
            (
                "r.example:5000/app",
                Some("2"),
                "r.example:5000/app:2".to_owned(),
            ),
        ] {
            assert_eq!(reference(name, tag).unwrap().to_string(), expected);
        }
        assert!(reference("App", None).is_err());
        assert!(reference("app", Some("-")).is_err());
    }

    #[test]
    fn only_windows_on_amd64_is_there() {
        for fine in [
            None,
            Some(""),
            Some("windows"),
            Some("windows(10.0.17763)/amd64"),
        ] {
            assert!(check_platform(fine).is_ok(), "{fine:?}");
        }
        for wrong in ["linux", "linux/amd64", "windows/arm64"] {
            let error = check_platform(Some(wrong)).unwrap_err();
            let begin = format!("no matching manifest for {wrong} in the manifest list entries");
            assert!(error.to_string().starts_with(&begin), "{error}");
        }
    }
}
