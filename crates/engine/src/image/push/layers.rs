//! The layers of a push: what the registry has is not sent again.

use std::io;
use std::pin::Pin;
use std::sync::Arc;

use async_trait::async_trait;
use futures::FutureExt;
use futures::stream::{self, StreamExt, TryStreamExt};
use porthole_oci::{Descriptor, Digest, Reference};
use porthole_store::{Image, Store};
use tokio::io::{AsyncRead, AsyncSeekExt};

use super::Push;
use crate::error::{Error, ErrorKind, Result};
use crate::image::blobs::Described;
use crate::image::pull::short;
use crate::image::registry::failed;
use crate::image::transfer::Watch;
use crate::records::stored;

/// Layers that are sent at once, as many as in dockerd.
const AT_ONCE: usize = 5;

/// A blob in memory.
pub(super) struct Bytes(pub(super) Arc<[u8]>);

#[async_trait]
impl porthole_distribution::BlobSource for Bytes {
    async fn open(&self, offset: u64) -> io::Result<Pin<Box<dyn AsyncRead + Send>>> {
        let mut cursor = io::Cursor::new(Arc::clone(&self.0));
        cursor.set_position(offset);
        Ok(Box::pin(cursor))
    }
}

/// A blob of the store.
struct Stored {
    store: Store,
    digest: Digest,
}

#[async_trait]
impl porthole_distribution::BlobSource for Stored {
    async fn open(&self, offset: u64) -> io::Result<Pin<Box<dyn AsyncRead + Send>>> {
        let (store, digest) = (self.store.clone(), self.digest);
        let blob = tokio::task::spawn_blocking(move || store.open_blob(digest)).await;
        let blob = blob?.map_err(io::Error::other)?;
        let mut file = tokio::fs::File::from_std(blob.file);
        file.seek(io::SeekFrom::Start(offset)).await?;
        Ok(Box::pin(file))
    }
}

/// A blob of another registry.
struct Elsewhere<'a> {
    push: &'a Push<'a>,
    repository: Reference,
    descriptor: Descriptor,
}

#[async_trait]
impl porthole_distribution::BlobSource for Elsewhere<'_> {
    async fn open(&self, offset: u64) -> io::Result<Pin<Box<dyn AsyncRead + Send>>> {
        let client = &self.push.context.registries.client;
        let nobody = porthole_distribution::Credentials::default();
        let blob = client
            .blob(
                &self.repository,
                &self.descriptor,
                &nobody,
                offset,
                Arc::new(()),
            )
            .await
            .map_err(io::Error::other)?;
        let pieces = blob.map(|piece| piece.map_err(io::Error::other));
        Ok(Box::pin(tokio_util::io::StreamReader::new(pieces)))
    }
}

/// A layer on its way.
struct Layer<'a> {
    id: String,
    descriptor: &'a Descriptor,
    /// Whether it is one of a base that is not here.
    is_base: bool,
    /// Where that is, if it is known.
    origin: Option<&'a Reference>,
}

/// Sees to it that the repository has every layer of the image.
pub(super) async fn push(
    push: &Push<'_>,
    repository: &Reference,
    image: &Image,
    described: &Described,
) -> Result<()> {
    let below = described.manifest.layers.len() - image.layers.len();
    let base = image.base.as_ref();
    let origin = base.and_then(|base| base.repository.as_ref());
    let layers = described.manifest.layers.iter().enumerate();
    let layers: Vec<_> = layers
        .map(|(position, descriptor)| Layer {
            id: short(&descriptor.digest),
            descriptor,
            is_base: position < below,
            origin: origin.filter(|_| position < below),
        })
        .collect();
    for layer in &layers {
        push.reporter.layer(&layer.id, "Preparing").await;
    }
    for layer in layers.iter().skip(AT_ONCE) {
        push.reporter.layer(&layer.id, "Waiting").await;
    }
    let pushes: Vec<_> = layers
        .iter()
        .map(|layer| one(push, repository, layer).boxed())
        .collect();
    stream::iter(pushes)
        .buffer_unordered(AT_ONCE)
        .try_collect::<()>()
        .await
}

async fn one(push: &Push<'_>, repository: &Reference, layer: &Layer<'_>) -> Result<()> {
    let client = &push.context.registries.client;
    let digest = layer.descriptor.digest;
    let held = client.has_blob(repository, digest, &push.credentials).await;
    if held.map_err(failed)?.is_some() {
        push.reporter.layer(&layer.id, "Layer already exists").await;
        return note(push, digest, repository).await;
    }
    if let Some(source) = mounted(push, repository, layer).await? {
        let status = format!("Mounted from {}", source.path());
        push.reporter.layer(&layer.id, status).await;
        return note(push, digest, repository).await;
    }
    if layer.is_base {
        return base(push, repository, layer).await;
    }
    let source = Stored {
        store: push.context.records.store(),
        digest,
    };
    upload(push, repository, layer, &source).await
}

/// The repository of the same registry from which the layer was taken over, if one has it.
async fn mounted(
    push: &Push<'_>,
    repository: &Reference,
    layer: &Layer<'_>,
) -> Result<Option<Reference>> {
    let digest = layer.descriptor.digest;
    let records = &push.context.records;
    let known = records.work(move |store| store.blob_sources(digest).map_err(stored));
    let known = known.await?;
    let near = known.iter().chain(layer.origin).filter(|source| {
        source.domain() == repository.domain() && source.path() != repository.path()
    });
    let client = &push.context.registries.client;
    for source in near {
        let mounted = client
            .mount_blob(repository, source, digest, &push.credentials)
            .await;
        if mounted.map_err(failed)? {
            return Ok(Some(source.clone()));
        }
        let gone = source.clone();
        records
            .work(move |store| store.forget_blob_source(digest, &gone).map_err(stored))
            .await?;
    }
    Ok(None)
}

async fn upload(
    push: &Push<'_>,
    repository: &Reference,
    layer: &Layer<'_>,
    source: &dyn porthole_distribution::BlobSource,
) -> Result<()> {
    let Descriptor { digest, size, .. } = *layer.descriptor;
    let watch = Arc::new(Watch::new(push.reporter, &layer.id, "Pushing", size));
    let client = &push.context.registries.client;
    client
        .upload_blob(repository, digest, size, source, &push.credentials, watch)
        .await
        .map_err(failed)?;
    push.reporter.layer(&layer.id, "Pushed").await;
    note(push, digest, repository).await
}

/// A layer of Microsoft's base, which is not here: fetched from where it is, if that was asked for;
/// else the registry is left to its address.
async fn base(push: &Push<'_>, repository: &Reference, layer: &Layer<'_>) -> Result<()> {
    if push.context.registries.push_base_layers
        && let Some(origin) = layer.origin
    {
        let source = Elsewhere {
            push,
            repository: origin.clone(),
            descriptor: layer.descriptor.clone(),
        };
        return upload(push, repository, layer, &source).await;
    }
    if layer.descriptor.is_foreign_layer() && !layer.descriptor.urls.is_empty() {
        push.reporter
            .layer(&layer.id, "Skipped foreign layer")
            .await;
        return Ok(());
    }
    Err(Error::new(
        ErrorKind::InvalidParameter,
        format!(
            "layer {} belongs to Microsoft's base, is not on this host, and {} does not have it: push that \
             base there first, or set 'push-base-layers = true' below [registries] in porthole.toml, which fetches it from \
             where the image was pulled and sends it on",
            layer.descriptor.digest,
            repository.domain(),
        ),
    ))
}

async fn note(push: &Push<'_>, digest: Digest, repository: &Reference) -> Result<()> {
    let repository = repository.clone();
    let records = &push.context.records;
    records
        .work(move |store| store.note_blob_source(digest, &repository).map_err(stored))
        .await
}
