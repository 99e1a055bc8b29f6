//! The layers of a pull: several at once, each unpacked while it arrives.

use std::sync::Arc;

use futures::FutureExt;
use futures::stream::{self, StreamExt, TryStreamExt};
use porthole_layers::{Expected, Limits, TakenLayer};
use porthole_oci::{Descriptor, LayerId, Reference};

use super::sharing::Fetching;
use super::{Pull, short};
use crate::error::{Error, Result};
use crate::image::intake::{self, Incoming, IncomingLayer, Source};
use crate::image::layer_failed;
use crate::image::registry::failed;
use crate::image::transfer::Watch;
use crate::pipe;

/// Layers that arrive at once, as many as in dockerd.
const AT_ONCE: usize = 3;

/// Where each layer comes from, and what keeps others from fetching the same.
pub(super) type Fetched = (Vec<Source>, Vec<Fetching>);

/// A layer that is to be fetched.
struct Missing<'a> {
    position: usize,
    id: String,
    layer: &'a IncomingLayer,
    descriptor: &'a Descriptor,
}

/// Fetches the layers that are not here.
pub(super) async fn fetch(
    pull: &Pull<'_>,
    repository: &Reference,
    incoming: &Incoming,
) -> Result<Fetched> {
    let mut held = Vec::new();
    let mut sources = Vec::new();
    let mut missing = Vec::new();
    for (position, layer) in incoming.layers.iter().enumerate() {
        let descriptor = layer.descriptor.as_ref().ok_or_else(|| {
            Error::invalid("layers from manifest don't match image configuration")
        })?;
        let id = short(&descriptor.digest);
        if is_present(pull, layer.id).await? {
            pull.reporter.layer(&id, "Already exists").await;
            sources.push(Some(Source::Present));
            continue;
        }
        pull.reporter.layer(&id, "Pulling fs layer").await;
        held.push(pull.context.fetches.begin(layer.id).await);
        // Whoever had it before may have brought it in.
        if is_present(pull, layer.id).await? {
            pull.reporter.layer(&id, "Already exists").await;
            sources.push(Some(Source::Present));
            continue;
        }
        sources.push(None);
        missing.push(Missing {
            position,
            id,
            layer,
            descriptor,
        });
    }
    for waiting in missing.iter().skip(AT_ONCE) {
        pull.reporter.layer(&waiting.id, "Waiting").await;
    }
    let fetches = missing.into_iter().map(|missing| {
        let fetch = async move {
            let layer = one(pull, repository, &missing).await?;
            Ok::<_, Error>((missing.position, layer))
        };
        fetch.boxed()
    });
    let fetches: Vec<_> = fetches.collect();
    let mut taken = stream::iter(fetches).buffer_unordered(AT_ONCE);
    while let Some((position, layer)) = taken.try_next().await? {
        sources[position] = Some(Source::Taken(Box::new(layer)));
    }
    drop(taken);
    let sources = sources
        .into_iter()
        .map(|source| source.unwrap_or(Source::Present));
    Ok((sources.collect(), held))
}

async fn is_present(pull: &Pull<'_>, layer: LayerId) -> Result<bool> {
    let records = &pull.context.records;
    records
        .work(move |store| intake::present(store, layer))
        .await
}

async fn one(pull: &Pull<'_>, repository: &Reference, missing: &Missing<'_>) -> Result<TakenLayer> {
    let Missing {
        id,
        layer,
        descriptor,
        ..
    } = missing;
    let store = pull.context.records.store();
    let expected = Expected {
        blob: Some(descriptor.digest),
        diff_id: Some(layer.diff_id),
        most_bytes: descriptor.size,
    };
    let name = descriptor.digest.to_string();
    let watch = Watch::new(pull.reporter, id, "Downloading", descriptor.size);
    let client = &pull.context.registries.client;
    let blob = client
        .blob(
            repository,
            descriptor,
            &pull.credentials,
            0,
            Arc::new(watch),
        )
        .await
        .map_err(failed)?;
    let (fill, reader) = pipe::reader(blob.map(|piece| piece.map_err(failed)));
    let work = tokio::task::spawn_blocking(move || {
        let limits = Limits::default();
        porthole_layers::take_in(&store, &name, reader, &expected, &limits).map_err(layer_failed)
    });
    let ((), layer) = tokio::join!(fill, work);
    let layer =
        layer.map_err(|error| Error::system("the pull was cut short").with_source(error))??;
    for status in [
        "Verifying Checksum",
        "Download complete",
        "Extracting",
        "Pull complete",
    ] {
        pull.reporter.layer(id, status).await;
    }
    if let Some(warning) = layer.set_aside().warning() {
        pull.reporter.whole(format!("{id}: {warning}")).await;
    }
    Ok(layer)
}
