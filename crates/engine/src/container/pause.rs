//! Pausing a container: everything in it stops where it is, and later goes on from there.

use porthole_compute_service as compute;

use crate::container::events;
use crate::container::health::Health;
use crate::container::record::Container;
use crate::container::state::Step;
use crate::container::task::Task;
use crate::error::{Error, ErrorKind, Result};

impl Task {
    pub(super) async fn pause(&mut self) -> Result<()> {
        let live = self.handle.live()?;
        let id = &self.handle.id;
        if self.read().state.is_paused() {
            return Err(Error::conflict(format!("Container {id} is already paused")));
        }
        // A probe in a paused container would wait for it, and fail.
        self.handle.set_monitor(None);
        if let Err(error) = live.system.pause().await {
            self.watch_health();
            return Err(refused(&format!("Cannot pause container {id}"), error));
        }
        let unwatched = |container: &mut Container| {
            container.state.health.as_mut().map(Health::unwatched);
        };
        let container = self.handle.ledger.record(Step::Pause, unwatched).await;
        events::publish(&self.context.events, &container, "pause", &[]);
        Ok(())
    }

    pub(super) async fn unpause(&mut self) -> Result<()> {
        let id = &self.handle.id;
        if !self.read().state.is_paused() {
            return Err(Error::conflict(format!("Container {id} is not paused")));
        }
        let live = self.handle.live()?;
        let resumed = live.system.resume().await;
        resumed.map_err(|error| refused(&format!("Cannot unpause container {id}"), error))?;
        let container = self.handle.ledger.record(Step::Unpause, |_| ()).await;
        self.watch_health();
        events::publish(&self.context.events, &container, "unpause", &[]);
        Ok(())
    }
}

fn refused(attempt: &str, error: compute::Error) -> Error {
    use compute::ErrorKind as Kind;
    let kind = match error.kind() {
        Kind::SystemAlreadyStopped | Kind::SystemNotFound | Kind::InvalidState => {
            ErrorKind::Conflict
        }
        Kind::ServiceNotAvailable => ErrorKind::Unavailable,
        _ => ErrorKind::System,
    };
    Error::new(kind, format!("{attempt}: {error}")).with_source(error)
}
