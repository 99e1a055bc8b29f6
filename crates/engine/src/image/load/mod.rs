//! `docker load`: images of an archive, Docker's or an OCI layout.

mod contents;
mod spool;

use std::io;

use bytes::Bytes;
use futures::Stream;
use porthole_layers::{Expected, Limits};
use porthole_oci::{Digest, ImageId, Reference};
use porthole_store::Store;
use std::sync::Arc;
use tokio::sync::mpsc;

use crate::context::Context;
use crate::error::{Error, Result};
use crate::image::intake::{self, Incoming, Source};
use crate::image::progress::{Progress, ProgressStream, Reporter, reporting};
use crate::image::{layer_failed, publish, tag};
use crate::pipe;

use contents::{Archived, ArchivedLayer};
use spool::Spool;

/// Reads an archive and takes in the images that it holds. With `quiet`, only what was loaded is
/// told.
pub(crate) fn load(
    context: Arc<Context>,
    archive: impl Stream<Item = io::Result<Bytes>> + Send + Unpin + 'static,
    quiet: bool,
) -> ProgressStream {
    reporting(move |reporter| async move {
        let (fill, reader) = pipe::reader(archive);
        let store = context.records.store();
        let (told, mut telling) = mpsc::channel(1);
        let work = tokio::task::spawn_blocking(move || take_in(&store, reader, &told));
        let forward = async {
            while let Some(step) = telling.recv().await {
                tell(&context, &reporter, step, quiet).await;
            }
        };
        // The archive is dropped with this when the client leaves, which ends the thread too.
        let ((), (), loaded) = tokio::join!(fill, forward, work);
        loaded.map_err(|error| Error::system("the load was cut short").with_source(error))?
    })
}

/// What the thread tells.
#[derive(Debug)]
enum Step {
    /// A layer is being taken in.
    Layer { id: String, status: &'static str },
    /// An image is in.
    Loaded {
        id: ImageId,
        names: Vec<Reference>,
        kept_out: Vec<Reference>,
    },
    /// Something to be known of a layer.
    Warning(String),
}

async fn tell(context: &Context, reporter: &Reporter, step: Step, quiet: bool) {
    match step {
        Step::Layer { .. } if quiet => {}
        Step::Layer { id, status } => reporter.layer(&id, status).await,
        Step::Warning(warning) => reporter.tell(Progress::Text(warning)).await,
        Step::Loaded {
            id,
            names,
            kept_out,
        } => {
            for name in kept_out {
                let text = format!(
                    "Loaded without the name {name}: names that begin with porthole/ are for base \
                     images built on this host"
                );
                reporter.tell(Progress::Text(text)).await;
            }
            if names.is_empty() {
                let text = format!("Loaded image ID: {id}");
                reporter.tell(Progress::Text(text)).await;
            }
            for name in &names {
                let text = format!("Loaded image: {name}");
                reporter.tell(Progress::Text(text)).await;
            }
            if let Ok(image) = context.records.image(id).await {
                publish(context, &image, "load", &id.to_string());
                for name in &names {
                    publish(context, &image, "tag", &name.to_string());
                }
            }
        }
    }
}

/// Takes everything in. Blocks.
fn take_in(store: &Store, archive: pipe::Reader, told: &mpsc::Sender<Step>) -> Result<()> {
    let spool = Spool::fill(store, archive)?;
    for archived in contents::read(&spool)? {
        let step = one(store, &spool, archived?, told)?;
        // Nobody listens: the client has left, and what is in is in.
        if told.blocking_send(step).is_err() {
            return Ok(());
        }
    }
    Ok(())
}

fn one(
    store: &Store,
    spool: &Spool,
    archived: Archived,
    told: &mpsc::Sender<Step>,
) -> Result<Step> {
    let Archived {
        config,
        described,
        layers,
        names,
    } = archived;
    let descriptors: Vec<_> = layers
        .iter()
        .map(|layer| layer.descriptor.clone())
        .collect();
    let incoming = Incoming::read(config, described, &descriptors, &names)?;
    if layers.len() != incoming.config.rootfs.diff_ids.len() {
        return Err(Error::invalid(format!(
            "invalid manifest, layers length mismatch: expected {}, got {}",
            incoming.config.rootfs.diff_ids.len(),
            layers.len()
        )));
    }
    incoming.below(store)?;
    let below = layers.len() - incoming.layers.len();
    let mut sources = Vec::new();
    for (wanted, layer) in incoming.layers.iter().zip(&layers[below..]) {
        if intake::present(store, wanted.id)? {
            sources.push(Source::Present);
            continue;
        }
        let id = wanted.id.to_string()[..12].to_owned();
        let _ = told.blocking_send(Step::Layer {
            id: id.clone(),
            status: "Loading layer",
        });
        let source = fetch(store, spool, layer, wanted.diff_id)?;
        if let Source::Taken(taken) = &source
            && let Some(warning) = taken.set_aside().warning()
        {
            let _ = told.blocking_send(Step::Warning(format!("{id}: {warning}")));
        }
        sources.push(source);
    }
    let id = incoming.id();
    let kept = |name: &Reference| {
        let known = store.image(id).ok();
        tag::check_local(known.as_ref(), name).is_ok()
    };
    let (names, kept_out): (Vec<_>, Vec<_>) = names.into_iter().partition(kept);
    let id = incoming.import(store, sources, names.clone(), None)?;
    Ok(Step::Loaded {
        id,
        names,
        kept_out,
    })
}

fn fetch(store: &Store, spool: &Spool, layer: &ArchivedLayer, diff_id: Digest) -> Result<Source> {
    let Some(name) = &layer.file else {
        return Err(Error::invalid(format!(
            "layer {diff_id} is not in the archive"
        )));
    };
    let (file, size) = spool.open(name)?;
    let expected = Expected {
        blob: layer.blob,
        diff_id: Some(diff_id),
        most_bytes: size,
    };
    let name = diff_id.to_string();
    let limits = Limits::default();
    let layer = porthole_layers::take_in(store, &name, file, &expected, &limits);
    Ok(Source::Taken(Box::new(layer.map_err(layer_failed)?)))
}
