//! Waiting for a container's end.

use std::fmt;
use std::sync::Arc;

use futures::future::{BoxFuture, FutureExt};
use tokio::sync::watch;

use crate::container::ledger::{Ledger, Snapshot};
use crate::container::record::Container;
use crate::container::state::Phase;
use crate::error::{Error, ErrorKind, Result};

/// What to wait for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum WaitCondition {
    /// That it does not run; true at once when it does not.
    #[default]
    NotRunning,
    /// That it ends the next time.
    NextExit,
    /// That it is removed.
    Removed,
}

/// How the wait ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitOutcome {
    /// The exit code.
    pub exit_code: u32,
    /// Why it ended otherwise than by its main process.
    pub error: Option<String>,
}

/// A wait that has begun: what happens from now on counts.
pub struct Waiting {
    outcome: BoxFuture<'static, Result<WaitOutcome>>,
}

impl Waiting {
    pub(crate) fn begin(ledger: &Ledger, condition: WaitCondition) -> Self {
        let mut snapshots = ledger.watch();
        let exits = snapshots.borrow().container.state.exits;
        let met = move |snapshot: &Snapshot| {
            let state = &snapshot.container.state;
            match condition {
                WaitCondition::NotRunning => !state.is_active() || snapshot.removed,
                // A container that is removed without having run again will not end any more.
                WaitCondition::NextExit => state.exits > exits || snapshot.removed,
                // A removal that failed is not waited for: its error is the outcome.
                WaitCondition::Removed => snapshot.removed || state.phase == Phase::Dead,
            }
        };
        let outcome = async move {
            let snapshot = until(&mut snapshots, met).await?;
            let state = &snapshot.container.state;
            // A removal that was waited for and done is no failure, whatever went before.
            let done = snapshot.removed && condition == WaitCondition::Removed;
            let error = Some(state.error.clone()).filter(|error| !error.is_empty() && !done);
            Ok(WaitOutcome {
                exit_code: state.exit_code,
                error,
            })
        };
        Self {
            outcome: outcome.boxed(),
        }
    }

    /// Waits.
    ///
    /// # Errors
    /// `Unavailable` when the engine closes first.
    pub async fn outcome(self) -> Result<WaitOutcome> {
        self.outcome.await
    }
}

impl fmt::Debug for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiting").finish_non_exhaustive()
    }
}

/// Waits while a container is being started: until then nothing can be sent to it.
pub(crate) async fn until_start_is_decided(
    snapshots: &mut watch::Receiver<Snapshot>,
) -> Result<Arc<Container>> {
    let decided = |snapshot: &Snapshot| snapshot.container.state.phase != Phase::Starting;
    until(snapshots, decided)
        .await
        .map(|snapshot| snapshot.container)
}

/// Waits until a container does not run.
pub(crate) async fn until_not_running(snapshots: &mut watch::Receiver<Snapshot>) -> Result<()> {
    until(snapshots, |snapshot| !snapshot.container.state.is_running())
        .await
        .map(drop)
}

async fn until(
    snapshots: &mut watch::Receiver<Snapshot>,
    met: impl FnMut(&Snapshot) -> bool,
) -> Result<Snapshot> {
    let closed = |_| Error::new(ErrorKind::Unavailable, "the engine is closing");
    snapshots
        .wait_for(met)
        .await
        .map(|snapshot| snapshot.clone())
        .map_err(closed)
}
