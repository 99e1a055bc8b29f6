//! The store as the engine uses it: off the runtime's threads, and in the engine's errors.

use porthole_oci::MAX_LAYERS;
use porthole_store::{Image, ImageId, NewContainer, Reference, RemovedImage, Store, Untagged};

use crate::container::document::Storage;
use crate::container::record::Container;
use crate::error::{Error, ErrorKind, Result};

/// Records and images.
#[derive(Debug, Clone)]
pub(crate) struct Records {
    store: Store,
}

/// What the store has of containers.
#[derive(Debug, Default)]
pub(crate) struct Containers {
    /// Those whose records can be read.
    pub(crate) known: Vec<Container>,
    /// IDs of the others, as another version or a damaged disk leaves them. They may run.
    pub(crate) unreadable: Vec<String>,
}

impl Records {
    pub(crate) const fn new(store: Store) -> Self {
        Self { store }
    }

    /// The paths of a container's files, whether or not it exists.
    pub(crate) fn log_path(&self, id: &str) -> std::path::PathBuf {
        self.store.container_directory(id).log()
    }

    /// Records a new container and makes its directories.
    pub(crate) async fn create(&self, container: &Container, image: ImageId) -> Result<()> {
        let new = NewContainer {
            id: container.id.clone(),
            name: container.name.clone(),
            image,
            base: base(container)?,
            created: nanoseconds(container.created),
            document: document(container)?,
        };
        self.run(move |store| store.create_container(&new))
            .await
            .map(drop)
    }

    /// Saves a container's record.
    pub(crate) async fn save(&self, container: &Container) -> Result<()> {
        let (id, document) = (container.id.clone(), document(container)?);
        self.run(move |store| store.update_container(&id, &document))
            .await
    }

    /// Saves a container's record under its new name.
    pub(crate) async fn rename(&self, container: &Container) -> Result<()> {
        let (id, name) = (container.id.clone(), container.name.clone());
        let document = document(container)?;
        self.run(move |store| store.rename_container(&id, &name, &document))
            .await
    }

    /// Forgets a container and deletes its files. What is not there needs no removal.
    pub(crate) async fn remove(&self, id: &str) -> Result<()> {
        let id = id.to_owned();
        let removed = self.run(move |store| store.remove_container(&id)).await;
        removed.or_else(|error| match error.kind() {
            ErrorKind::NotFound => Ok(()),
            _ => Err(error),
        })
    }

    /// All containers, the oldest first.
    pub(crate) async fn containers(&self) -> Result<Containers> {
        let mut containers = Containers::default();
        for record in self.run(Store::containers).await? {
            match serde_json::from_str(&record.document) {
                Ok(container) => containers.known.push(container),
                Err(error) => {
                    tracing::error!(container = record.id, %error, "cannot read the record");
                    containers.unreadable.push(record.id);
                }
            }
        }
        Ok(containers)
    }

    /// Where a container's files are.
    pub(crate) async fn storage(&self, id: &str) -> Result<Storage> {
        let id = id.to_owned();
        self.run(move |store| {
            let layers = store.container_layers(&id)?;
            Ok(Storage {
                layers: layers
                    .into_iter()
                    .rev()
                    .map(|layer| store.root().layer(layer))
                    .collect(),
                sandbox: store.container_directory(&id).sandbox(),
            })
        })
        .await
    }

    /// How much space a container takes.
    pub(crate) async fn container_size(&self, id: &str) -> Result<porthole_store::ContainerSize> {
        let id = id.to_owned();
        self.run(move |store| store.container_size(&id)).await
    }

    /// All images.
    pub(crate) async fn images(&self) -> Result<Vec<Image>> {
        self.run(Store::images).await
    }

    /// The image that a client names.
    pub(crate) async fn find_image(&self, name: &str) -> Result<Image> {
        let wanted = name.to_owned();
        self.run_on(move |store| store.find_image(&wanted))
            .await?
            .map_err(|error| match error.kind() {
                porthole_store::ErrorKind::NotFound => Error::not_found("image", &with_tag(name)),
                porthole_store::ErrorKind::Invalid => {
                    Error::invalid(format!("invalid reference format: {name}")).with_source(error)
                }
                _ => stored(error),
            })
    }

    /// Gives an image a name, which another may lose.
    pub(crate) async fn tag(&self, image: ImageId, name: Reference) -> Result<()> {
        self.run(move |store| store.tag(image, &name).map(drop))
            .await
    }

    /// Takes a name from its image.
    pub(crate) async fn untag(&self, name: Reference) -> Result<Untagged> {
        self.run(move |store| store.untag(&name)).await
    }

    /// Removes an image with all its names; one that containers were made from only with `force`.
    pub(crate) async fn remove_image(&self, id: ImageId, force: bool) -> Result<RemovedImage> {
        self.run(move |store| match force {
            true => store.remove_image(id),
            false => store.remove_unused_image(id),
        })
        .await
    }

    /// An image by its ID.
    pub(crate) async fn image(&self, id: ImageId) -> Result<Image> {
        self.run(move |store| store.image(id)).await
    }

    /// When an image got a name last, in nanoseconds since 1970.
    pub(crate) async fn last_tagged(&self, id: ImageId) -> Result<Option<i64>> {
        self.run(move |store| store.last_tagged(id)).await
    }

    /// The images that an image was made from here, the nearest first, as far as they are still
    /// there.
    pub(crate) async fn ancestors(&self, image: &Image) -> Result<Vec<Image>> {
        let mut next = image.parent;
        self.run(move |store| {
            let mut ancestors: Vec<Image> = Vec::new();
            while let Some(id) = next {
                let parent = match store.image(id) {
                    Err(error) if error.is_not_found() => break,
                    parent => parent?,
                };
                next = parent.parent.filter(|_| ancestors.len() < MAX_LAYERS);
                ancestors.push(parent);
            }
            Ok(ancestors)
        })
        .await
    }

    /// Does what takes several steps with the store.
    pub(crate) async fn work<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.run_on(work).await?
    }

    /// The store itself, for threads that block.
    pub(crate) fn store(&self) -> Store {
        self.store.clone()
    }

    async fn run<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> porthole_store::Result<T> + Send + 'static,
    ) -> Result<T> {
        self.run_on(work).await?.map_err(stored)
    }

    /// The store blocks, so its work is done on a thread where that harms nobody.
    async fn run_on<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> T + Send + 'static,
    ) -> Result<T> {
        let store = self.store.clone();
        tokio::task::spawn_blocking(move || work(&store))
            .await
            .map_err(|error| Error::system("the store's work was cut short").with_source(error))
    }
}

/// `name:latest` for a name without tag or digest, as Docker's messages have it.
fn with_tag(name: &str) -> String {
    let is_id = name.starts_with("sha256:");
    match name.parse::<Reference>() {
        Ok(reference) if !is_id => reference.or_latest().to_string(),
        _ => name.to_owned(),
    }
}

/// The image whose layers take the place of Microsoft's.
fn base(container: &Container) -> Result<Option<ImageId>> {
    let id = container.base.as_deref().map(str::parse).transpose();
    let id = id.map_err(|error: porthole_oci::Error| {
        Error::system("the container's record names no image as its base").with_source(error)
    });
    Ok(id?.map(ImageId))
}

fn document(container: &Container) -> Result<String> {
    serde_json::to_string(container)
        .map_err(|error| Error::system("cannot write the container's record").with_source(error))
}

/// Nanoseconds since 1970.
pub(crate) fn nanoseconds(time: time::OffsetDateTime) -> i64 {
    i64::try_from(time.unix_timestamp_nanos()).unwrap_or(i64::MAX)
}

/// A failure of the store in the engine's terms.
pub(crate) fn stored(error: porthole_store::Error) -> Error {
    use porthole_store::ErrorKind as Kind;
    let kind = match error.kind() {
        Kind::NotFound => ErrorKind::NotFound,
        Kind::NameInUse { .. } | Kind::AlreadyExists | Kind::InUse | Kind::Locked => {
            ErrorKind::Conflict
        }
        Kind::Ambiguous | Kind::Invalid => ErrorKind::InvalidParameter,
        _ => ErrorKind::System,
    };
    Error::new(kind, error.to_string()).with_source(error)
}
