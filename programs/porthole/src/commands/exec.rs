//! `porthole exec`.

use std::process::ExitCode;

use anyhow::Result;
use bollard::Docker;
use bollard::exec::{CreateExecOptions, StartExecOptions, StartExecResults};

use super::create::files;
use super::process;
use crate::arguments::Exec;
use crate::terminal::detach_keys::DetachKeys;
use crate::terminal::raw::{self, ChangedMode};
use crate::terminal::session::{self, End};
use crate::terminal::signals::{self, Console};

/// Carries it out.
pub(crate) async fn carry_out(client: &Docker, exec: Exec) -> Result<ExitCode> {
    let attached = !exec.process.detach;
    let works_in_console = exec.process.tty && exec.process.interactive && attached;
    if works_in_console {
        raw::require()?;
    }
    let keys = DetachKeys::parse(exec.detach_keys.as_deref())?;
    let mut environment = files::lines(&exec.env_file)?;
    environment.extend(exec.process.env.iter().cloned());
    let options = CreateExecOptions {
        attach_stdin: Some(exec.process.interactive && attached),
        attach_stdout: Some(attached),
        attach_stderr: Some(attached),
        tty: Some(exec.process.tty),
        env: Some(process::environment(&environment)),
        detach_keys: exec.detach_keys.clone(),
        privileged: exec.privileged.then_some(true),
        cmd: Some(exec.command().to_vec()),
        user: exec.process.user.clone(),
        working_dir: exec.process.workdir.clone(),
    };
    let created = client.create_exec(exec.container(), options).await?;
    let raw = works_in_console.then(ChangedMode::raw).transpose()?;
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
    let end = session::run(
        output,
        input,
        exec.process.interactive,
        exec.process.tty.then_some(keys),
    )
    .await;
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
