//! Manifests and indexes: what a name means, and giving it a meaning.

use porthole_oci::media_type::ACCEPTED_MANIFESTS;
use porthole_oci::{
    Descriptor, Digest, Document, Index, MAX_MANIFEST_SIZE, Manifest, Platform, Reference, Wanted,
};
use reqwest::header::{ACCEPT, CONTENT_TYPE, HeaderValue, LINK};
use reqwest::{Method, StatusCode};
use serde::Deserialize;

use crate::answer::Answer;
use crate::client::{Client, pull_scope, push_scope};
use crate::credentials::Credentials;
use crate::endpoint::{Call, Endpoint};
use crate::error::{Error, ErrorKind, Result};
use crate::transport::join;

/// How many indexes may lie within one another.
const MAX_DEPTH: usize = 3;

/// The most tags of a repository that are listed, and the largest page of them.
const MAX_TAGS: usize = 10_000;
const MAX_TAGS_PAGE: usize = 4 << 20;

/// The header in which a registry says a manifest's digest.
const CONTENT_DIGEST: &str = "docker-content-digest";

/// The image that a name means on a platform.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Resolved {
    /// The digest of what the name means: of an index, where it means one. Docker shows this one.
    pub digest: Digest,
    /// The digest of the image's manifest.
    pub manifest_digest: Digest,
    /// The manifest's media type.
    pub media_type: String,
    /// The manifest as it came.
    pub bytes: Vec<u8>,
    /// The manifest.
    pub manifest: Manifest,
    /// What the index said of the platform, where there was one.
    pub platform: Option<Platform>,
}

/// What is behind a name.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Inspection {
    /// The manifest or index.
    pub descriptor: Descriptor,
    /// What it runs on, where that can be told: an index says it, of an image its configuration.
    pub platforms: Vec<Platform>,
}

/// A manifest or index as it came.
struct Fetched {
    digest: Digest,
    bytes: Vec<u8>,
    document: Document,
}

#[derive(Deserialize)]
struct Tags {
    #[serde(default)]
    tags: Option<Vec<String>>,
}

impl Client {
    /// The image that `reference` means on the platform that is `wanted`: indexes on the way are
    /// resolved. A name without tag and digest means `latest`.
    ///
    /// # Errors
    /// [`ErrorKind::NotFound`] and [`ErrorKind::Denied`] with Docker's sentences,
    /// [`ErrorKind::NoMatch`], [`ErrorKind::Unsupported`] for schema 1 and what is no image, and what
    /// asking a registry brings.
    pub async fn resolve(
        &self,
        reference: &Reference,
        credentials: &Credentials,
        wanted: &Wanted,
    ) -> Result<Resolved> {
        for mirror in self.mirrors(reference).await? {
            match self
                .resolve_at(&mirror, reference, credentials, wanted)
                .await
            {
                Ok(resolved) => return Ok(resolved),
                Err(error) => {
                    tracing::debug!(%error, mirror = %mirror.base, "mirror of Docker Hub");
                }
            }
        }
        let registry = self.registry(reference.domain()).await?;
        self.resolve_at(&registry, reference, credentials, wanted)
            .await
    }

    async fn resolve_at(
        &self,
        endpoint: &Endpoint,
        reference: &Reference,
        credentials: &Credentials,
        wanted: &Wanted,
    ) -> Result<Resolved> {
        let mut fetched = self.fetch(endpoint, reference, credentials).await?;
        let digest = fetched.digest;
        let mut platform = None;
        for _ in 0..=MAX_DEPTH {
            let index = match fetched.document {
                Document::Manifest(manifest) => {
                    manifest.check_image()?;
                    return Ok(Resolved {
                        digest,
                        manifest_digest: fetched.digest,
                        media_type: manifest.media_type().to_owned(),
                        bytes: fetched.bytes,
                        manifest,
                        platform,
                    });
                }
                Document::Index(index) => index,
            };
            let chosen = index.choose(wanted)?;
            platform.clone_from(&chosen.platform);
            fetched = self
                .fetch_described(endpoint, reference, chosen, credentials)
                .await?;
        }
        let sentence = format!("{reference}: more than {MAX_DEPTH} indexes within one another");
        Err(Error::new(ErrorKind::Malformed, sentence))
    }

    /// What is behind a name, whatever it runs on.
    ///
    /// # Errors
    /// As for [`Self::resolve`].
    pub async fn inspect(
        &self,
        reference: &Reference,
        credentials: &Credentials,
    ) -> Result<Inspection> {
        let registry = self.registry(reference.domain()).await?;
        let fetched = self.fetch(&registry, reference, credentials).await?;
        let media_type = fetched.document.media_type();
        let descriptor = Descriptor::of(media_type, &fetched.bytes);
        let platforms = match &fetched.document {
            Document::Index(index) => Index::platforms(index),
            Document::Manifest(manifest) if manifest.check_image().is_ok() => {
                let config = self.config(reference, manifest, credentials).await?;
                vec![Platform {
                    architecture: config.architecture,
                    os: config.os,
                    os_version: config.os_version,
                    ..Platform::default()
                }]
            }
            Document::Manifest(_) => Vec::new(),
        };
        Ok(Inspection {
            descriptor,
            platforms,
        })
    }

    /// The tags of a repository.
    ///
    /// # Errors
    /// As for [`Self::resolve`]; [`ErrorKind::Malformed`] also for more than 10,000.
    pub async fn tags(
        &self,
        repository: &Reference,
        credentials: &Credentials,
    ) -> Result<Vec<String>> {
        let registry = self.registry(repository.domain()).await?;
        let scopes = pull_scope(repository);
        let mut tags: Vec<String> = Vec::new();
        let mut page = Some(registry.address(repository, "tags/list"));
        while let Some(url) = page.take() {
            let call = Call::new(Method::GET, url, &scopes, credentials);
            let answer = self.persist(&registry, call).await?;
            let answer = answer.expect(&[StatusCode::OK]).await;
            let answer = answer.map_err(|error| of_pull(error, repository))?;
            let base = answer.url.clone();
            let next = answer.header(LINK).and_then(next_page).map(str::to_owned);
            let bytes = answer.document(MAX_TAGS_PAGE).await?;
            let read: Tags = serde_json::from_slice(&bytes).map_err(|error| {
                let sentence = format!("{repository}: not a list of tags");
                Error::new(ErrorKind::Malformed, sentence).with_source(error)
            })?;
            let read = read.tags.unwrap_or_default();
            if tags.len() + read.len() > MAX_TAGS {
                let sentence = format!("{repository}: more than {MAX_TAGS} tags");
                return Err(Error::new(ErrorKind::Malformed, sentence));
            }
            // A page of nothing that points on would lead in circles.
            let goes_on = !read.is_empty();
            tags.extend(read);
            page = next
                .filter(|_| goes_on)
                .map(|next| join(&base, &next))
                .transpose()?;
        }
        Ok(tags)
    }

    /// Gives `reference` a meaning: puts a manifest or an index, whose parts the registry must have,
    /// under its tag or digest. Returns the digest.
    ///
    /// # Errors
    /// [`ErrorKind::Denied`], [`ErrorKind::Refused`] with the registry's [`Error::code`] (a missing
    /// part is `MANIFEST_BLOB_UNKNOWN`), and what asking a registry brings.
    pub async fn put_manifest(
        &self,
        reference: &Reference,
        media_type: &str,
        bytes: Vec<u8>,
        credentials: &Credentials,
    ) -> Result<Digest> {
        let digest = Digest::of(&bytes);
        let media_type = HeaderValue::from_str(media_type).map_err(|error| {
            Error::new(ErrorKind::Invalid, "not a media type").with_source(error)
        })?;
        let registry = self.registry(reference.domain()).await?;
        let scopes = push_scope(reference);
        let name = match (reference.tag(), reference.digest()) {
            (Some(tag), _) => tag.to_owned(),
            (None, Some(digest)) => digest.to_string(),
            (None, None) => digest.to_string(),
        };
        let url = registry.address(reference, &format!("manifests/{name}"));
        let mut call = Call::new(Method::PUT, url, &scopes, credentials);
        call = call.header(CONTENT_TYPE, media_type);
        call.body = bytes;
        let answer = self.persist(&registry, call).await?;
        let answer = answer
            .expect(&[StatusCode::CREATED, StatusCode::OK, StatusCode::ACCEPTED])
            .await?;
        check_said_digest(&answer, reference, digest)?;
        Ok(digest)
    }

    async fn fetch(
        &self,
        endpoint: &Endpoint,
        reference: &Reference,
        credentials: &Credentials,
    ) -> Result<Fetched> {
        let named = match reference.digest() {
            Some(digest) => digest.to_string(),
            None => reference.tag().unwrap_or("latest").to_owned(),
        };
        let answer = self
            .ask(endpoint, reference, &named, credentials)
            .await
            .map_err(|error| of_pull(error, reference))?;
        let fetched = read(answer, reference, None).await?;
        match reference.digest() {
            Some(wanted) if wanted != fetched.digest => Err(not_the_digest(reference, wanted)),
            _ => Ok(fetched),
        }
    }

    /// A manifest that an index describes.
    async fn fetch_described(
        &self,
        endpoint: &Endpoint,
        reference: &Reference,
        described: &Descriptor,
        credentials: &Credentials,
    ) -> Result<Fetched> {
        if described.size > MAX_MANIFEST_SIZE as u64 {
            let sentence = format!("{reference}: a manifest of {} bytes", described.size);
            return Err(Error::new(ErrorKind::Malformed, sentence));
        }
        let digest = described.digest;
        let answer = self
            .ask(endpoint, reference, &digest.to_string(), credentials)
            .await
            .map_err(|error| of_pull(error, reference))?;
        let fetched = read(answer, reference, Some(&described.media_type)).await?;
        if digest != fetched.digest {
            return Err(not_the_digest(reference, digest));
        }
        if described.size != fetched.bytes.len() as u64 {
            let sentence = format!(
                "{reference}: manifest {digest} has {} bytes instead of {}",
                fetched.bytes.len(),
                described.size
            );
            return Err(Error::new(ErrorKind::Mismatch, sentence));
        }
        Ok(fetched)
    }

    async fn ask(
        &self,
        endpoint: &Endpoint,
        reference: &Reference,
        named: &str,
        credentials: &Credentials,
    ) -> Result<Answer> {
        let scopes = pull_scope(reference);
        let url = endpoint.address(reference, &format!("manifests/{named}"));
        let mut call = Call::new(Method::GET, url, &scopes, credentials);
        for media_type in ACCEPTED_MANIFESTS {
            call = call.header(ACCEPT, HeaderValue::from_static(media_type));
        }
        let answer = self.persist(endpoint, call).await?;
        answer.expect(&[StatusCode::OK]).await
    }
}

/// Reads a manifest; `described_as` is what the index that named it says that it is.
async fn read(
    answer: Answer,
    reference: &Reference,
    described_as: Option<&str>,
) -> Result<Fetched> {
    let said = answer.header(CONTENT_DIGEST).map(str::to_owned);
    let sent_as = answer.header(CONTENT_TYPE).map(str::to_owned);
    let bytes = answer.document(MAX_MANIFEST_SIZE).await?;
    let digest = Digest::of(&bytes);
    check_digest(said.as_deref(), reference, digest)?;
    let sent_as = described_as
        .filter(|known| !known.is_empty())
        .or(sent_as.as_deref());
    let document = Document::parse(&bytes, sent_as)
        .map_err(|error| Error::from(error).within(&reference.to_string()))?;
    Ok(Fetched {
        digest,
        bytes,
        document,
    })
}

fn check_said_digest(answer: &Answer, reference: &Reference, digest: Digest) -> Result<()> {
    check_digest(answer.header(CONTENT_DIGEST), reference, digest)
}

/// What a registry says of a manifest's digest has to be so, where it says something of a digest that
/// is known here.
fn check_digest(said: Option<&str>, reference: &Reference, digest: Digest) -> Result<()> {
    match said.map(str::parse::<Digest>) {
        Some(Ok(said)) if said != digest => {
            let sentence =
                format!("{reference}: the registry says {said}, and the manifest is {digest}");
            Err(Error::new(ErrorKind::Mismatch, sentence))
        }
        _ => Ok(()),
    }
}

fn not_the_digest(reference: &Reference, wanted: Digest) -> Error {
    let sentence = format!("{reference}: manifest verification failed for digest {wanted}");
    Error::new(ErrorKind::Mismatch, sentence)
}

/// What a refusal means to who pulls, in Docker's words.
pub(crate) fn of_pull(error: Error, reference: &Reference) -> Error {
    let what = match (error.kind(), error.code()) {
        (ErrorKind::Denied, _) => format!(
            "pull access denied for {}, repository does not exist or may require 'docker login'",
            reference.repository()
        ),
        (ErrorKind::NotFound, Some("NAME_UNKNOWN")) => {
            format!("repository {} not found", reference.repository())
        }
        (ErrorKind::NotFound, _) => format!("manifest for {reference} not found"),
        _ => return error,
    };
    error.within(&what)
}

/// The address in a `Link` header that leads to the next page.
fn next_page(link: &str) -> Option<&str> {
    let mut links = link.split(',');
    let next = links.find(|link| link.contains("rel=\"next\"") || link.contains("rel=next"))?;
    next.split_once('<')?
        .1
        .split_once('>')
        .map(|(target, _)| target)
}
