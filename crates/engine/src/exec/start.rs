//! Starting an exec, and seeing its end.

use std::sync::Arc;
use std::time::Duration;

use futures::{StreamExt, stream};
use porthole_compute_service as compute;
use porthole_compute_service::settings::ProcessSettings;
use porthole_compute_service::system::{Process, Wanted};

use crate::attachment::{Attachment, OutputStream, Streams};
use crate::container::document::{self, ProcessShape};
use crate::container::handle::{Handle, Live};
use crate::container::record::Container;
use crate::container::{command, events, task, user};
use crate::context::Context;
use crate::error::{Error, Result};
use crate::exec::record::{Exec, ExecPhase, StartExec};
use crate::patience::{patiently, pause};
use crate::process_error::{self, StartError};

/// How long the end of the output waits for the exit code, which clients ask for next.
const EXIT_CODE_GRACE: Duration = Duration::from_secs(10);

/// Starts an exec; gives its streams unless it is detached.
pub(crate) async fn start(
    context: &Arc<Context>,
    handle: &Arc<Handle>,
    id: &str,
    options: StartExec,
) -> Result<Option<Attachment>> {
    let live = handle.awake("exec")?;
    let container = handle
        .ledger
        .update(|container| begin(container, id))
        .await?;
    let exec = &container.execs[id];
    events::publish(
        &context.events,
        &container,
        &format!("exec_start: {}", exec.command()),
        &[("execID", exec.id.clone())],
    );
    let process = match create_process(&live, &container, exec, options).await {
        Ok(process) => process,
        Err(StartError { error, exit_code }) => {
            set_phase(handle, id, ExecPhase::Exited { code: exit_code }).await;
            return Err(error);
        }
    };
    let running = ExecPhase::Running {
        process: process.id(),
        pid: process.pid(),
    };
    set_phase(handle, id, running).await;
    spawn_watch(context, handle, id.to_owned(), Arc::clone(&process));
    if options.detach {
        return Ok(None);
    }
    attach(handle, exec, &process).await.map(Some)
}

/// The step from `Created` to `Starting`.
fn begin(container: &mut Container, id: &str) -> Result<()> {
    let exec = container
        .execs
        .get_mut(id)
        .ok_or_else(|| Error::not_found("exec instance", id))?;
    match exec.phase {
        ExecPhase::Created => exec.phase = ExecPhase::Starting,
        ExecPhase::Exited { .. } => {
            return Err(Error::conflict(format!(
                "exec command {id} has already run"
            )));
        }
        ExecPhase::Starting | ExecPhase::Running { .. } => {
            return Err(Error::conflict(format!(
                "exec command {id} is already running"
            )));
        }
    }
    Ok(())
}

fn parameters(
    container: &Container,
    exec: &Exec,
    options: StartExec,
) -> Result<porthole_hcs::ProcessParameters> {
    let (request, config) = (&exec.request, &container.config);
    let working_directory = if request.working_dir.is_empty() {
        &config.working_dir
    } else {
        &request.working_dir
    };
    Ok(document::parameters(&ProcessShape {
        command_line: &command::join(&request.cmd)?,
        environment: command::environment(&config.env, &request.env)?,
        user: user::exec_account(&request.user, &config.user)?,
        working_directory,
        tty: request.tty,
        stdin: request.attach_stdin && !options.detach,
        console_size: options.console_size.or(request.console_size),
    }))
}

async fn create_process(
    live: &Live,
    container: &Container,
    exec: &Exec,
    options: StartExec,
) -> Result<Arc<dyn Process>, StartError> {
    let settings = ProcessSettings {
        log: None,
        wait_for_attach: !options.detach,
        stdin_once: true,
        main: false,
    };
    let parameters = parameters(container, exec, options).map_err(|error| StartError {
        error,
        exit_code: process_error::UNKNOWN,
    })?;
    live.system
        .create_process(&parameters, &settings)
        .await
        .map_err(|error| process_error::process(&container.id, error))
}

/// The streams of an exec that has just been started. When they cannot be had, it is ended: the
/// client is told that the start failed.
async fn attach(
    handle: &Arc<Handle>,
    exec: &Exec,
    process: &Arc<dyn Process>,
) -> Result<Attachment> {
    let request = &exec.request;
    let wanted = Wanted {
        stdin: request.attach_stdin,
        stdout: request.attach_stdout,
        stderr: request.attach_stderr && !request.tty,
    };
    let Streams { output, input } = match task::connect(process, wanted).await {
        Ok(streams) => streams,
        Err(error) => {
            if let Err(error) = process.terminate(process_error::UNKNOWN).await {
                tracing::warn!(container = handle.id, exec = exec.id, %error, "cannot end the exec");
            }
            return Err(error);
        }
    };
    Ok(Attachment {
        tty: request.tty,
        output: until_exit_is_known(output, Arc::clone(handle), exec.id.clone()),
        input: wanted.stdin.then_some(input),
    })
}

/// Sees the end of an exec that runs.
pub(crate) fn spawn_watch(
    context: &Arc<Context>,
    handle: &Arc<Handle>,
    id: String,
    process: Arc<dyn Process>,
) {
    let (context, handle) = (Arc::clone(context), Arc::clone(handle));
    tokio::spawn(async move {
        let code = exit_code(&context, &handle, process).await;
        if let Some(code) = code {
            set_phase(&handle, &id, ExecPhase::Exited { code }).await;
        } else {
            // The container has ended, and its ending knows the code.
            let mut snapshots = handle.ledger.watch();
            let known = snapshots.wait_for(|snapshot| {
                !snapshot
                    .container
                    .execs
                    .get(&id)
                    .is_some_and(Exec::is_running)
            });
            drop(known.await);
        }
        let container = handle.ledger.read();
        let code = container.execs.get(&id).and_then(Exec::exit_code).or(code);
        let extra = [
            ("execID", id),
            (
                "exitCode",
                code.map(|code| code.to_string()).unwrap_or_default(),
            ),
        ];
        events::publish(&context.events, &container, "exec_die", &extra);
    });
}

/// The exit code, across restarts of the Compute Service; none when the container ended first.
pub(crate) async fn exit_code(
    context: &Context,
    handle: &Handle,
    mut process: Arc<dyn Process>,
) -> Option<u32> {
    loop {
        match process.wait().await {
            Ok(code) => return Some(code),
            Err(error) if error.kind() == compute::ErrorKind::ServiceNotAvailable => {}
            Err(_) => return None,
        }
        pause().await;
        let reopened = patiently(async || {
            context
                .compute
                .open(&handle.id)
                .await?
                .open_process(process.id())
                .await
        });
        match reopened.await {
            Ok(opened) => process = opened,
            Err(_) => return None,
        }
    }
}

pub(crate) async fn set_phase(handle: &Handle, id: &str, phase: ExecPhase) {
    let changed = handle.ledger.note(|container| {
        match container.execs.get_mut(id) {
            // Its end may have been recorded with the container's.
            Some(exec) if exec.exit_code().is_none() => {
                exec.enter(phase);
                true
            }
            _ => false,
        }
    });
    changed.await;
}

/// Clients ask for the exit code as soon as the output ends, so it ends when the code is known.
fn until_exit_is_known(output: OutputStream, handle: Arc<Handle>, id: String) -> OutputStream {
    let known = async move {
        let mut snapshots = handle.ledger.watch();
        let ended = snapshots.wait_for(|snapshot| {
            let exec = snapshot.container.execs.get(&id);
            exec.is_none_or(|exec| exec.exit_code().is_some())
        });
        drop(tokio::time::timeout(EXIT_CODE_GRACE, ended).await);
    };
    let nothing = stream::once(known).filter_map(|()| futures::future::ready(None));
    Box::pin(output.chain(nothing))
}
