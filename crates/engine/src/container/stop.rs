//! Stopping, killing and restarting a container.

use std::sync::Arc;
use std::time::Duration;

use porthole_compute_service as compute;
use porthole_hcs::SignalProcessOptions;
use tokio::sync::watch;

use crate::container::events;
use crate::container::handle::{Handle, Live, Order};
use crate::container::ledger::Snapshot;
use crate::container::wait::{until_not_running, until_start_is_decided};
use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::signal::{Delivery, Signal};

/// How to stop; each over what the container was created with.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct StopContainer {
    /// The signal.
    pub signal: Option<String>,
    /// Seconds to wait before it is terminated; negative waits for ever.
    pub timeout: Option<i64>,
}

/// What Docker on Windows waits after a stop signal.
const STOP_SECONDS: i64 = 30;

/// How long a terminated container may take to be gone, as Docker on Windows has it.
const TERMINATED: Duration = Duration::from_secs(75);

/// Stops a container that runs, or is about to.
pub(crate) async fn stop(
    context: &Context,
    handle: &Handle,
    options: &StopContainer,
) -> Result<()> {
    // A wrong one changes nothing.
    let signal = stop_signal(handle, options)?;
    let mut snapshots = handle.ledger.watch();
    if end_by_client(handle, &mut snapshots).await? {
        events::publish(&context.events, &handle.ledger.read(), "stop", &[]);
        return Ok(());
    }
    let container = handle.ledger.read();
    if !container.state.is_running() {
        return Err(Error::new(
            ErrorKind::NotModified,
            "container is already stopped",
        ));
    }
    let seconds = options
        .timeout
        .or(container.config.stop_timeout)
        .unwrap_or(STOP_SECONDS);

    if container.state.is_paused() {
        // Its programs cannot hear the signal before they run again, as under moby.
        unpause(handle).await?;
    }
    // A container that is stopping is expected to be unwell.
    handle.set_monitor(None);
    match deliver(context, handle, signal).await {
        Ok(()) => {}
        // It ended by itself a moment ago.
        Err(error) if error.kind() == ErrorKind::Conflict => {}
        Err(error) => tracing::warn!(container = handle.id, %error, "cannot send the stop signal"),
    }
    let ended = until_not_running(&mut snapshots);
    match u64::try_from(seconds) {
        Err(_) => ended.await?,
        Ok(seconds) => match tokio::time::timeout(Duration::from_secs(seconds), ended).await {
            Ok(ended) => ended?,
            Err(_) => terminate(context, handle).await?,
        },
    }
    events::publish(&context.events, &container, "stop", &[]);
    Ok(())
}

/// Sends a signal to a container; `SIGKILL` also waits for the end.
pub(crate) async fn kill(context: &Context, handle: &Handle, signal: Signal) -> Result<()> {
    match signal.delivery() {
        Delivery::Terminate => terminate(context, handle).await,
        Delivery::Console(_) | Delivery::Shutdown => {
            let container = until_start_is_decided(&mut handle.ledger.watch()).await?;
            // The stop signal asks for the end, whoever sends it; another one asks for something else.
            let ends = container.config.stop_signal.as_deref();
            if ends.is_none_or(|ends| Signal::parse(ends).is_ok_and(|ends| ends == signal)) {
                note_client(handle).await;
            }
            deliver(context, handle, signal).await
        }
    }
}

fn stop_signal(handle: &Handle, options: &StopContainer) -> Result<Signal> {
    let container = handle.ledger.read();
    let configured = container.config.stop_signal.as_deref();
    let signal = options.signal.as_deref().or(configured);
    signal.map_or(Ok(Signal::TERM), Signal::parse)
}

/// Kills a container and waits until it is gone.
pub(crate) async fn terminate(context: &Context, handle: &Handle) -> Result<()> {
    let mut snapshots = handle.ledger.watch();
    if end_by_client(handle, &mut snapshots).await? {
        return Ok(());
    }
    match deliver(context, handle, Signal::KILL).await {
        Ok(()) => {}
        Err(error)
            if error.kind() == ErrorKind::Conflict && !handle.ledger.read().state.is_running() =>
        {
            return Err(error);
        }
        // It ended by itself a moment ago.
        Err(error) if error.kind() == ErrorKind::Conflict => {}
        Err(error) => return Err(error),
    }
    tokio::time::timeout(TERMINATED, until_not_running(&mut snapshots))
        .await
        .map_err(|_| Error::system("tried to kill container, but did not receive an exit event"))?
}

/// Stops a container if it runs, and starts it.
pub(crate) async fn restart(
    context: &Context,
    handle: &Arc<Handle>,
    options: &StopContainer,
) -> Result<()> {
    if handle.ledger.read().state.is_active() {
        handle.set_restarting(true);
        match stop(context, handle, options).await {
            // The start that was under way failed, or it ended by itself a moment ago.
            Err(error) if error.kind() == ErrorKind::NotModified => {}
            Err(error) => {
                handle.set_restarting(false);
                return Err(error);
            }
            Ok(()) => {}
        }
    }
    handle.order(|done| Order::Start { done }).await?;
    events::publish(&context.events, &handle.ledger.read(), "restart", &[]);
    Ok(())
}

async fn deliver(context: &Context, handle: &Handle, signal: Signal) -> Result<()> {
    let live = match signal.delivery() {
        // What is paused dies where it is.
        Delivery::Terminate => handle.live()?,
        Delivery::Console(_) | Delivery::Shutdown => handle.awake("sending it a signal")?,
    };
    send(&live, signal.delivery())
        .await
        .map_err(|error| refused(&handle.id, error))?;
    let extra = [("signal", signal.number().to_string())];
    events::publish(&context.events, &handle.ledger.read(), "kill", &extra);
    Ok(())
}

/// Waits until a start that is under way is decided, and sees to it that the restart policy does not
/// start the container once more. True when that was all that was to be ended.
async fn end_by_client(handle: &Handle, snapshots: &mut watch::Receiver<Snapshot>) -> Result<bool> {
    loop {
        let container = until_start_is_decided(snapshots).await?;
        if !container.state.is_restarting() {
            if note_client(handle).await {
                return Ok(false);
            }
            continue;
        }
        match handle.order(|done| Order::GiveUpRestart { done }).await {
            // It was started in this moment.
            Err(error) if error.kind() == ErrorKind::NotModified => {}
            outcome => return outcome.map(|()| true),
        }
    }
}

/// Notes that it is a client who ends the container. It makes a difference to a restart policy, which
/// the container may also get later. False when the policy has begun to start it again meanwhile.
async fn note_client(handle: &Handle) -> bool {
    if !handle.ledger.read().state.is_running() {
        return !handle.ledger.read().state.is_restarting();
    }
    // Also when it cannot be saved: on a full disk, ending what fills it must still be possible.
    let noted = handle.ledger.note(|container| {
        let is_news = container.state.is_running() && !container.ended_by_client;
        container.ended_by_client |= is_news;
        is_news
    });
    !noted.await.state.is_restarting()
}

async fn unpause(handle: &Handle) -> Result<()> {
    match handle.order(|done| Order::Unpause { done }).await {
        // Somebody else has unpaused or killed it a moment ago.
        Err(error) if error.kind() == ErrorKind::Conflict => Ok(()),
        outcome => outcome,
    }
}

async fn send(live: &Live, delivery: Delivery) -> compute::Result<()> {
    match delivery {
        Delivery::Terminate => live.system.terminate().await,
        Delivery::Shutdown => live.system.shutdown().await,
        Delivery::Console(signal) => live.main.signal(&SignalProcessOptions { signal }).await,
    }
}

fn refused(id: &str, error: compute::Error) -> Error {
    use compute::ErrorKind as Kind;
    let kind = match error.kind() {
        Kind::SystemAlreadyStopped | Kind::ProcessAlreadyStopped | Kind::SystemNotFound => {
            return Error::not_running(id).with_source(error);
        }
        Kind::ServiceNotAvailable => ErrorKind::Unavailable,
        _ => ErrorKind::System,
    };
    Error::new(kind, format!("Cannot kill container {id}: {error}")).with_source(error)
}
