//! Signals of this process, passed on to the program in the container.

use anyhow::anyhow;
use bollard::Docker;
use bollard::query_parameters::{
    KillContainerOptionsBuilder, ResizeContainerTTYOptionsBuilder, ResizeExecOptionsBuilder,
};
use tokio::signal::unix::{SignalKind, signal};
use tokio::task::JoinHandle;

use super::raw;

/// Passes on what asks a program to end, until aborted: ctrl-C, termination, hang-up, quit.
pub(crate) fn pass_on(client: Docker, container: String) -> std::io::Result<JoinHandle<()>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    let mut quit = signal(SignalKind::quit())?;
    Ok(tokio::spawn(async move {
        loop {
            let name = tokio::select! {
                _ = interrupt.recv() => "SIGINT",
                _ = terminate.recv() => "SIGTERM",
                _ = hang_up.recv() => "SIGHUP",
                _ = quit.recv() => "SIGQUIT",
            };
            let options = KillContainerOptionsBuilder::default().signal(name).build();
            // A program that has just ended needs no signal any more.
            let _ = client.kill_container(&container, Some(options)).await;
        }
    }))
}

/// Waits from now on until this process is asked to end, for what has to be put right before it does.
pub(crate) fn end() -> std::io::Result<impl Future<Output = anyhow::Error>> {
    let mut interrupt = signal(SignalKind::interrupt())?;
    let mut terminate = signal(SignalKind::terminate())?;
    let mut hang_up = signal(SignalKind::hangup())?;
    Ok(async move {
        tokio::select! {
            _ = interrupt.recv() => anyhow!("interrupted"),
            _ = terminate.recv() => anyhow!("terminated"),
            _ = hang_up.recv() => anyhow!("hung up"),
        }
    })
}

/// What has a console.
#[derive(Debug, Clone)]
pub(crate) enum Console {
    /// A container's main program.
    Container(String),
    /// A further program.
    Exec(String),
}

/// Gives the console this terminal's size now and whenever it changes, until aborted.
pub(crate) fn follow_size(client: Docker, console: Console) -> std::io::Result<JoinHandle<()>> {
    let mut changed = signal(SignalKind::window_change())?;
    Ok(tokio::spawn(async move {
        loop {
            if let Some((height, width)) = raw::size() {
                // A console that has just gone away needs no size any more.
                let _ = resize(&client, &console, height.into(), width.into()).await;
            }
            if changed.recv().await.is_none() {
                return;
            }
        }
    }))
}

async fn resize(
    client: &Docker,
    console: &Console,
    height: i32,
    width: i32,
) -> Result<(), bollard::errors::Error> {
    match console {
        Console::Container(id) => {
            let options = ResizeContainerTTYOptionsBuilder::default()
                .h(height)
                .w(width)
                .build();
            client.resize_container_tty(id, options).await
        }
        Console::Exec(id) => {
            let options = ResizeExecOptionsBuilder::default()
                .h(height)
                .w(width)
                .build();
            client.resize_exec(id, options).await
        }
    }
}
