//! Sending a container's log away while it runs, and what is left of it afterwards.

use std::path::Path;
use std::sync::Arc;
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
    pub(crate) fn spawn(forwarder: Forwarder, handle: &Arc<Handle>) -> Self {
        let (stop, stopped) = watch::channel(false);
        let snapshots = handle.ledger.watch();
        let task = tokio::spawn(run(forwarder, snapshots, stopped));
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
    mut snapshots: watch::Receiver<Snapshot>,
    mut stop: watch::Receiver<bool>,
) {
    let container = Arc::clone(&snapshots.borrow().container);
    let directory = container.log_path.parent().unwrap_or(Path::new("/"));
    let id = container.id.as_str();
    // Before the first read, so that nothing is written unnoticed in between.
    let watch = match FileWatch::new(directory) {
        Ok(watch) => watch,
        Err(error) => {
            tracing::error!(container = id, %error, "cannot watch the log, which is not sent");
            return;
        }
    };
    loop {
        // Looked at before reading: what was written before the end is then seen.
        let is_stopped = *stop.borrow_and_update();
        let runs = snapshots.borrow_and_update().container.state.is_active();
        let pause = match forwarder.round().await {
            Ok(Round::Sent) => continue,
            Ok(Round::Idle) if !runs || is_stopped => break,
            Ok(Round::Refused(_)) if is_stopped => break,
            Ok(Round::Refused(pause)) => {
                tokio::select! {
                    () = tokio::time::sleep(pause) => {}
                    _ = stop.changed() => {}
                }
                continue;
            }
            Ok(Round::Idle) => forwarder.is_unsaved().then_some(NOTE),
            Err(error) => {
                tracing::error!(container = id, %error, "the log is not sent on");
                break;
            }
        };
        tokio::select! {
            changed = watch.changed() => if let Err(error) = changed {
                tracing::error!(container = id, %error, "cannot watch the log, which is not sent on");
                break;
            },
            () = tokio::time::sleep(pause.unwrap_or(NOTE)), if pause.is_some() => forwarder.save().await,
            _ = snapshots.changed() => {}
            _ = stop.changed() => {}
        }
    }
    forwarder.save().await;
}
