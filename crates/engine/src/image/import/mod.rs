//! `docker import`: an image of one layer, from a tar archive of files.

mod wrap;

use std::io;
use std::sync::Arc;

use bytes::Bytes;
use futures::Stream;
use porthole_layers::{Expected, Limits, TakenLayer};
use porthole_oci::{ImageConfig, ImageId, Reference, RunConfig};
use porthole_store::{ImageImport, Store};

use crate::context::Context;
use crate::error::{Error, Result};
use crate::image::draft::{self, Step};
use crate::image::progress::{ProgressStream, Reporter, reporting};
use crate::image::{instruction, layer_failed, publish, tag};
use crate::pipe;
use crate::records::stored;

/// How errors name the layer before its digest is known.
const LAYER: &str = "(import)";

/// What an archive is to become.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ImportImage {
    /// The name that the image gets, if one.
    pub repository: Option<String>,
    /// And the tag, `latest` if none.
    pub tag: Option<String>,
    /// What was done, in words; empty for where the archive came from.
    pub comment: String,
    /// Instructions of a Dockerfile that say what it runs.
    pub changes: Vec<String>,
    /// Where the archive comes from, for the history.
    pub origin: String,
}

/// Makes an image of an archive: one of C:, or a layer as images have it. The last that is told is
/// its ID.
pub(crate) fn import(
    context: Arc<Context>,
    request: ImportImage,
    archive: impl Stream<Item = io::Result<Bytes>> + Send + Unpin + 'static,
) -> ProgressStream {
    reporting(move |reporter| async move {
        let name = match request
            .repository
            .as_deref()
            .filter(|name| !name.is_empty())
        {
            Some(repository) => Some(tag::reference(repository, request.tag.as_deref())?),
            None => None,
        };
        if let Some(name) = &name {
            tag::check_local(None, name)?;
        }
        let step = step(&request)?;
        let (fill, reader) = pipe::reader(archive);
        let store = context.records.store();
        let tags = name.iter().cloned().collect();
        let work = tokio::task::spawn_blocking(move || take_in(&store, reader, step, tags));
        let ((), imported) = tokio::join!(fill, work);
        let id = imported
            .map_err(|error| Error::system("the import was cut short").with_source(error))??;
        tell(&context, &reporter, id, name.as_ref()).await
    })
}

fn step(request: &ImportImage) -> Result<Step> {
    let mut config = RunConfig::default();
    instruction::apply(&mut config, &request.changes)?;
    let comment = match request.comment.as_str() {
        "" => format!("Imported from {}", request.origin),
        comment => comment.to_owned(),
    };
    Ok(Step {
        config,
        comment,
        ..Step::default()
    })
}

/// Blocks.
fn take_in(
    store: &Store,
    archive: pipe::Reader,
    mut step: Step,
    tags: Vec<Reference>,
) -> Result<ImageId> {
    let layer = layer(store, archive)?;
    layer.settle(&[]).map_err(layer_failed)?;
    step.diff_id = Some(layer.diff_id());
    let before = ImageConfig {
        architecture: "amd64".to_owned(),
        os: "windows".to_owned(),
        ..ImageConfig::default()
    };
    let config = draft::next(before, step)?;
    let (layer, _staging) = layer.into_import();
    let mut import = ImageImport::new(config, vec![layer]);
    import.tags = tags;
    store.import_image(&import).map_err(stored)
}

fn layer(store: &Store, archive: pipe::Reader) -> Result<TakenLayer> {
    let expected = Expected {
        blob: None,
        diff_id: None,
        most_bytes: u64::MAX,
    };
    let limits = Limits::default();
    wrap::as_layer(archive, |layer| {
        porthole_layers::take_in(store, LAYER, layer, &expected, &limits).map_err(layer_failed)
    })
}

async fn tell(
    context: &Context,
    reporter: &Reporter,
    id: ImageId,
    name: Option<&Reference>,
) -> Result<()> {
    let image = context.records.image(id).await?;
    let shown = name.map_or_else(|| id.to_string(), ToString::to_string);
    publish(context, &image, "import", &shown);
    if let Some(name) = name {
        publish(context, &image, "tag", &name.to_string());
    }
    reporter.whole(id.to_string()).await;
    Ok(())
}
