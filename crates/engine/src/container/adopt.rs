//! Taking up a container that an earlier engine left: its record brought in line with what the
//! Compute Service says.

use std::sync::Arc;

use porthole_compute_service::ErrorKind;
use porthole_compute_service::system::ComputeSystem;
use porthole_hcs as hcs;

use crate::container::ending::{self, Ending};
use crate::container::handle::Live;
use crate::container::state::{Phase, Step};
use crate::container::task::Task;
use crate::container::{launch, restart};
use crate::error::Result;
use crate::exec;
use crate::patience::patiently;
use crate::process_error;

/// The Compute Service counts a system's processes from one, and a start makes the main process
/// first.
const MAIN_PROCESS: u32 = 1;

/// What the engine says of a start that it did not see to its end.
const INTERRUPTED: &str = "the engine ended while it was starting the container";

impl Task {
    /// Brings the record in line. Whatever fails is logged: the other containers go on.
    pub(super) async fn take_up(&mut self) {
        let container = self.handle.ledger.read();
        self.forward_on();
        let outcome = match container.state.phase {
            Phase::Running | Phase::Paused => self.take_up_running().await,
            Phase::Starting => self.take_up_starting().await,
            Phase::Removing => {
                self.discard_system().await;
                self.finish_removal().await
            }
            Phase::Created | Phase::Exited | Phase::Restarting | Phase::Dead => {
                self.discard_system().await;
                self.remove_if_over().await
            }
        };
        if let Err(error) = outcome {
            tracing::error!(container = container.id, %error, "cannot take up the container");
        }
        let container = self.handle.ledger.read();
        let idle = matches!(container.state.phase, Phase::Exited | Phase::Restarting);
        if idle && restart::is_wanted_at_start(&container) {
            self.start_with_the_engine().await;
        }
    }

    async fn take_up_running(&mut self) -> Result<()> {
        let container = self.handle.ledger.read();
        let system = match patiently(|| self.context.compute.open(&container.id)).await {
            Ok(system) => system,
            Err(error) => {
                self.give_up(&Ending::Lost(error.to_string())).await;
                return self.remove_if_over().await;
            }
        };
        let main = container.state.main_process.unwrap_or(MAIN_PROCESS);
        match patiently(|| system.open_process(main)).await {
            Ok(main) => {
                self.align_pause(system.as_ref()).await;
                self.run_with(Live { system, main });
                exec::adopt::take_up(&self.context, &self.handle).await;
                if !self.read().state.is_paused() {
                    self.watch_health();
                }
                Ok(())
            }
            Err(error) => {
                tracing::warn!(container = container.id, %error, "the main process is lost");
                let ending = end_now(&self.context.compute, &system).await;
                if self.give_up(&ending).await {
                    launch::discard(system.as_ref()).await;
                } else {
                    self.unsaved = Some(system);
                }
                self.remove_if_over().await
            }
        }
    }

    /// The engine may have ended between a pause and its record.
    async fn align_pause(&mut self, system: &dyn ComputeSystem) {
        let query = hcs::SystemPropertyQuery::default();
        let Ok(properties) = patiently(|| system.properties(&query)).await else {
            return;
        };
        let recorded = self.handle.ledger.read().state.is_paused();
        let step = match properties.state {
            hcs::State::Paused if !recorded => Step::Pause,
            hcs::State::Running if recorded => Step::Unpause,
            _ => return,
        };
        self.handle.ledger.record(step, |_| ()).await;
    }

    /// A start that was under way either reached the main process, and then it has succeeded, or it
    /// is undone.
    async fn take_up_starting(&mut self) -> Result<()> {
        let container = self.handle.ledger.read();
        if let Ok(system) = patiently(|| self.context.compute.open(&container.id)).await {
            if let Ok(main) = patiently(|| system.open_process(MAIN_PROCESS)).await {
                match self.context.network.endpoint(&container.id).await {
                    Ok(endpoint) => {
                        let live = Live { system, main };
                        return self.started(launch::Launched::found(live, endpoint)).await;
                    }
                    Err(error) => {
                        tracing::warn!(container = container.id, %error, "undoing its start");
                    }
                }
            }
            launch::discard(system.as_ref()).await;
        }
        // What cannot be taken back now is when the engine starts the next time.
        if let Err(error) = self.context.network.disconnect(&container.id).await {
            tracing::warn!(container = container.id, %error, "cannot disconnect the container");
        }
        let failed = |container: &mut crate::container::record::Container| {
            container.state.exit_code = process_error::UNKNOWN;
            container.state.error = INTERRUPTED.to_owned();
        };
        self.handle.ledger.record(Step::StartFailed, failed).await;
        self.remove_if_over().await
    }

    /// Records the end of a run whose compute system cannot be followed. False when that could not
    /// be saved.
    async fn give_up(&mut self, ending: &Ending) -> bool {
        self.disconnect().await;
        self.settle(ending).await.saved
    }

    /// Closes a compute system that outlived what it was for.
    async fn discard_system(&mut self) {
        match patiently(|| self.context.compute.open(&self.handle.id)).await {
            Ok(system) => launch::discard(system.as_ref()).await,
            Err(error) if error.kind() == ErrorKind::SystemNotFound => {}
            Err(error) => {
                tracing::warn!(container = self.handle.id, %error, "cannot open the compute system");
            }
        }
    }

    /// A container that is to be removed when it ends, and has ended, is removed.
    async fn remove_if_over(&mut self) -> Result<()> {
        let container = self.handle.ledger.read();
        let ran = container.state.started_at.is_some() || !container.state.error.is_empty();
        if container.host.auto_remove && ran && !container.state.is_running() {
            self.remove().await?;
        }
        Ok(())
    }
}

/// Ends a system and says how it ended.
async fn end_now(
    compute: &Arc<dyn porthole_compute_service::system::ComputeService>,
    system: &Arc<dyn ComputeSystem>,
) -> Ending {
    let state = system
        .properties(&hcs::SystemPropertyQuery::default())
        .await;
    if state.is_ok_and(|properties| !properties.stopped)
        && let Err(error) = system.terminate().await
    {
        return Ending::Lost(error.to_string());
    }
    ending::of(Arc::clone(compute), Arc::clone(system)).await
}
