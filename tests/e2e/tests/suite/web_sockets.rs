//! Attaching over a web socket: the way of web consoles.

use std::time::Duration;

use anyhow::{Context as _, Result, ensure};
use futures::{SinkExt as _, StreamExt as _};
use tokio::net::UnixStream;
use tokio_tungstenite::tungstenite::Message;

use crate::{Fixture, Test};

pub(crate) const TESTS: &[(&str, Test)] = &[("web_socket_types_into_cmd_and_sees_it_end", typed)];

const PATIENCE: Duration = Duration::from_secs(30);

fn typed(fixture: &Fixture) -> Result<()> {
    let docker = &fixture.docker;
    let name = "e2e-web-socket";
    docker.ok([
        "run",
        "-d",
        "-i",
        "--name",
        name,
        "porthole/nanoserver",
        "cmd",
    ])?;
    let socket = docker.host().trim_start_matches("unix://").to_owned();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    let session = async { tokio::time::timeout(PATIENCE, session(&socket, name)).await? };
    let output = runtime.block_on(session);
    docker.ok(["rm", "-f", name])?;
    let output = output?;
    ensure!(output.contains("=42="), "{output:?}");
    Ok(())
}

/// Types two lines and gives what comes until the server closes.
async fn session(socket: &str, name: &str) -> Result<String> {
    let url = format!(
        "ws://porthole/v1.43/containers/{name}/attach/ws?stream=1&logs=1&stdin=1&stdout=1&stderr=1"
    );
    let stream = UnixStream::connect(socket).await?;
    let (mut socket, _) = tokio_tungstenite::client_async(url, stream).await?;
    for line in ["set /a x=6*7\r\n", "echo =%x%=\r\n", "exit\r\n"] {
        socket.send(Message::binary(line.as_bytes())).await?;
    }
    let mut output = Vec::new();
    loop {
        match socket.next().await.context("closed without a word")?? {
            Message::Close(_) => return Ok(String::from_utf8_lossy(&output).into_owned()),
            Message::Binary(data) => output.extend(data),
            other => anyhow::bail!("{other:?}"),
        }
    }
}
