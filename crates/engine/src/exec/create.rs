//! Creating an exec.

use time::OffsetDateTime;

use crate::container::handle::Handle;
use crate::container::record::Container;
use crate::container::{command, events, name, user};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::exec::record::{CreateExec, Exec, ExecPhase};

/// How many execs that do not run a container remembers.
const REMEMBERED: usize = 64;

/// Creates an exec in a running container.
pub(crate) async fn create(
    context: &Context,
    handle: &Handle,
    mut request: CreateExec,
) -> Result<String> {
    let program = request.cmd.first().filter(|program| !program.is_empty());
    let program = program.ok_or_else(|| Error::invalid("No exec command specified"))?;
    command::check_program(program)?;
    command::join(&request.cmd)?;
    if !request.working_dir.is_empty() {
        request.working_dir = command::working_directory(&request.working_dir)?;
    }
    // Fails when the container does not run.
    handle.awake("exec")?;
    let id = name::new_id();
    let created = OffsetDateTime::now_utc();
    let exec = Exec {
        id: id.clone(),
        created,
        request,
        phase: ExecPhase::Created,
    };
    let event = format!("exec_create: {}", exec.command());
    let container = handle
        .ledger
        .update(|container| {
            user::exec_account(&exec.request.user, &container.config.user)?;
            command::environment(&container.config.env, &exec.request.env)?;
            forget_oldest(container);
            container.execs.insert(exec.id.clone(), exec);
            Ok(())
        })
        .await?;
    events::publish(
        &context.events,
        &container,
        &event,
        &[("execID", id.clone())],
    );
    Ok(id)
}

/// Makes room for one more.
fn forget_oldest(container: &mut Container) {
    let idle = |exec: &&Exec| matches!(exec.phase, ExecPhase::Created | ExecPhase::Exited { .. });
    while container.execs.values().filter(idle).count() >= REMEMBERED {
        let oldest = container
            .execs
            .values()
            .filter(idle)
            .min_by_key(|exec| exec.created);
        let Some(id) = oldest.map(|exec| exec.id.clone()) else {
            return;
        };
        container.execs.remove(&id);
    }
}
