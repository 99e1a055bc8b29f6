//! What clients ask about containers.

use std::sync::Arc;

use futures::{StreamExt, stream};
use porthole_compute_service::system::Wanted;

use crate::attachment::{Attach, Attachment, Streams};
use crate::container::commit::{self, CommitContainer};
use crate::container::config::CreateContainer;
use crate::container::create::{self, Created};
use crate::container::handle::Order;
use crate::container::list::{self, ContainerSummary, ListContainers};
use crate::container::logs::{self, Log, LogQuery};
use crate::container::prune;
use crate::container::record::Container;
use crate::container::remove::{self, RemoveContainer};
use crate::container::size::{self, Size};
use crate::container::stats::{self, StatsQuery, StatsStream};
use crate::container::stop::{self, StopContainer};
use crate::container::top::{self, ProcessTable};
use crate::container::update::UpdateContainer;
use crate::container::wait::{WaitCondition, Waiting};
use crate::container::{console, events, rename};
use crate::engine::{Engine, see_through};
use crate::error::{Error, Result};
use crate::filter::Filters;
use crate::pruned::Pruned;
use crate::signal::Signal;

impl Engine {
    /// Creates a container.
    ///
    /// # Errors
    /// `NotFound` for the image, `Conflict` for the name, `InvalidParameter`, also for what Docker
    /// has and this version has not.
    pub async fn create_container(&self, request: CreateContainer) -> Result<Created> {
        let context = Arc::clone(&self.context);
        see_through(async move { create::create(&context, request).await }).await
    }

    /// Makes an image of a container; gives its ID.
    ///
    /// # Errors
    /// `NotFound` for the container or its image, `Conflict` while it is removed,
    /// `InvalidParameter` for names and changes, `Forbidden` for a name, `System`.
    pub async fn commit_container(&self, name: &str, request: CommitContainer) -> Result<String> {
        let (context, handle) = self.found(name)?;
        let committed =
            see_through(async move { commit::commit(&context, &handle, request).await });
        committed.await.map(|id| id.to_string())
    }

    /// Starts a container; returns when its main process runs.
    ///
    /// # Errors
    /// `NotModified` when it runs already, `Conflict` while it is removed, `InvalidParameter` with
    /// Windows' own text when the program cannot be started, `System`.
    pub async fn start_container(&self, name: &str) -> Result<()> {
        let (_, handle) = self.found(name)?;
        see_through(async move { handle.order(|done| Order::Start { done }).await }).await
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
            output: Box::pin(stream::empty()),
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
        let handle = self.context.containers.find(name)?;
        logs::open(&self.context, &handle, query).await
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
        let (context, handle) = self.found(name)?;
        see_through(async move { stop::stop(&context, &handle, &options).await }).await
    }

    /// Sends a signal; `SIGKILL` (the default) terminates and waits for the end.
    ///
    /// # Errors
    /// `InvalidParameter` for the signal, `Conflict` when it does not run.
    pub async fn kill_container(&self, name: &str, signal: Option<&str>) -> Result<()> {
        let signal = signal.filter(|signal| !signal.is_empty());
        let signal = signal.map_or(Ok(Signal::KILL), Signal::parse)?;
        let (context, handle) = self.found(name)?;
        see_through(async move { stop::kill(&context, &handle, signal).await })
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
        let (context, handle) = self.found(name)?;
        see_through(async move { stop::restart(&context, &handle, &options).await })
            .await
            .map_err(|error| {
                Error::new(
                    error.kind(),
                    format!("Cannot restart container {name}: {error}"),
                )
                .with_source(error)
            })
    }

    /// Stops everything in a container from running, for a while.
    ///
    /// # Errors
    /// `Conflict` when it does not run or is paused already.
    pub async fn pause_container(&self, name: &str) -> Result<()> {
        let (_, handle) = self.found(name)?;
        see_through(async move { handle.order(|done| Order::Pause { done }).await }).await
    }

    /// Lets everything in a paused container run again.
    ///
    /// # Errors
    /// `Conflict` when it is not paused.
    pub async fn unpause_container(&self, name: &str) -> Result<()> {
        let (_, handle) = self.found(name)?;
        see_through(async move { handle.order(|done| Order::Unpause { done }).await }).await
    }

    /// Changes a container's limits and its restart policy, also while it runs; gives what the client
    /// should be told. When it fails, nothing is changed.
    ///
    /// # Errors
    /// `InvalidParameter` for the limits, `Conflict` while it is removed or when its restart policy
    /// cannot be, `System` when the host refuses a limit.
    pub async fn update_container(
        &self,
        name: &str,
        update: UpdateContainer,
    ) -> Result<Vec<String>> {
        let (_, handle) = self.found(name)?;
        see_through(async move { handle.order(|done| Order::Update { update, done }).await }).await
    }

    /// Gives a container another name.
    ///
    /// # Errors
    /// `InvalidParameter` for the name, `Conflict` when it is taken.
    pub async fn rename_container(&self, name: &str, new: &str) -> Result<()> {
        let (context, handle) = self.found(name)?;
        let new = new.to_owned();
        see_through(async move { rename::rename(&context, &handle, &new).await }).await
    }

    /// Removes a container.
    ///
    /// # Errors
    /// `Conflict` when it runs and removal is not forced, or is being removed already.
    pub async fn remove_container(&self, name: &str, options: RemoveContainer) -> Result<()> {
        let (context, handle) = self.found(name)?;
        see_through(async move { remove::remove(&context, &handle, options).await }).await
    }

    /// Removes every container that does not run.
    ///
    /// # Errors
    /// `InvalidParameter` for a filter.
    pub async fn prune_containers(&self, filters: Filters) -> Result<Pruned<String>> {
        let context = Arc::clone(&self.context);
        see_through(async move { prune::prune(&context, &filters).await }).await
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

    /// How much space a container takes.
    ///
    /// # Errors
    /// `NotFound`; `System` when its files cannot be measured.
    pub async fn container_size(&self, name: &str) -> Result<Size> {
        let handle = self.context.containers.find(name)?;
        size::measure(&self.context, &handle.id).await
    }

    /// The processes of a container.
    ///
    /// # Errors
    /// `Conflict` when it does not run.
    pub async fn top_container(&self, name: &str) -> Result<ProcessTable> {
        let handle = self.context.containers.find(name)?;
        let table = top::top(&handle).await?;
        events::publish(&self.context.events, &handle.ledger.read(), "top", &[]);
        Ok(table)
    }

    /// What a container uses; one that does not run uses nothing.
    ///
    /// # Errors
    /// `NotFound`; `System` when it cannot be read.
    pub async fn container_stats(&self, name: &str, query: StatsQuery) -> Result<StatsStream> {
        let (context, handle) = self.found(name)?;
        stats::stats(context, handle, query).await
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
}
