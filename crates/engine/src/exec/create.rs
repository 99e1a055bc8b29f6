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

/// How many that were made and never started.
const REMEMBERED_UNSTARTED: usize = 1024;

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
        ended: None,
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

/// Makes room for one more: those that have ended go first, and one that was made and never started
/// only when there are very many of them.
fn forget_oldest(container: &mut Container) {
    let ended = |exec: &Exec| matches!(exec.phase, ExecPhase::Exited { .. });
    let made = |exec: &Exec| exec.phase == ExecPhase::Created;
    forget(container, ended, REMEMBERED);
    forget(container, made, REMEMBERED_UNSTARTED);
}

fn forget(container: &mut Container, which: impl Fn(&Exec) -> bool, most: usize) {
    let mut found: Vec<(OffsetDateTime, String)> = container
        .execs
        .values()
        .filter(|exec| which(exec))
        .map(|exec| (exec.ended.unwrap_or(exec.created), exec.id.clone()))
        .collect();
    found.sort();
    let excess = (found.len() + 1).saturating_sub(most);
    for (_, id) in found.into_iter().take(excess) {
        container.execs.remove(&id);
    }
}
