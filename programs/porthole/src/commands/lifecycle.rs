//! Commands that bring containers from one state to another.

use std::process::ExitCode;

use anyhow::Result;
use bollard::Docker;
use bollard::query_parameters::{KillContainerOptionsBuilder, RenameContainerOptionsBuilder};
use hyper::Method;

use super::each::each;
use crate::arguments::{Containers, Kill, Rename, Stop};
use crate::failure;
use crate::output::{say, with_spinner};
use crate::request;
use crate::wait::{self, Until};

/// `porthole stop`.
pub(crate) async fn stop(host: &str, stop: &Stop) -> Result<ExitCode> {
    Ok(each(&stop.named.containers, async |name| {
        end(host, name, "stop", stop).await
    })
    .await)
}

/// `porthole restart`.
pub(crate) async fn restart(host: &str, stop: &Stop) -> Result<ExitCode> {
    Ok(each(&stop.named.containers, async |name| {
        end(host, name, "restart", stop).await
    })
    .await)
}

/// Asks for an end, and waits for as long as the container is given: a client with a time limit of
/// its own would call that a failure.
async fn end(host: &str, name: &str, action: &str, stop: &Stop) -> Result<()> {
    let seconds = stop.timeout.map(|seconds| seconds.to_string());
    let given = [("t", &seconds), ("signal", &stop.signal)];
    let given = given.map(|(key, value)| value.as_deref().map(|value| (key, value)));
    let given: Vec<_> = given.into_iter().flatten().collect();
    let path = format!(
        "/containers/{}/{action}?{}",
        request::segment(name),
        request::query(&given)
    );
    let work = request::send(host, Method::POST, &path, None);
    with_spinner(format!("waiting for {name} to end"), work)
        .await
        .map(drop)
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
            Ok(exit) => say!("{}", exit.code)?,
            Err(error) => {
                failure::tell(&error);
                code = ExitCode::FAILURE;
            }
        }
    }
    Ok(code)
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader, Write as _};
    use std::os::unix::net::UnixListener;

    use super::*;

    /// Time goes on by itself whenever nothing but it is waited for.
    #[tokio::test(start_paused = true)]
    async fn a_stop_takes_as_long_as_it_takes() {
        let directory = tempfile::tempdir().unwrap();
        let socket = directory.path().join("socket");
        let listener = UnixListener::bind(&socket).unwrap();
        let daemon = std::thread::spawn(move || {
            let (mut client, _) = listener.accept().unwrap();
            let mut asked = String::new();
            BufReader::new(&client).read_line(&mut asked).unwrap();
            client
                .write_all(b"HTTP/1.1 204 No Content\r\n\r\n")
                .unwrap();
            asked
        });
        let stop = Stop {
            timeout: Some(300),
            signal: Some("SIGINT".to_owned()),
            named: Containers {
                containers: vec!["a b".to_owned()],
            },
        };
        let host = format!("unix://{}", socket.display());
        let code = super::stop(&host, &stop).await.unwrap();
        assert_eq!(code, ExitCode::SUCCESS);
        assert_eq!(
            daemon.join().unwrap(),
            "POST /v1.50/containers/a%20b/stop?t=300&signal=SIGINT HTTP/1.1\r\n"
        );
    }
}
