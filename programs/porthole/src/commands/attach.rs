//! `porthole attach`, and `porthole start` with a terminal.

use std::process::ExitCode;

use anyhow::{Result, bail};
use bollard::Docker;
use bollard::models::ContainerInspectResponse;
use bollard::query_parameters::StartContainerOptions;

use super::attached::{Attached, Manner};
use super::each::each;
use crate::arguments::options::Streams;
use crate::arguments::{Attach, Start};
use crate::terminal::detach_keys::DetachKeys;
use crate::wait::Until;

/// `porthole attach`: stays with a program that runs.
pub(crate) async fn attach(client: &Docker, host: &str, attach: &Attach) -> Result<ExitCode> {
    let container = client.inspect_container(&attach.container, None).await?;
    let state = container.state.clone().unwrap_or_default();
    let name = &attach.container;
    if state.paused == Some(true) {
        bail!("cannot attach to {name}: it is paused; 'porthole unpause {name}' first");
    }
    if state.restarting == Some(true) {
        bail!("cannot attach to {name}: it is about to be started again; try once more");
    }
    if state.running != Some(true) {
        bail!("cannot attach to {name}: it does not run; 'porthole start -a {name}' starts it");
    }
    let until = Until::NextExit;
    let manner = Manner {
        sig_proxy: attach.sig_proxy,
        ..manner(
            &container,
            !attach.no_stdin,
            attach.detach_keys.as_deref(),
            until,
        )
    };
    let id = container.id.as_deref().unwrap_or(name);
    let attached = Attached::begin(client, host, id, manner).await?;
    attached.follow(async { Ok(()) }).await
}

/// `porthole start`.
pub(crate) async fn start(client: &Docker, host: &str, start: &Start) -> Result<ExitCode> {
    let names = &start.containers;
    DetachKeys::parse(start.detach_keys.as_deref())?;
    if !start.attach && !start.interactive {
        let start = async |name| client.start_container(name, None).await;
        return Ok(each(names, start).await);
    }
    let [name] = names.as_slice() else {
        bail!("start can stay with one container only: leave out -a and -i, or name one");
    };
    let container = client.inspect_container(name, None).await?;
    let removed = container
        .host_config
        .as_ref()
        .and_then(|host| host.auto_remove);
    let until = if removed == Some(true) {
        Until::Removed
    } else {
        Until::NextExit
    };
    let keys = start.detach_keys.as_deref();
    let mut manner = manner(&container, start.interactive, keys, until);
    manner.sig_proxy = start.sig_proxy;
    let id = container.id.as_deref().unwrap_or(name);
    let attached = Attached::begin(client, host, id, manner).await?;
    let start = async {
        Ok(client
            .start_container(id, None::<StartContainerOptions>)
            .await?)
    };
    attached.follow(start).await
}

fn manner<'a>(
    container: &ContainerInspectResponse,
    input: bool,
    detach_keys: Option<&'a str>,
    until: Until,
) -> Manner<'a> {
    let config = container.config.as_ref();
    let says = |switch: Option<bool>| switch == Some(true);
    Manner {
        streams: Streams {
            stdin: input && says(config.and_then(|config| config.open_stdin)),
            stdout: true,
            stderr: true,
        },
        tty: says(config.and_then(|config| config.tty)),
        sig_proxy: true,
        detach_keys,
        until,
    }
}
