//! Sending a container's log away while it runs, and what is left of it afterwards.

use std::path::Path;
use std::time::Duration;

use porthole_log_drivers::{Forwarder, Host, Round, Source};
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::container::handle::Handle;
use crate::container::ledger::Snapshot;
use crate::container::log_attributes::{attributes, tag_or_id};
use crate::container::record::Container;
use crate::context::Context;
use crate::error::{Error, Result};
use crate::file_watch::FileWatch;

/// How long a container that is removed or started again waits for the rest of its log to be taken.
const PATIENCE: Duration = Duration::from_secs(5);

/// The pause after a log could not be read.
const READ_AGAIN: Duration = Duration::from_secs(2);

/// How soon what was sent is noted when nothing else comes.
const NOTE: Duration = Duration::from_secs(1);

/// What sends a container's log, if its driver does.
pub(crate) fn open(context: &Context, container: &Container) -> Result<Option<Forwarder>> {
    let host = Host::new(&context.facts.host_name);
    let Some(driver) = container.host.log.sender(&host)? else {
        return Ok(None);
    };
    let mut attributes = attributes(container)?;
    attributes.remove("tag");
    let mut command = vec![container.path().to_owned()];
    command.extend(container.args());
    let source = Source {
        container_id: container.id.clone(),
        container_name: container.name.clone(),
        image_id: container.image_id.clone(),
        image_name: container.config.image.clone(),
        command: command.join(" "),
        created: Some(container.created),
        tag: tag_or_id(container)?,
        attributes,
    };
    Ok(Some(Forwarder::new(driver, source, &container.log_path)))
}

/// The same for a container that starts: it does not, where dockerd's does not, without its log's
/// destination.
pub(crate) async fn connect(context: &Context, container: &Container) -> Result<Option<Forwarder>> {
    let Some(mut forwarder) = open(context, container)? else {
        return Ok(None);
    };
    match forwarder.connect().await {
        Ok(()) => Ok(Some(forwarder)),
        Err(error) => {
            let reason = std::error::Error::source(&error);
            let reason = reason.map(|reason| format!(": {reason}"));
            let message = format!(
                "failed to create task for container: failed to initialize logging driver: {error}{}",
                reason.unwrap_or_default()
            );
            Err(Error::system(message).with_source(error))
        }
    }
}

/// A log on its way.
#[derive(Debug)]
pub(crate) struct Forwarding {
    stop: watch::Sender<bool>,
    task: JoinHandle<()>,
}

impl Forwarding {
    /// Sends while the container runs, and then the rest.
    pub(crate) fn spawn(context: &Context, forwarder: Forwarder, handle: &Handle) -> Self {
        let (stop, stopped) = watch::channel(false);
        let log = handle.ledger.read().log_path.clone();
        // Before the first read, so that nothing is written unnoticed in between.
        let watch = context
            .watches
            .watch(log.parent().unwrap_or(Path::new("/")));
        let snapshots = handle.ledger.watch();
        let task = tokio::spawn(run(forwarder, watch, snapshots, stopped));
        Self { stop, task }
    }

    /// Sends what is there, unless the destination does not take it, and ends.
    pub(crate) async fn finish(self) {
        let Self { stop, mut task } = self;
        stop.send_replace(true);
        if tokio::time::timeout(PATIENCE, &mut task).await.is_err() {
            task.abort();
        }
    }
}

async fn run(
    mut forwarder: Forwarder,
    mut watch: FileWatch,
    mut snapshots: watch::Receiver<Snapshot>,
    mut stop: watch::Receiver<bool>,
) {
    let id = snapshots.borrow().container.id.clone();
    let mut is_failing = false;
    loop {
        // Looked at before reading: what was written before the end is then seen.
        // Who could say so may be gone with a fault.
        let is_stopped = *stop.borrow_and_update() || stop.has_changed().is_err();
        let runs = snapshots.borrow_and_update().container.state.is_active();
        let round = forwarder.round().await;
        let failed = std::mem::replace(&mut is_failing, round.is_err());
        let pause = match round {
            Ok(Round::Sent) => continue,
            Ok(Round::Idle) if !runs || is_stopped => break,
            Ok(Round::Idle) => {
                let pause = forwarder.is_unsaved().then_some(NOTE);
                tokio::select! {
                    () = watch.changed() => {}
                    () = tokio::time::sleep(pause.unwrap_or(NOTE)), if pause.is_some() => forwarder.save().await,
                    _ = snapshots.changed() => {}
                    _ = stop.changed() => {}
                }
                continue;
            }
            Ok(Round::Refused(pause)) => pause,
            Err(error) => {
                if !failed {
                    tracing::error!(container = id, %error, "the log is not sent on for now");
                }
                READ_AGAIN
            }
        };
        if is_stopped {
            break;
        }
        tokio::select! {
            () = tokio::time::sleep(pause) => {}
            _ = stop.changed() => {}
        }
    }
    forwarder.save().await;
}
