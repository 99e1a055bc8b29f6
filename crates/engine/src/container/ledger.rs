//! A container's record: the one place that changes, saves and publishes it.

use std::sync::Arc;

use tokio::sync::{Mutex, watch};

use crate::container::record::Container;
use crate::container::state::Step;
use crate::error::{Error, Result};
use crate::records::Records;

/// A container as everybody sees it.
#[derive(Debug, Clone)]
pub(crate) struct Snapshot {
    pub(crate) container: Arc<Container>,
    /// Whether it is removed: its record is gone.
    pub(crate) removed: bool,
}

/// A record of something that has happened.
#[derive(Debug)]
pub(crate) struct Recorded {
    pub(crate) container: Arc<Container>,
    /// Whether it is on disk too. Until then, nobody may throw away where else it is known from.
    pub(crate) saved: bool,
}

/// A container's record.
#[derive(Debug)]
pub(crate) struct Ledger {
    records: Records,
    snapshots: watch::Sender<Snapshot>,
    /// Held from reading a record until its successor is saved and published.
    changing: Mutex<()>,
}

impl Ledger {
    /// The ledger of a record that is saved already.
    pub(crate) fn new(records: Records, container: Container) -> Self {
        let snapshot = Snapshot {
            container: Arc::new(container),
            removed: false,
        };
        Self {
            records,
            snapshots: watch::Sender::new(snapshot),
            changing: Mutex::new(()),
        }
    }

    /// The record as it is now.
    pub(crate) fn read(&self) -> Arc<Container> {
        Arc::clone(&self.snapshots.borrow().container)
    }

    /// Follows the record.
    pub(crate) fn watch(&self) -> watch::Receiver<Snapshot> {
        self.snapshots.subscribe()
    }

    /// Changes the record. Nobody sees the change before it is saved; when it cannot be saved, as
    /// with a name that another container has, it did not happen.
    pub(crate) async fn update(
        &self,
        change: impl FnOnce(&mut Container) -> Result<()>,
    ) -> Result<Arc<Container>> {
        let _changing = self.changing.lock().await;
        let before = self.read();
        let mut container = Container::clone(&before);
        change(&mut container)?;
        if container.name == before.name {
            self.records.save(&container).await?;
        } else {
            self.records.rename(&container).await?;
        }
        Ok(self.publish(container))
    }

    /// Takes a step of the state machine and makes the changes that belong to it.
    pub(crate) async fn step(
        &self,
        step: Step,
        change: impl FnOnce(&mut Container),
    ) -> Result<Arc<Container>> {
        self.update(|container| {
            take(container, step)?;
            change(container);
            Ok(())
        })
        .await
    }

    /// Like [`Self::step`] for what has happened, whether or not it can be saved: a failure is
    /// logged, and what is published is true.
    pub(crate) async fn record(
        &self,
        step: Step,
        change: impl FnOnce(&mut Container),
    ) -> Arc<Container> {
        self.record_chosen(|_| step, change).await.container
    }

    /// Like [`Self::record`], where the step follows from the record as it is then. Says whether
    /// it was saved.
    pub(crate) async fn record_chosen(
        &self,
        step: impl FnOnce(&Container) -> Step,
        change: impl FnOnce(&mut Container),
    ) -> Recorded {
        let _changing = self.changing.lock().await;
        let mut container = Container::clone(&self.read());
        let step = step(&container);
        if let Err(error) = take(&mut container, step) {
            tracing::error!(container = container.id, %error, "unexpected change of state");
            return Recorded {
                container: self.read(),
                saved: false,
            };
        }
        change(&mut container);
        let saved = self.save(&container).await;
        Recorded {
            container: self.publish(container),
            saved,
        }
    }

    /// Changes the record for what has happened, whether or not it can be saved. What `change` does
    /// not find worth a write is saved with the next change, and lost when the engine ends before.
    pub(crate) async fn note(&self, change: impl FnOnce(&mut Container) -> bool) -> Arc<Container> {
        let _changing = self.changing.lock().await;
        let mut container = Container::clone(&self.read());
        if change(&mut container) {
            self.save(&container).await;
        }
        self.publish(container)
    }

    /// Saves what is true in any case; false, and logged, when that fails.
    async fn save(&self, container: &Container) -> bool {
        let saved = self.records.save(container).await;
        if let Err(error) = &saved {
            tracing::error!(container = container.id, %error, "cannot save the container");
        }
        saved.is_ok()
    }

    /// Tells everybody that the container is removed.
    pub(crate) fn publish_removed(&self) {
        self.snapshots
            .send_modify(|snapshot| snapshot.removed = true);
    }

    fn publish(&self, container: Container) -> Arc<Container> {
        let container = Arc::new(container);
        self.snapshots
            .send_modify(|snapshot| snapshot.container = Arc::clone(&container));
        container
    }
}

fn take(container: &mut Container, step: Step) -> Result<()> {
    let next = container.state.after(step);
    container.state.phase = next.ok_or_else(|| {
        let status = container.state.status();
        Error::conflict(format!(
            "container {} is {status}: {step:?} is not possible",
            container.id
        ))
    })?;
    Ok(())
}
