//! `porthole exec`.

use std::process::ExitCode;

use anyhow::Result;
use bollard::Docker;
use bollard::exec::{CreateExecOptions, StartExecOptions, StartExecResults};

use super::process;
use crate::arguments::Exec;
use crate::terminal::session::{self, End};
use crate::terminal::signals::{self, Console};

/// Carries it out.
pub(crate) async fn carry_out(client: &Docker, exec: Exec) -> Result<ExitCode> {
    process::check_terminal(&exec.process)?;
    let attached = !exec.process.detach;
    let options = CreateExecOptions {
        attach_stdin: Some(exec.process.interactive && attached),
        attach_stdout: Some(attached),
        attach_stderr: Some(attached),
        tty: Some(exec.process.tty),
        env: Some(process::environment(&exec.process.env)),
        cmd: Some(exec.command.clone()),
        user: exec.process.user.clone(),
        working_dir: exec.process.workdir.clone(),
        ..CreateExecOptions::default()
    };
    let created = client.create_exec(&exec.container, options).await?;
    let raw = process::raw_mode(&exec.process)?;
    let start = StartExecOptions {
        detach: exec.process.detach,
        tty: exec.process.tty,
        ..StartExecOptions::default()
    };
    let StartExecResults::Attached { output, input } =
        client.start_exec(&created.id, Some(start)).await?
    else {
        return Ok(ExitCode::SUCCESS);
    };
    let size = exec
        .process
        .tty
        .then(|| signals::follow_size(client.clone(), Console::Exec(created.id.clone())));
    let end = session::run(output, input, exec.process.interactive, exec.process.tty).await;
    if let Some(size) = size {
        size?.abort();
    }
    drop(raw);
    if end? == End::Detached {
        return Ok(ExitCode::SUCCESS);
    }
    let ended = client.inspect_exec(&created.id).await?;
    Ok(process::exit_code(ended.exit_code.unwrap_or_default()))
}
