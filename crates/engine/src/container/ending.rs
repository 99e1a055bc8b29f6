//! How a container's run ends.

use std::sync::Arc;

use porthole_compute_service::ErrorKind;
use porthole_compute_service::system::{ComputeService, ComputeSystem};
use porthole_protocol::supervisor::ExitRecord;
use time::OffsetDateTime;

use crate::container::health::Health;
use crate::container::record::Container;
use crate::exec::record::ExecPhase;
use crate::patience::{patiently, pause};
use crate::process_error;

/// The exit code that is shown when none is known.
const UNKNOWN: u32 = u32::MAX;

/// `ERROR_PROCESS_ABORTED`: what Windows shows for a container that was terminated.
const ABORTED: u32 = 1067;

/// How a run ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Ending {
    /// As recorded.
    Recorded(ExitRecord),
    /// Nobody knows: the reason why not.
    Lost(String),
}

/// Waits for a system's end, across restarts of the Compute Service.
pub(crate) async fn of(
    compute: Arc<dyn ComputeService>,
    mut system: Arc<dyn ComputeSystem>,
) -> Ending {
    loop {
        match system.wait().await {
            Ok(record) => return Ending::Recorded(record),
            Err(error) if error.kind() == ErrorKind::ServiceNotAvailable => {}
            Err(error) => return Ending::Lost(error.to_string()),
        }
        pause().await;
        match patiently(|| compute.open(system.id())).await {
            Ok(opened) => system = opened,
            Err(error) => return Ending::Lost(error.to_string()),
        }
    }
}

impl Ending {
    /// The exit code that is shown.
    pub(crate) fn exit_code(&self) -> u32 {
        match self {
            Self::Recorded(record) => {
                let otherwise = if record.terminated { ABORTED } else { UNKNOWN };
                record.exit_code.unwrap_or(otherwise)
            }
            Self::Lost(_) => UNKNOWN,
        }
    }

    /// Writes the end into the container's record.
    pub(crate) fn write(&self, container: &mut Container) {
        let (finished_at, out_of_memory, error) = match self {
            Self::Recorded(record) => (
                OffsetDateTime::from_unix_timestamp_nanos(record.finished_at.into())
                    .unwrap_or_else(|_| OffsetDateTime::now_utc()),
                record.out_of_memory,
                record.error.clone().unwrap_or_default(),
            ),
            Self::Lost(reason) => (OffsetDateTime::now_utc(), false, reason.clone()),
        };
        let state = &mut container.state;
        state.pid = 0;
        state.main_process = None;
        state.exit_code = self.exit_code();
        state.finished_at = Some(finished_at);
        state.oom_killed = out_of_memory;
        state.error = error;
        state.exits += 1;
        state.health.as_mut().map(Health::unwatched);
        container.endpoint = None;
        for exec in container.execs.values_mut() {
            let code = match exec.phase {
                ExecPhase::Running { process, .. } => self.code_of(process),
                // Nobody would see the end of what its start brings up now.
                ExecPhase::Starting => process_error::UNKNOWN,
                ExecPhase::Created | ExecPhase::Exited { .. } => continue,
            };
            exec.enter(ExecPhase::Exited { code });
        }
    }

    fn code_of(&self, process: u32) -> u32 {
        let Self::Recorded(record) = self else {
            return UNKNOWN;
        };
        let known = record.processes.iter().find(|(key, _)| key.0 == process);
        known.map_or(
            if record.terminated { ABORTED } else { UNKNOWN },
            |(_, code)| *code,
        )
    }
}
