//! Commands that bring containers from one state to another.

use std::process::ExitCode;

use anyhow::Result;
use bollard::Docker;
use bollard::query_parameters::{
    KillContainerOptionsBuilder, RenameContainerOptionsBuilder, RestartContainerOptionsBuilder,
    StopContainerOptionsBuilder,
};

use super::each::each;
use crate::arguments::{Containers, Kill, Rename, Stop};
use crate::failure;
use crate::output::with_spinner;
use crate::wait::{self, Until};

/// `porthole stop`.
pub(crate) async fn stop(client: &Docker, stop: &Stop) -> Result<ExitCode> {
    Ok(each(&stop.named.containers, async |name| {
        let mut options = StopContainerOptionsBuilder::default();
        if let Some(seconds) = stop.timeout {
            options = options.t(seconds);
        }
        if let Some(signal) = &stop.signal {
            options = options.signal(signal);
        }
        let work = client.stop_container(name, Some(options.build()));
        with_spinner(format!("waiting for {name} to end"), work).await
    })
    .await)
}

/// `porthole restart`.
pub(crate) async fn restart(client: &Docker, stop: &Stop) -> Result<ExitCode> {
    Ok(each(&stop.named.containers, async |name| {
        let mut options = RestartContainerOptionsBuilder::default();
        if let Some(seconds) = stop.timeout {
            options = options.t(seconds);
        }
        if let Some(signal) = &stop.signal {
            options = options.signal(signal);
        }
        let work = client.restart_container(name, Some(options.build()));
        with_spinner(format!("waiting for {name} to end"), work).await
    })
    .await)
}

/// `porthole kill`.
pub(crate) async fn kill(client: &Docker, kill: &Kill) -> Result<ExitCode> {
    Ok(each(&kill.named.containers, async |name| {
        let options = KillContainerOptionsBuilder::default().signal(&kill.signal);
        client.kill_container(name, Some(options.build())).await
    })
    .await)
}

/// `porthole pause`.
pub(crate) async fn pause(client: &Docker, named: &Containers) -> Result<ExitCode> {
    let pause = async |name| client.pause_container(name).await;
    Ok(each(&named.containers, pause).await)
}

/// `porthole unpause`.
pub(crate) async fn unpause(client: &Docker, named: &Containers) -> Result<ExitCode> {
    let unpause = async |name| client.unpause_container(name).await;
    Ok(each(&named.containers, unpause).await)
}

/// `porthole rename`.
pub(crate) async fn rename(client: &Docker, rename: &Rename) -> Result<ExitCode> {
    let options = RenameContainerOptionsBuilder::default().name(&rename.name);
    client
        .rename_container(&rename.container, options.build())
        .await?;
    Ok(ExitCode::SUCCESS)
}

/// `porthole wait`: the exit codes are what it prints.
pub(crate) async fn wait(host: &str, named: &Containers) -> Result<ExitCode> {
    let mut code = ExitCode::SUCCESS;
    for name in &named.containers {
        let ended = async {
            wait::begin(host, name, Until::NotRunning)
                .await?
                .end()
                .await
        };
        match ended.await {
            Ok(exit) => println!("{}", exit.code),
            Err(error) => {
                failure::tell(&error);
                code = ExitCode::FAILURE;
            }
        }
    }
    Ok(code)
}
