//! `porthole run`.

use std::collections::HashMap;
use std::process::ExitCode;

use anyhow::Result;
use bollard::Docker;
use bollard::container::AttachContainerResults;
use bollard::models::{ContainerCreateBody, HostConfig, HostConfigIsolationEnum};
use bollard::query_parameters::{
    AttachContainerOptionsBuilder, CreateContainerOptionsBuilder, RemoveContainerOptionsBuilder,
};

use super::{process, publish};
use crate::arguments::{Isolation, Run};
use crate::terminal::raw;
use crate::terminal::session::{self, End};
use crate::terminal::signals::{self, Console};
use crate::wait::{self, Until, Waiting};

/// Carries it out.
pub(crate) async fn carry_out(client: &Docker, host: &str, run: Run) -> Result<ExitCode> {
    process::check_terminal(&run.process)?;
    let name = run
        .name
        .as_ref()
        .map(|name| CreateContainerOptionsBuilder::default().name(name).build());
    let created = client.create_container(name, body(&run)?).await?;
    for warning in &created.warnings {
        eprintln!("warning: {warning}");
    }
    let id = &created.id;
    if run.process.detach {
        if let Err(error) = client.start_container(id, None).await {
            return Err(give_up(client, id, run.rm, error.into()).await);
        }
        println!("{id}");
        return Ok(ExitCode::SUCCESS);
    }
    let (streams, waiting) = match begin(client, host, id, &run).await {
        Ok(begun) => begun,
        Err(error) => return Err(give_up(client, id, run.rm, error).await),
    };
    follow(client, id, &run, streams, waiting).await
}

/// Attaches, and begins to wait: only then the program may start, for it may end at once.
async fn begin(
    client: &Docker,
    host: &str,
    id: &str,
    run: &Run,
) -> Result<(AttachContainerResults, Waiting)> {
    let attach = AttachContainerOptionsBuilder::default()
        .stdin(run.process.interactive)
        .stdout(true)
        .stderr(true)
        .stream(true)
        .build();
    let streams = client.attach_container(id, Some(attach)).await?;
    let until = if run.rm {
        Until::Removed
    } else {
        Until::NextExit
    };
    Ok((streams, wait::begin(host, id, until).await?))
}

/// Starts the container and stays with its program until it ends.
async fn follow(
    client: &Docker,
    id: &str,
    run: &Run,
    streams: AttachContainerResults,
    waiting: Waiting,
) -> Result<ExitCode> {
    let process = &run.process;
    let raw = process::raw_mode(process)?;
    if let Err(error) = client.start_container(id, None).await {
        drop(raw);
        return Err(give_up(client, id, run.rm, error.into()).await);
    }
    let signals = signals::pass_on(client.clone(), id.to_owned())?;
    let size = process
        .tty
        .then(|| signals::follow_size(client.clone(), Console::Container(id.to_owned())));
    let end = session::run(
        streams.output,
        streams.input,
        process.interactive,
        process.tty,
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
    let exit = waiting.end().await?;
    if let Some(error) = exit.error {
        eprintln!("porthole: {error}");
    }
    Ok(process::exit_code(exit.code))
}

/// After a failed start: `--rm` leaves nothing behind, as it promised.
async fn give_up(client: &Docker, id: &str, remove: bool, error: anyhow::Error) -> anyhow::Error {
    if remove {
        let options = RemoveContainerOptionsBuilder::default().force(true).build();
        // The daemon may have done it already.
        let _ = client.remove_container(id, Some(options)).await;
    }
    error
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
