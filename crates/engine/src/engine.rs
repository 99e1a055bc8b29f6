//! The door: everything a client can ask.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::future::join_all;
use porthole_compute_service::system::{ComputeService, Wanted};
use porthole_hcs as hcs;

use crate::attachment::{Attach, Attachment, Streams};
use crate::container::config::CreateContainer;
use crate::container::create::{self, Created};
use crate::container::document::OWNER;
use crate::container::handle::Order;
use crate::container::list::{self, ContainerSummary, ListContainers};
use crate::container::logs::{self, Log, LogQuery};
use crate::container::record::Container;
use crate::container::remove::{self, RemoveContainer};
use crate::container::state::Phase;
use crate::container::stop::{self, StopContainer};
use crate::container::top::{self, ProcessTable};
use crate::container::wait::{WaitCondition, Waiting};
use crate::container::{console, events, launch, task};
use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::event::log::EventLog;
use crate::event::{EventQuery, EventStream};
use crate::exec;
use crate::exec::record::{CreateExec, Exec, ExecPhase, StartExec};
use crate::facts::{self, Facts, Info};
use crate::image::{
    self, HistoryEntry, ImageDetails, ImageSummary, ListImages, RemoveImage, RemovedImage,
};
use crate::network::Network;
use crate::records::Records;
use crate::registry::Registry;
use crate::signal::Signal;

/// What an engine works with.
pub struct Parts {
    /// Records and images.
    pub store: porthole_store::Store,
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
    context: Arc<Context>,
}

impl Engine {
    /// Opens an engine: loads every container and takes up those that run, or ended meanwhile.
    ///
    /// # Errors
    /// `Unavailable` when the Compute Service cannot be reached, `System` when the store fails.
    pub async fn open(parts: Parts) -> Result<Arc<Self>> {
        let context = Arc::new(Context {
            records: Records::new(parts.store),
            compute: parts.compute,
            network: parts.network,
            facts: parts.facts,
            events: EventLog::new(),
            containers: Registry::default(),
        });
        let containers = context.records.containers().await?;
        let mut systems = systems(context.compute.as_ref()).await?;
        let connected: Vec<String> = containers
            .iter()
            .filter(|container| matches!(container.state.phase, Phase::Running | Phase::Starting))
            .map(|container| container.id.clone())
            .collect();
        context.network.reconcile(&connected).await?;
        let known = containers.into_iter().map(|container| {
            let has_system = systems.remove(&container.id);
            load(&context, container, has_system)
        });
        join_all(known.collect::<Vec<_>>()).await;
        join_all(systems.iter().map(|id| discard_orphan(&context, id))).await;
        Ok(Arc::new(Self { context }))
    }

    /// Creates a container.
    ///
    /// # Errors
    /// `NotFound` for the image, `Conflict` for the name, `InvalidParameter`, `NotImplemented` for
    /// an isolation that is not there.
    pub async fn create_container(&self, request: CreateContainer) -> Result<Created> {
        create::create(&self.context, request).await
    }

    /// Starts a container; returns when its main process runs.
    ///
    /// # Errors
    /// `NotModified` when it runs already, `Conflict` while it is removed, `InvalidParameter` with
    /// Windows' own text when the program cannot be started, `System`.
    pub async fn start_container(&self, name: &str) -> Result<()> {
        self.context
            .containers
            .find(name)?
            .order(|done| Order::Start { done })
            .await
    }

    /// Attaches to a container's streams. On one that does not run, the streams begin with its next
    /// start and miss nothing.
    ///
    /// # Errors
    /// `NotFound`, `Conflict` while it is removed.
    pub async fn attach_container(&self, name: &str, attach: Attach) -> Result<Attachment> {
        let handle = self.context.containers.find(name)?;
        let container = handle.ledger.read();
        let tty = container.config.tty;
        let mut attachment = Attachment {
            tty,
            output: Box::pin(futures::stream::empty()),
            input: None,
        };
        let logged = if attach.logs {
            Some(logs::so_far(&container, attach)?)
        } else {
            None
        };
        if attach.stream {
            let wanted = Wanted {
                stdin: attach.stdin && container.config.open_stdin,
                stdout: attach.stdout,
                stderr: attach.stderr && !tty,
            };
            let Streams { output, input } =
                handle.order(|done| Order::Attach { wanted, done }).await?;
            attachment.output = output;
            attachment.input = wanted.stdin.then_some(input);
        }
        if let Some(logged) = logged {
            use futures::StreamExt;
            attachment.output = Box::pin(logged.chain(attachment.output));
        }
        events::publish(&self.context.events, &container, "attach", &[]);
        Ok(attachment)
    }

    /// Records that a client left with its detach keys.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn container_detached(&self, name: &str) -> Result<()> {
        let container = self.inspect_container(name)?;
        events::publish(&self.context.events, &container, "detach", &[]);
        Ok(())
    }

    /// A container's log.
    ///
    /// # Errors
    /// `NotFound`, `InvalidParameter` when neither stream is asked for.
    pub async fn container_logs(&self, name: &str, query: LogQuery) -> Result<Log> {
        logs::open(self.context.containers.find(name)?.as_ref(), query).await
    }

    /// Begins to wait for a container.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn wait_container(&self, name: &str, condition: WaitCondition) -> Result<Waiting> {
        Ok(Waiting::begin(
            &self.context.containers.find(name)?.ledger,
            condition,
        ))
    }

    /// Stops a container: its stop signal, then, after the timeout, termination.
    ///
    /// # Errors
    /// `NotModified` when it does not run, `InvalidParameter` for the signal, `System`.
    pub async fn stop_container(&self, name: &str, options: StopContainer) -> Result<()> {
        let handle = self.context.containers.find(name)?;
        if !handle.ledger.read().state.is_running() {
            return Err(Error::new(
                ErrorKind::NotModified,
                "container is already stopped",
            ));
        }
        stop::stop(&self.context, &handle, &options).await
    }

    /// Sends a signal; `SIGKILL` (the default) terminates and waits for the end.
    ///
    /// # Errors
    /// `InvalidParameter` for the signal, `Conflict` when it does not run.
    pub async fn kill_container(&self, name: &str, signal: Option<&str>) -> Result<()> {
        let signal = signal.filter(|signal| !signal.is_empty());
        let signal = signal.map_or(Ok(Signal::KILL), Signal::parse)?;
        let handle = self.context.containers.find(name)?;
        stop::kill(&self.context, &handle, signal)
            .await
            .map_err(|error| {
                Error::new(
                    error.kind(),
                    format!("cannot kill container: {name}: {error}"),
                )
                .with_source(error)
            })
    }

    /// Stops a container when it runs, then starts it.
    ///
    /// # Errors
    /// As [`Self::stop_container`] and [`Self::start_container`].
    pub async fn restart_container(&self, name: &str, options: StopContainer) -> Result<()> {
        let handle = self.context.containers.find(name)?;
        stop::restart(&self.context, &handle, &options)
            .await
            .map_err(|error| {
                Error::new(
                    error.kind(),
                    format!("Cannot restart container {name}: {error}"),
                )
                .with_source(error)
            })
    }

    /// Removes a container.
    ///
    /// # Errors
    /// `Conflict` when it runs and removal is not forced, or is being removed already.
    pub async fn remove_container(&self, name: &str, options: RemoveContainer) -> Result<()> {
        let handle = self.context.containers.find(name)?;
        remove::remove(&self.context, &handle, name, options).await
    }

    /// A container as it is now.
    ///
    /// # Errors
    /// `NotFound`; `InvalidParameter` when several IDs begin so.
    pub fn inspect_container(&self, name: &str) -> Result<Arc<Container>> {
        Ok(self.context.containers.find(name)?.ledger.read())
    }

    /// Containers, the newest first.
    ///
    /// # Errors
    /// `InvalidParameter` for a filter.
    pub async fn list_containers(&self, options: ListContainers) -> Result<Vec<ContainerSummary>> {
        list::list(&self.context, options).await
    }

    /// The processes of a container. Windows knows no arguments of `ps`.
    ///
    /// # Errors
    /// `Conflict` when it does not run, `InvalidParameter` for arguments.
    pub async fn top_container(&self, name: &str, arguments: &str) -> Result<ProcessTable> {
        let handle = self.context.containers.find(name)?;
        let table = top::top(&handle, arguments).await?;
        events::publish(&self.context.events, &handle.ledger.read(), "top", &[]);
        Ok(table)
    }

    /// Resizes the console of a container's main process.
    ///
    /// # Errors
    /// `Conflict` when it does not run, `InvalidParameter` without a console.
    pub async fn resize_container(&self, name: &str, height: u16, width: u16) -> Result<()> {
        let handle = self.context.containers.find(name)?;
        console::resize(handle.live()?.main.as_ref(), height, width).await?;
        let extra = [("height", height.to_string()), ("width", width.to_string())];
        events::publish(
            &self.context.events,
            &handle.ledger.read(),
            "resize",
            &extra,
        );
        Ok(())
    }

    /// Creates an exec; returns its ID.
    ///
    /// # Errors
    /// `Conflict` when the container does not run, `InvalidParameter`.
    pub async fn create_exec(&self, container: &str, request: CreateExec) -> Result<String> {
        let handle = self.context.containers.find(container)?;
        exec::create::create(&self.context, &handle, request).await
    }

    /// Starts an exec; gives its streams unless it is detached.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` when it was started before; `InvalidParameter` with Windows' own text
    /// when the program cannot be started.
    pub async fn start_exec(&self, id: &str, options: StartExec) -> Result<Option<Attachment>> {
        let handle = self.context.containers.find_exec(id)?;
        exec::start::start(&self.context, &handle, id, options).await
    }

    /// Records that a client left an exec with its detach keys.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn exec_detached(&self, id: &str) -> Result<()> {
        let (exec, container) = self.inspect_exec(id)?;
        events::publish(
            &self.context.events,
            &container,
            "exec_detach",
            &[("execID", exec.id)],
        );
        Ok(())
    }

    /// An exec as it is now, and its container.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn inspect_exec(&self, id: &str) -> Result<(Exec, Arc<Container>)> {
        let container = self.context.containers.find_exec(id)?.ledger.read();
        let exec = container.execs.get(id).cloned();
        exec.map(|exec| (exec, container))
            .ok_or_else(|| Error::not_found("exec instance", id))
    }

    /// Resizes an exec's console.
    ///
    /// # Errors
    /// `NotFound`, `InvalidParameter` without a console.
    pub async fn resize_exec(&self, id: &str, height: u16, width: u16) -> Result<()> {
        let handle = self.context.containers.find_exec(id)?;
        let (exec, _) = self.inspect_exec(id)?;
        let ExecPhase::Running { process, .. } = exec.phase else {
            return Err(Error::invalid("exec process is not started"));
        };
        let process = handle
            .live()?
            .system
            .open_process(process)
            .await
            .map_err(|error| {
                Error::system(format!("cannot open exec {id}: {error}")).with_source(error)
            })?;
        console::resize(process.as_ref(), height, width).await
    }

    /// Images, the newest first.
    ///
    /// # Errors
    /// `InvalidParameter` for a filter.
    pub async fn list_images(&self, options: ListImages) -> Result<Vec<ImageSummary>> {
        image::list::list(&self.context, options).await
    }

    /// An image.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn inspect_image(&self, name: &str) -> Result<ImageDetails> {
        Ok(image::inspect::details(
            &self.context.records.find_image(name).await?,
        ))
    }

    /// An image's history, the newest step first.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn image_history(&self, name: &str) -> Result<Vec<HistoryEntry>> {
        Ok(image::inspect::history(
            &self.context.records.find_image(name).await?,
        ))
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
        image::remove::remove(&self.context, name, options).await
    }

    /// Events: first the remembered ones asked for, then new ones as they happen.
    ///
    /// # Errors
    /// `InvalidParameter` for a filter.
    pub fn events(&self, query: EventQuery) -> Result<EventStream> {
        self.context.events.subscribe(query)
    }

    /// What `info` and `version` show.
    ///
    /// # Errors
    /// `System` when the store fails.
    pub async fn info(&self) -> Result<Info> {
        facts::info(&self.context).await
    }
}

/// IDs of our compute systems.
async fn systems(compute: &dyn ComputeService) -> Result<BTreeSet<String>> {
    let query = hcs::SystemQuery {
        owners: vec![OWNER.to_owned()],
        ..hcs::SystemQuery::default()
    };
    let systems = compute.enumerate(&query).await.map_err(|error| {
        Error::new(
            ErrorKind::Unavailable,
            "the compute service cannot be reached",
        )
        .with_source(error)
    })?;
    Ok(systems.into_iter().map(|system| system.id).collect())
}

async fn load(context: &Arc<Context>, container: Container, has_system: bool) {
    let settled = matches!(
        container.state.phase,
        Phase::Created | Phase::Exited | Phase::Dead
    );
    if settled && !has_system && !container.host.auto_remove {
        task::spawn(context, container);
    } else {
        task::spawn_known(context, container).await;
    }
}

/// Ends a compute system of ours that no container has.
async fn discard_orphan(context: &Context, id: &str) {
    match context.compute.open(id).await {
        Ok(system) => launch::discard(system.as_ref()).await,
        Err(error) => tracing::warn!(system = id, %error, "cannot open a compute system"),
    }
}
