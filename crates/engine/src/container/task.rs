//! The task that owns a container: takes orders one after another, and sees the container's end.

use std::panic::AssertUnwindSafe;
use std::sync::Arc;
use std::time::Duration;

use futures::future::{BoxFuture, FutureExt};
use porthole_compute_service as compute;
use porthole_compute_service::system::{ComputeSystem, Process, Wanted};
use porthole_log_drivers::Forwarder;
use tokio::sync::mpsc;

use crate::attachment::{Promise, Streams};
use crate::container::ending::{self, Ending};
use crate::container::handle::{Handle, Live, Order};
use crate::container::health::{Health, HealthCheck};
use crate::container::health_monitor::Monitor;
use crate::container::ledger::{Ledger, Recorded};
use crate::container::log_forward::{self, Forwarding};
use crate::container::record::Container;
use crate::container::restart::{self, Backoff, NextStart};
use crate::container::state::{Phase, Step};
use crate::container::{events, launch};
use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};

/// The pause after a fault, so that one that recurs takes no processor.
const AFTER_FAULT: Duration = Duration::from_secs(1);

/// How many orders may queue before who gives one waits.
const ORDERS: usize = 16;

/// How long a start waits for those who copy files. What they have not copied then breaks off: a
/// client that reads nothing must not keep a container from starting.
const COPIES_END_WITHIN: Duration = Duration::from_secs(10);

/// A client that waits for the start.
#[derive(Debug)]
pub(crate) struct Waiter {
    pub(crate) wanted: Wanted,
    pub(crate) promise: Promise,
}

/// The owner of a container.
pub(crate) struct Task {
    pub(super) context: Arc<Context>,
    pub(super) handle: Arc<Handle>,
    orders: mpsc::Receiver<Order>,
    /// Clients that attached before the start.
    waiters: Vec<Waiter>,
    /// Resolves when what runs has ended.
    end: Option<BoxFuture<'static, Ending>>,
    /// The start that the restart policy wants.
    pub(super) again: Option<NextStart>,
    pub(super) backoff: Backoff,
    /// Sends its log away, where the driver does.
    forwarding: Option<Forwarding>,
    /// A system that has stopped and whose end could not be saved.
    pub(super) unsaved: Option<Arc<dyn ComputeSystem>>,
    pub(super) removed: bool,
}

/// Registers a container that was just recorded, and starts its task.
pub(crate) fn spawn(context: &Arc<Context>, container: Container) {
    look_after(new(context, container));
}

/// Registers a container that an earlier engine left, brings its record in line with what the
/// Compute Service says, and starts its task.
pub(crate) fn spawn_known(context: &Arc<Context>, container: Container) -> BoxFuture<'_, ()> {
    let mut task = new(context, container);
    async move {
        task.take_up().await;
        look_after(task);
    }
    .boxed()
}

/// Runs a task. Should a fault of this program end it, its container would be listed for ever and
/// obey nobody, so another task takes the container up as the next engine would.
fn look_after(task: Task) {
    let (context, handle) = (Arc::clone(&task.context), Arc::clone(&task.handle));
    tokio::spawn(async move {
        if AssertUnwindSafe(task.run()).catch_unwind().await.is_err() {
            tracing::error!(
                container = handle.id,
                "a fault ended the container's task; taking it up anew"
            );
            tokio::time::sleep(AFTER_FAULT).await;
            let container = Container::clone(&handle.ledger.read());
            // Who follows the old record is told so by its end.
            drop(handle);
            spawn_known(&context, container).await;
        }
    });
}

fn new(context: &Arc<Context>, container: Container) -> Task {
    let (sender, orders) = mpsc::channel(ORDERS);
    let id = container.id.clone();
    let ledger = Arc::new(Ledger::new(context.records.clone(), container));
    let handle = Arc::new(Handle::new(id, ledger, sender));
    context.containers.insert(Arc::clone(&handle));
    Task {
        context: Arc::clone(context),
        handle,
        orders,
        waiters: Vec::new(),
        end: None,
        again: None,
        backoff: Backoff::default(),
        forwarding: None,
        unsaved: None,
        removed: false,
    }
}

impl Task {
    async fn run(mut self) {
        while !self.removed {
            tokio::select! {
                // An end that is there already comes before an order that would see it as running.
                biased;
                ending = ended(&mut self.end) => self.finish(ending).await,
                order = self.orders.recv() => match order {
                    Some(order) => self.obey(order).await,
                    None => break,
                },
                restarts = restart::is_due(&mut self.again) => self.start_again(restarts).await,
            }
        }
    }

    async fn obey(&mut self, order: Order) {
        // Whoever gave the order may have left; it is carried out all the same.
        match order {
            Order::Start { done } => drop(done.send(self.start().await)),
            Order::Attach { wanted, done } => drop(done.send(self.attach(wanted).await)),
            Order::GiveUpRestart { done } => drop(done.send(self.give_up_restart().await)),
            Order::Pause { done } => drop(done.send(self.pause().await)),
            Order::Unpause { done } => drop(done.send(self.unpause().await)),
            Order::Update { update, done } => drop(done.send(self.update(update).await)),
            Order::Remove { done } => drop(done.send(self.remove().await)),
        }
    }

    pub(super) fn read(&self) -> Arc<Container> {
        self.handle.ledger.read()
    }

    async fn start(&mut self) -> Result<()> {
        match self.read().state.phase {
            Phase::Paused => {
                return Err(Error::conflict(
                    "cannot start a paused container, try unpause instead",
                ));
            }
            Phase::Running | Phase::Starting | Phase::Restarting => {
                return Err(Error::new(
                    ErrorKind::NotModified,
                    "container is already running",
                ));
            }
            Phase::Removing | Phase::Dead => {
                return Err(Error::conflict(
                    "container is marked for removal and cannot be started",
                ));
            }
            Phase::Created | Phase::Exited => {}
        }
        self.handle.set_restarting(false);
        self.begin(|container| container.restarts = 0).await
    }

    /// Starts what does not run; `change` is what becomes of the record besides.
    pub(super) async fn begin(&mut self, change: impl FnOnce(&mut Container)) -> Result<()> {
        // What is copied as long as it does not run has a union of its own over the sandbox, and two
        // of them at once are undefined.
        let handle = Arc::clone(&self.handle);
        let alone = handle.copies.end(COPIES_END_WITHIN).await;
        let container = self
            .handle
            .ledger
            .step(Step::Start, |container| {
                container.state.error.clear();
                container.state.oom_killed = false;
                container.ended_by_client = false;
                change(container);
            })
            .await?;
        // The end of the run before is saved with this at the latest.
        self.close_unsaved().await;
        let launched = self.launch(&container).await;
        // A container that is removed when it does not start waits for its copies itself.
        drop(alone);
        match launched {
            Ok(launched) => self.started(launched).await,
            Err(failure) => self.not_started(failure).await,
        }
    }

    async fn launch(&mut self, container: &Container) -> Result<launch::Launched, launch::Failure> {
        let waiters = std::mem::take(&mut self.waiters);
        self.finish_forwarding().await;
        let forwarder = log_forward::connect(&self.context, container).await?;
        self.forward(forwarder);
        launch::launch(&self.context, container, waiters).await
    }

    pub(super) async fn started(&mut self, launched: launch::Launched) -> Result<()> {
        let launch::Launched { live, endpoint, at } = launched;
        self.run_with(live.clone());
        let container = self
            .handle
            .ledger
            .record(Step::Started, |container| {
                container.state.pid = live.main.pid();
                container.state.main_process = Some(live.main.id());
                container.state.started_at = Some(at);
                container.state.exit_code = 0;
                container.endpoint = endpoint;
                let check = container.config.healthcheck.as_ref();
                if check.is_some_and(HealthCheck::is_on) {
                    let before = container.state.health.take();
                    container.state.health = Some(Health::starting(before));
                }
            })
            .await;
        self.watch_health();
        events::publish_network(&self.context.events, &container, "connect");
        events::publish(&self.context.events, &container, "start", &[]);
        Ok(())
    }

    async fn not_started(&mut self, failure: launch::Failure) -> Result<()> {
        let launch::Failure { error, exit_code } = failure;
        let message = error.to_string();
        let container = self
            .handle
            .ledger
            .record(Step::StartFailed, |container| {
                container.state.exit_code = exit_code;
                container.state.error = message;
                container.endpoint = None;
            })
            .await;
        if container.host.auto_remove {
            self.remove_by_itself().await;
        }
        Err(error)
    }

    pub(super) fn run_with(&mut self, live: Live) {
        let compute = Arc::clone(&self.context.compute);
        self.end = Some(ending::of(compute, Arc::clone(&live.system)).boxed());
        self.handle.set_live(Some(live));
    }

    fn forward(&mut self, forwarder: Option<Forwarder>) {
        let spawn = |forwarder| Forwarding::spawn(&self.context, forwarder, &self.handle);
        self.forwarding = forwarder.map(spawn);
    }

    /// Goes on sending the log that an earlier engine did not send, or not all of it.
    pub(super) fn forward_on(&mut self) {
        match log_forward::open(&self.context, &self.read()) {
            Ok(forwarder) => self.forward(forwarder),
            Err(error) => {
                tracing::error!(container = self.handle.id, %error, "its log is not sent on");
            }
        }
    }

    pub(super) async fn finish_forwarding(&mut self) {
        if let Some(forwarding) = self.forwarding.take() {
            forwarding.finish().await;
        }
    }

    /// Begins to check the health of what runs, where that is asked for.
    pub(super) fn watch_health(&self) {
        let monitor = Monitor::spawn(&self.context, &self.handle);
        self.handle.set_monitor(monitor);
    }

    async fn attach(&mut self, wanted: Wanted) -> Result<Streams> {
        let container = self.read();
        match container.state.phase {
            Phase::Running | Phase::Starting | Phase::Paused => {
                let live = self.handle.awake("attach")?;
                return connect(&live.main, wanted).await;
            }
            Phase::Removing | Phase::Dead => {
                return Err(Error::conflict("container is marked for removal"));
            }
            Phase::Created | Phase::Exited | Phase::Restarting => {}
        }
        let (streams, promise) = Streams::promised();
        self.waiters.retain(|waiter| !waiter.promise.is_abandoned());
        self.waiters.push(Waiter { wanted, promise });
        Ok(streams)
    }

    /// What ran has ended: records it, gives back what it held, and removes the container if that
    /// was asked for.
    pub(super) async fn finish(&mut self, ending: Ending) {
        self.end = None;
        let Ok(live) = self.handle.live() else { return };
        self.handle.set_live(None);
        self.handle.set_monitor(None);
        self.disconnect().await;
        let Recorded { container, saved } = self.settle(&ending).await;
        self.close(live.system, saved).await;
        if container.host.auto_remove && !self.handle.is_restarting() {
            self.remove_by_itself().await;
        }
    }

    /// Closes a compute system whose end is recorded. One whose end could not be saved is kept, for
    /// the Compute Service's own record is then all that the next engine would find; the next start
    /// or the removal closes it.
    async fn close(&mut self, system: Arc<dyn ComputeSystem>, is_end_saved: bool) {
        if !is_end_saved {
            self.unsaved = Some(system);
        } else if let Err(error) = system.close().await {
            tracing::warn!(container = self.handle.id, %error, "cannot close the compute system");
        }
    }

    /// Closes what was kept for an end that is recorded now, or needs no record any more.
    pub(super) async fn close_unsaved(&mut self) {
        if let Some(system) = self.unsaved.take() {
            self.close(system, true).await;
        }
    }

    /// Records an end and tells about it; the restart policy has its say.
    pub(super) async fn settle(&mut self, ending: &Ending) -> Recorded {
        // Decided while nobody else changes the record: a client may be about to end it.
        let step = |container: &Container| {
            if restart::is_wanted(container, ending.exit_code()) {
                Step::ExitAgain
            } else {
                Step::Exit
            }
        };
        let ledger = &self.handle.ledger;
        let recorded = ledger
            .record_chosen(step, |container| ending.write(container))
            .await;
        let container = &recorded.container;
        if container.state.is_restarting() {
            self.start_again_after(container);
        }
        if container.state.oom_killed {
            events::publish(&self.context.events, container, "oom", &[]);
        }
        let duration = match (container.state.started_at, container.state.finished_at) {
            (Some(started), Some(finished)) => (finished - started).whole_seconds().max(0),
            _ => 0,
        };
        let extra = [
            ("exitCode", container.state.exit_code.to_string()),
            ("execDuration", duration.to_string()),
        ];
        events::publish(&self.context.events, container, "die", &extra);
        recorded
    }

    pub(super) async fn disconnect(&mut self) {
        let container = self.read();
        if container.endpoint.is_none() {
            return;
        }
        if let Err(error) = self.context.network.disconnect(&container.id).await {
            tracing::error!(container = container.id, %error, "cannot leave the network");
        }
        events::publish_network(&self.context.events, &container, "disconnect");
    }
}

/// Connects to the streams of a process; one that has just ended has no more.
pub(crate) async fn connect(process: &Arc<dyn Process>, wanted: Wanted) -> Result<Streams> {
    match process.stdio(wanted).await {
        Ok(stdio) => Ok(Streams::of(stdio)),
        Err(error) if error.kind() == compute::ErrorKind::ProcessNotFound => Ok(Streams::ended()),
        Err(error) => Err(Error::system("cannot attach to the process").with_source(error)),
    }
}

async fn ended(end: &mut Option<BoxFuture<'static, Ending>>) -> Ending {
    match end {
        Some(end) => end.await,
        None => std::future::pending().await,
    }
}
