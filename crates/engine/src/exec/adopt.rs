//! Taking up execs that an earlier engine left in a container that runs.

use std::sync::Arc;

use crate::container::handle::Handle;
use crate::context::Context;
use crate::exec::record::ExecPhase;
use crate::exec::start;
use crate::patience::patiently;
use crate::process_error;

/// Follows execs that run. One whose start was under way counts as not started: the client that
/// asked for it is gone.
pub(crate) async fn take_up(context: &Arc<Context>, handle: &Arc<Handle>) {
    let Ok(live) = handle.live() else { return };
    for exec in handle.ledger.read().execs.values() {
        match exec.phase {
            ExecPhase::Running { process, .. } => {
                match patiently(|| live.system.open_process(process)).await {
                    Ok(process) => start::spawn_watch(context, handle, exec.id.clone(), process),
                    Err(error) => {
                        tracing::warn!(container = handle.id, exec = exec.id, %error, "exec is lost");
                        start::set_phase(handle, &exec.id, ExecPhase::Exited { code: u32::MAX })
                            .await;
                    }
                }
            }
            ExecPhase::Starting => {
                let code = process_error::UNKNOWN;
                start::set_phase(handle, &exec.id, ExecPhase::Exited { code }).await;
            }
            ExecPhase::Created | ExecPhase::Exited { .. } => {}
        }
    }
}
