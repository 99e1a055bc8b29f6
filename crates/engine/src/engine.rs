//! The door: everything a client can ask.

use std::sync::Arc;

use porthole_compute_service::system::ComputeService;

use crate::attachment::{Attach, Attachment};
use crate::container::config::CreateContainer;
use crate::container::create::Created;
use crate::container::list::{ContainerSummary, ListContainers};
use crate::container::logs::{Log, LogQuery};
use crate::container::record::Container;
use crate::container::remove::RemoveContainer;
use crate::container::stop::StopContainer;
use crate::container::top::ProcessTable;
use crate::container::wait::{WaitCondition, Waiting};
use crate::error::{Error, ErrorKind, Result};
use crate::event::{EventQuery, EventStream};
use crate::exec::record::{CreateExec, Exec, StartExec};
use crate::facts::{Facts, Info};
use crate::image::{
    HistoryEntry, ImageDetails, ImageSummary, ListImages, RemoveImage, RemovedImage,
};
use crate::network::Network;

/// What an engine works with.
pub struct Parts {
    /// Records and images.
    pub store: Arc<()>,
    /// The Compute Service.
    pub compute: Arc<dyn ComputeService>,
    /// Networks.
    pub network: Arc<dyn Network>,
    /// What `info` tells.
    pub facts: Facts,
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parts")
            .field("facts", &self.facts)
            .finish_non_exhaustive()
    }
}

/// The engine. `name` is everywhere an ID, an unambiguous beginning of one, or a name.
#[derive(Debug)]
pub struct Engine {
    #[allow(dead_code)]
    parts: Parts,
}

fn pending<T>() -> Result<T> {
    Err(Error::new(ErrorKind::NotImplemented, "not wired yet"))
}

#[allow(clippy::unused_async, unused_variables)]
impl Engine {
    /// Opens an engine: loads every container and takes up those that run, or ended meanwhile.
    ///
    /// # Errors
    /// `Unavailable` when the Compute Service cannot be reached, `System` when the store fails.
    pub async fn open(parts: Parts) -> Result<Arc<Self>> {
        Ok(Arc::new(Self { parts }))
    }

    /// Creates a container.
    ///
    /// # Errors
    /// `NotFound` for the image, `Conflict` for the name, `InvalidParameter`, `NotImplemented` for
    /// an isolation that is not there.
    pub async fn create_container(&self, request: CreateContainer) -> Result<Created> {
        pending()
    }

    /// Starts a container; returns when its main process runs.
    ///
    /// # Errors
    /// `NotModified` when it runs already, `Conflict` while it is removed, `InvalidParameter` with
    /// Windows' own text when the program cannot be started, `System`.
    pub async fn start_container(&self, name: &str) -> Result<()> {
        pending()
    }

    /// Attaches to a container's streams. On one that does not run, the streams begin with its next
    /// start and miss nothing.
    ///
    /// # Errors
    /// `NotFound`, `Conflict` while it is removed.
    pub async fn attach_container(&self, name: &str, attach: Attach) -> Result<Attachment> {
        pending()
    }

    /// Records that a client left with its detach keys.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn container_detached(&self, name: &str) -> Result<()> {
        pending()
    }

    /// A container's log.
    ///
    /// # Errors
    /// `NotFound`, `InvalidParameter` when neither stream is asked for.
    pub async fn container_logs(&self, name: &str, query: LogQuery) -> Result<Log> {
        pending()
    }

    /// Begins to wait for a container.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn wait_container(&self, name: &str, condition: WaitCondition) -> Result<Waiting> {
        pending()
    }

    /// Stops a container: its stop signal, then, after the timeout, termination.
    ///
    /// # Errors
    /// `NotModified` when it does not run, `InvalidParameter` for the signal, `System`.
    pub async fn stop_container(&self, name: &str, options: StopContainer) -> Result<()> {
        pending()
    }

    /// Sends a signal; `SIGKILL` (the default) terminates and waits for the end.
    ///
    /// # Errors
    /// `InvalidParameter` for the signal, `Conflict` when it does not run.
    pub async fn kill_container(&self, name: &str, signal: Option<&str>) -> Result<()> {
        pending()
    }

    /// Stops a container when it runs, then starts it.
    ///
    /// # Errors
    /// As [`Self::stop_container`] and [`Self::start_container`].
    pub async fn restart_container(&self, name: &str, options: StopContainer) -> Result<()> {
        pending()
    }

    /// Removes a container.
    ///
    /// # Errors
    /// `Conflict` when it runs and removal is not forced, or is being removed already.
    pub async fn remove_container(&self, name: &str, options: RemoveContainer) -> Result<()> {
        pending()
    }

    /// A container as it is now.
    ///
    /// # Errors
    /// `NotFound`; `InvalidParameter` when several IDs begin so.
    pub fn inspect_container(&self, name: &str) -> Result<Arc<Container>> {
        pending()
    }

    /// Containers, the newest first.
    ///
    /// # Errors
    /// `InvalidParameter` for a filter.
    pub async fn list_containers(&self, options: ListContainers) -> Result<Vec<ContainerSummary>> {
        pending()
    }

    /// The processes of a container. Windows knows no arguments of `ps`.
    ///
    /// # Errors
    /// `Conflict` when it does not run, `InvalidParameter` for arguments.
    pub async fn top_container(&self, name: &str, arguments: &str) -> Result<ProcessTable> {
        pending()
    }

    /// Resizes the console of a container's main process.
    ///
    /// # Errors
    /// `Conflict` when it does not run, `InvalidParameter` without a console.
    pub async fn resize_container(&self, name: &str, height: u16, width: u16) -> Result<()> {
        pending()
    }

    /// Creates an exec; returns its ID.
    ///
    /// # Errors
    /// `Conflict` when the container does not run, `InvalidParameter`.
    pub async fn create_exec(&self, container: &str, request: CreateExec) -> Result<String> {
        pending()
    }

    /// Starts an exec; gives its streams unless it is detached.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` when it was started before; `InvalidParameter` with Windows' own text
    /// when the program cannot be started.
    pub async fn start_exec(&self, id: &str, options: StartExec) -> Result<Option<Attachment>> {
        pending()
    }

    /// Records that a client left an exec with its detach keys.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn exec_detached(&self, id: &str) -> Result<()> {
        pending()
    }

    /// An exec as it is now, and its container.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn inspect_exec(&self, id: &str) -> Result<(Exec, Arc<Container>)> {
        pending()
    }

    /// Resizes an exec's console.
    ///
    /// # Errors
    /// `NotFound`, `InvalidParameter` without a console.
    pub async fn resize_exec(&self, id: &str, height: u16, width: u16) -> Result<()> {
        pending()
    }

    /// Images, the newest first.
    ///
    /// # Errors
    /// `InvalidParameter` for a filter.
    pub async fn list_images(&self, options: ListImages) -> Result<Vec<ImageSummary>> {
        pending()
    }

    /// An image.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn inspect_image(&self, name: &str) -> Result<ImageDetails> {
        pending()
    }

    /// An image's history, the newest step first.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn image_history(&self, name: &str) -> Result<Vec<HistoryEntry>> {
        pending()
    }

    /// Removes an image or one of its names.
    ///
    /// # Errors
    /// `NotFound`, `Conflict` when it is in use.
    pub async fn remove_image(
        &self,
        name: &str,
        options: RemoveImage,
    ) -> Result<Vec<RemovedImage>> {
        pending()
    }

    /// Events: first the remembered ones asked for, then new ones as they happen.
    ///
    /// # Errors
    /// `InvalidParameter` for a filter.
    pub fn events(&self, query: EventQuery) -> Result<EventStream> {
        pending()
    }

    /// What `info` and `version` show.
    ///
    /// # Errors
    /// `System` when the store fails.
    pub async fn info(&self) -> Result<Info> {
        pending()
    }
}
