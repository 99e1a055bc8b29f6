//! Making an image of a container.

use porthole_compute_service::registry::RegistryChanges;
use porthole_layer::{FileTime, LayerPath};
use porthole_layers::{Given, Limits, TakenLayer};
use porthole_oci::{ImageId, Reference};
use porthole_store::{Image, ImageImport, LayerContents, LayerImport, Store};
use time::OffsetDateTime;

use crate::container::config::ContainerConfig;
use crate::container::copies::Copy;
use crate::container::document::Storage;
use crate::container::events;
use crate::container::handle::{Handle, Order};
use crate::container::hives::{self, HiveFile};
use crate::container::merge;
use crate::container::record::Container;
use crate::container::state::Phase;
use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::image::draft::{self, Step};
use crate::image::{layer_failed, publish, tag};
use crate::records::stored;

/// How to make an image of a container.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct CommitContainer {
    /// The name that it gets, if one.
    pub repository: Option<String>,
    /// And the tag, `latest` if none.
    pub tag: Option<String>,
    /// Who made it.
    pub author: String,
    /// What was done, in words.
    pub comment: String,
    /// Instructions of a Dockerfile that change what it runs.
    pub changes: Vec<String>,
    /// Whether a running container is paused meanwhile.
    pub pause: bool,
    /// What it runs, where that is not what the container runs.
    pub config: Option<ContainerConfig>,
}

/// Makes it; gives its ID.
pub(crate) async fn commit(
    context: &Context,
    handle: &Handle,
    request: CommitContainer,
) -> Result<ImageId> {
    let container = handle.ledger.read();
    check_phase(&container)?;
    let name = match &request.repository {
        Some(repository) => Some(tag::reference(repository, request.tag.as_deref())?),
        None => None,
    };
    let image = parent(context, &container).await?;
    if let Some(name) = &name {
        tag::check_local(None, name)?;
    }
    let draft = Draft {
        step: step(&container, &image, &request)?,
        image,
        name: name.clone(),
    };
    let is_running = container.state.phase == Phase::Running;
    let is_paused_here = is_running && request.pause && pause(handle).await?;
    let taken = taken(context, handle, is_paused_here).await;
    if is_paused_here {
        unpause(handle).await;
    }
    let layer = taken?;
    let committed = context
        .records
        .work(move |store| draft.import(store, layer));
    let id = committed.await?;
    tell(context, &container, id, name.as_ref(), &request.comment).await?;
    Ok(id)
}

/// What is to become an image.
struct Draft {
    image: Image,
    step: Step,
    name: Option<Reference>,
}

/// Takes what the container changed: registry and files, which are of one moment where nothing of it
/// runs meanwhile.
async fn taken(context: &Context, handle: &Handle, is_paused_here: bool) -> Result<TakenLayer> {
    let mut paused = match is_paused_here {
        true => Some(registry_of_paused(context, handle).await?),
        false => None,
    };
    // Nobody starts or removes it meanwhile.
    let mut copy = handle.copies.begin().await;
    loop {
        let registry = match paused.take() {
            Some(registry) => registry,
            None => registry(context, handle).await?,
        };
        let (layer, held) = take(context, handle, &registry, copy).await?;
        copy = held;
        if !registry.has_ended_since(handle) {
            return Ok(layer);
        }
        // The files are of after its end, and hold what it wrote to the registry last.
    }
}

/// The registry as it was when the container was paused; of one that could not tell it then, as it is
/// just before it is paused again.
async fn registry_of_paused(context: &Context, handle: &Handle) -> Result<Registry> {
    let error = match registry(context, handle).await {
        Ok(registry) => return Ok(registry),
        Err(error) => error,
    };
    tracing::warn!(container = handle.id, %error, "it is asked for its registry while it runs");
    unpause(handle).await;
    let mut registry = registry(context, handle).await?;
    registry.was_running &= !pause(handle).await?;
    Ok(registry)
}

/// What a container changed in the registry.
struct Registry {
    changes: RegistryChanges,
    /// Whether it could go on changing it.
    was_running: bool,
    /// Which run of the container it is of.
    started_at: Option<OffsetDateTime>,
}

impl Registry {
    /// Whether the container that ran when this was taken runs no more.
    fn has_ended_since(&self, handle: &Handle) -> bool {
        let container = handle.ledger.read();
        let state = &container.state;
        self.was_running && (!state.is_active() || state.started_at != self.started_at)
    }
}

async fn registry(context: &Context, handle: &Handle) -> Result<Registry> {
    let before = handle.ledger.read();
    let changes = hives::changes(context, handle).await?;
    if !changes.outside.is_empty() {
        tracing::warn!(
            container = handle.id,
            keys = ?changes.outside,
            "keys outside the image's hives are not committed"
        );
    }
    Ok(Registry {
        changes,
        was_running: before.state.phase == Phase::Running,
        started_at: before.state.started_at,
    })
}

/// Takes the files, and the registry as files among them.
async fn take(
    context: &Context,
    handle: &Handle,
    registry: &Registry,
    copy: Copy,
) -> Result<(TakenLayer, Copy)> {
    let work = Work {
        hives: hives::files(&handle.ledger.read(), &registry.changes),
        storage: context.records.storage(&handle.id).await?,
        copy,
    };
    context
        .records
        .work(move |store| work.carry_out(store))
        .await
}

fn check_phase(container: &Container) -> Result<()> {
    let what = match container.state.phase {
        Phase::Removing => "being removed",
        Phase::Dead => "Dead",
        _ => return Ok(()),
    };
    Err(Error::conflict(format!(
        "You cannot commit container {} which is {what}",
        container.id
    )))
}

/// The image that the container was made from, whose history the new one goes on with.
async fn parent(context: &Context, container: &Container) -> Result<Image> {
    context
        .records
        .find_image(&container.image_id)
        .await
        .map_err(|error| match error.kind() {
            ErrorKind::NotFound => Error::new(
                ErrorKind::NotFound,
                format!(
                    "the image of container {} has been removed: {error}",
                    container.id
                ),
            ),
            _ => error,
        })
}

fn step(container: &Container, image: &Image, request: &CommitContainer) -> Result<Step> {
    let config = match &request.config {
        Some(config) => merge::merge(config.clone(), container.config.clone())?,
        None => container.config.clone(),
    };
    let mut config = draft::run_config(&config, &image.config.config, &request.changes)?;
    keep_wine_build(&mut config.labels, &image.config.config.labels);
    Ok(Step {
        config,
        author: request.author.clone(),
        comment: request.comment.clone(),
        created_by: container.command_line.clone(),
        diff_id: None,
    })
}

/// Which Wine the layers were made with stays true whatever a client says.
fn keep_wine_build(
    labels: &mut std::collections::BTreeMap<String, String>,
    image: &std::collections::BTreeMap<String, String>,
) {
    use crate::image::config::WINE_BUILD;
    match image.get(WINE_BUILD) {
        Some(build) => labels.insert(WINE_BUILD.to_owned(), build.clone()),
        None => labels.remove(WINE_BUILD),
    };
}

/// Pauses a container that runs; whether it did.
async fn pause(handle: &Handle) -> Result<bool> {
    if handle.ledger.read().state.phase != Phase::Running {
        return Ok(false);
    }
    match handle.order(|done| Order::Pause { done }).await {
        Ok(()) => Ok(true),
        // It has ended, or somebody else has paused it.
        Err(error) if error.kind() == ErrorKind::Conflict => Ok(false),
        Err(error) => Err(error),
    }
}

async fn unpause(handle: &Handle) {
    match handle.order(|done| Order::Unpause { done }).await {
        Ok(()) => {}
        // It was killed, or somebody else has let it go on.
        Err(error) if error.kind() == ErrorKind::Conflict => {}
        Err(error) => tracing::error!(container = handle.id, %error, "it stays paused"),
    }
}

async fn tell(
    context: &Context,
    container: &Container,
    id: ImageId,
    name: Option<&Reference>,
    comment: &str,
) -> Result<()> {
    let extra = [
        ("comment", comment.to_owned()),
        ("imageID", id.to_string()),
        (
            "imageRef",
            name.map(ToString::to_string).unwrap_or_default(),
        ),
    ];
    events::publish(&context.events, container, "commit", &extra);
    if let Some(name) = name {
        let image = context.records.image(id).await?;
        publish(context, &image, "tag", &name.to_string());
    }
    Ok(())
}

/// What a thread does that may block.
struct Work {
    hives: Vec<HiveFile>,
    storage: Storage,
    /// Nobody starts or removes the container meanwhile.
    copy: Copy,
}

impl Work {
    fn carry_out(self, store: &Store) -> Result<(TakenLayer, Copy)> {
        let Self {
            hives,
            storage,
            copy,
        } = self;
        let lowers: Vec<_> = storage.layers.iter().map(AsRef::as_ref).collect();
        let now = OffsetDateTime::now_utc();
        let modified = FileTime::from_unix(now.unix_timestamp(), now.nanosecond());
        let given = hives.iter().map(|file| {
            let path = LayerPath::new(&file.path)
                .map_err(|error| Error::system(error.to_string()).with_source(error))?;
            let content = &file.content;
            Ok(Given {
                path,
                content,
                modified,
            })
        });
        let given = given.collect::<Result<Vec<_>>>()?;
        let upper = storage.sandbox.join("upper");
        let limits = Limits::default();
        let (layer, set_aside) = porthole_layers::commit(store, &upper, &lowers, &given, &limits)
            .map_err(layer_failed)?;
        if let Some(warning) = set_aside.warning() {
            tracing::warn!("not all that the container holds is committed: {warning}");
        }
        Ok((layer, copy))
    }
}

impl Draft {
    fn import(mut self, store: &Store, layer: TakenLayer) -> Result<ImageId> {
        self.step.diff_id = Some(layer.diff_id());
        let config = draft::next(self.image.config.clone(), self.step)?;
        let present = |_| LayerImport {
            contents: LayerContents::Present,
            blob: None,
        };
        let mut layers: Vec<LayerImport> = self.image.layers.iter().map(present).collect();
        let (layer, _staging) = layer.into_import();
        layers.push(layer);
        let mut import = ImageImport::new(config, layers);
        import.base = self.image.base;
        import.parent = Some(self.image.id);
        import.tags = self.name.into_iter().collect();
        store.import_image(&import).map_err(stored)
    }
}
