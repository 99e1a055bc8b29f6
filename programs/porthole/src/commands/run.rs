//! `porthole run`.

use std::collections::HashMap;
use std::process::ExitCode;

use anyhow::{Result, bail};
use bollard::Docker;
use bollard::errors::Error;
use bollard::models::{ContainerCreateBody, HostConfig, HostConfigIsolationEnum};
use bollard::query_parameters::{
    AttachContainerOptionsBuilder, CreateContainerOptionsBuilder, RemoveContainerOptionsBuilder,
    WaitContainerOptionsBuilder,
};
use futures::StreamExt;

use super::{process, publish};
use crate::arguments::{Isolation, Run};
use crate::terminal::raw;
use crate::terminal::session::{self, End};
use crate::terminal::signals::{self, Console};

/// Carries it out.
pub(crate) async fn carry_out(client: &Docker, run: Run) -> Result<ExitCode> {
    if run.process.tty && run.process.interactive && run.process.detach {
        bail!("-d leaves the program to itself and -it works in it: use one of them");
    }
    process::check_terminal(&run.process)?;
    let name = run
        .name
        .as_ref()
        .map(|name| CreateContainerOptionsBuilder::default().name(name).build());
    let created = client.create_container(name, body(&run)?).await?;
    for warning in &created.warnings {
        eprintln!("warning: {warning}");
    }
    if run.process.detach {
        if let Err(error) = client.start_container(&created.id, None).await {
            return Err(give_up(client, &created.id, run.rm, error).await);
        }
        println!("{}", created.id);
        return Ok(ExitCode::SUCCESS);
    }
    follow(client, &created.id, &run).await
}

/// Attaches, starts and stays with the program until it ends.
async fn follow(client: &Docker, id: &str, run: &Run) -> Result<ExitCode> {
    let attach = AttachContainerOptionsBuilder::default()
        .stdin(run.process.interactive)
        .stdout(true)
        .stderr(true)
        .stream(true)
        .build();
    let streams = client.attach_container(id, Some(attach)).await?;
    // A container that is removed when it ends must be waited for before it starts; the code of
    // another can be asked for afterwards.
    let removal = run
        .rm
        .then(|| tokio::spawn(wait(client.clone(), id.to_owned(), "removed")));
    let raw = process::raw_mode(&run.process)?;
    if let Err(error) = client.start_container(id, None).await {
        drop(raw);
        if let Some(removal) = removal {
            removal.abort();
        }
        return Err(give_up(client, id, run.rm, error).await);
    }
    let signals = signals::pass_on(client.clone(), id.to_owned())?;
    let size = run
        .process
        .tty
        .then(|| signals::follow_size(client.clone(), Console::Container(id.to_owned())));
    let end = session::run(
        streams.output,
        streams.input,
        run.process.interactive,
        run.process.tty,
    )
    .await;
    signals.abort();
    if let Some(size) = size {
        size?.abort();
    }
    drop(raw);
    if end? == End::Detached {
        return Ok(ExitCode::SUCCESS);
    }
    let (code, error) = match removal {
        Some(removal) => removal.await??,
        None => wait(client.clone(), id.to_owned(), "not-running").await?,
    };
    if !error.is_empty() {
        eprintln!("porthole: {error}");
    }
    Ok(process::exit_code(code))
}

/// Waits for the end of a container; gives its exit code, and why it ended if not by its program.
async fn wait(client: Docker, id: String, condition: &'static str) -> Result<(i64, String)> {
    let options = WaitContainerOptionsBuilder::default()
        .condition(condition)
        .build();
    let answer = Box::pin(client.wait_container(&id, Some(options)))
        .next()
        .await;
    match answer {
        Some(Ok(answer)) => Ok((answer.status_code, String::new())),
        Some(Err(Error::DockerContainerWaitError { error, code })) => Ok((code, error)),
        Some(Err(error)) => Err(error.into()),
        None => bail!("the daemon went away before the program ended"),
    }
}

/// After a failed start: `--rm` leaves nothing behind, as it promised.
async fn give_up(client: &Docker, id: &str, remove: bool, error: Error) -> anyhow::Error {
    if remove {
        let options = RemoveContainerOptionsBuilder::default().force(true).build();
        // The daemon may have done it already.
        let _ = client.remove_container(id, Some(options)).await;
    }
    error.into()
}

fn body(run: &Run) -> Result<ContainerCreateBody> {
    let process = &run.process;
    let (exposed_ports, port_bindings) = publish::parse(&run.publish)?;
    let labels: HashMap<String, String> = run
        .label
        .iter()
        .map(|label| label.split_once('=').unwrap_or((label, "")))
        .map(|(name, value)| (name.to_owned(), value.to_owned()))
        .collect();
    let attached = !process.detach;
    Ok(ContainerCreateBody {
        image: Some(run.image.clone()),
        cmd: (!run.command.is_empty()).then(|| run.command.clone()),
        entrypoint: run.entrypoint.clone().map(|program| vec![program]),
        hostname: run.hostname.clone(),
        user: process.user.clone(),
        env: Some(process::environment(&process.env)),
        working_dir: process.workdir.clone(),
        tty: Some(process.tty),
        open_stdin: Some(process.interactive),
        stdin_once: Some(process.interactive && attached),
        attach_stdin: Some(process.interactive && attached),
        attach_stdout: Some(attached),
        attach_stderr: Some(attached),
        labels: Some(labels),
        stop_timeout: run.stop_timeout,
        exposed_ports: Some(exposed_ports),
        host_config: Some(HostConfig {
            binds: Some(run.volume.clone()),
            network_mode: run.network.clone(),
            port_bindings: Some(port_bindings),
            auto_remove: Some(run.rm),
            isolation: run.isolation.map(isolation),
            console_size: console_size(process.tty),
            ..HostConfig::default()
        }),
        ..ContainerCreateBody::default()
    })
}

/// This terminal's size, so that the console has it from its first line on.
fn console_size(tty: bool) -> Option<Vec<usize>> {
    let (height, width) = raw::size().filter(|_| tty)?;
    Some(vec![height.into(), width.into()])
}

fn isolation(isolation: Isolation) -> HostConfigIsolationEnum {
    match isolation {
        Isolation::Default => HostConfigIsolationEnum::DEFAULT,
        Isolation::Process => HostConfigIsolationEnum::PROCESS,
        Isolation::Hyperv => HostConfigIsolationEnum::HYPERV,
    }
}
