//! Docker's client libraries and an old docker: whoever uses them need change nothing.

use std::path::PathBuf;
use std::process::Command;

use anyhow::{Context as _, Result, ensure};
use bollard::Docker;
use bollard::container::LogOutput;
use bollard::exec::StartExecResults;
use bollard::models::{ContainerCreateBody, ExecConfig};
use bollard::query_parameters::{
    AttachContainerOptionsBuilder, ContainerArchiveInfoOptionsBuilder,
    CreateContainerOptionsBuilder, DownloadFromContainerOptionsBuilder, LogsOptionsBuilder,
    RemoveContainerOptionsBuilder, StatsOptionsBuilder, StopContainerOptionsBuilder,
    UploadToContainerOptionsBuilder, WaitContainerOptions,
};
use futures::StreamExt;
use tokio::io::AsyncWriteExt as _;

use crate::{Fixture, Test};

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("clients_docker_py", docker_py),
    ("clients_dockerode", dockerode),
    ("clients_bollard", bollard),
    ("clients_docker_of_2022", old_docker),
];

const IMAGE: &str = "porthole/nanoserver";

pub(crate) fn clients() -> Result<PathBuf> {
    let directory = std::env::var_os("PORTHOLE_CLIENTS");
    let directory = directory.context("PORTHOLE_CLIENTS is not set; run `cargo xtask test e2e`")?;
    Ok(directory.into())
}

fn passes(fixture: &Fixture, command: &mut Command) -> Result<()> {
    // Python's requests takes these, where they are set, over the CA that it is told to trust.
    let output = command
        .env_remove("REQUESTS_CA_BUNDLE")
        .env_remove("CURL_CA_BUNDLE")
        .envs(fixture.docker.environment())
        .output()
        .with_context(|| format!("cannot run {command:?}"))?;
    ensure!(
        output.status.success(),
        "{}",
        String::from_utf8_lossy(&output.stderr)
    );
    Ok(())
}

pub(crate) fn docker_py(fixture: &Fixture) -> Result<()> {
    let script = concat!(env!("CARGO_MANIFEST_DIR"), "/../clients/docker_py.py");
    let python = clients()?.join("python/bin/python");
    passes(
        fixture,
        Command::new(python).args([script, "e2e-docker-py"]),
    )
}

pub(crate) fn dockerode(fixture: &Fixture) -> Result<()> {
    let directory = clients()?;
    let node = directory.join("python/bin/node");
    let script = directory.join("node/dockerode.js");
    passes(fixture, Command::new(node).arg(script).arg("e2e-dockerode"))
}

fn bollard(fixture: &Fixture) -> Result<()> {
    let socket = fixture.docker.host().trim_start_matches("unix://");
    let client = Docker::connect_with_unix(socket, 60, bollard::API_DEFAULT_VERSION)?;
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    runtime.block_on(async {
        let client = client.negotiate_version().await?;
        let name = "e2e-bollard";
        let lived = life(&client, name).await;
        let force = RemoveContainerOptionsBuilder::default().force(true).build();
        client.remove_container(name, Some(force)).await?;
        lived
    })
}

async fn life(client: &Docker, name: &str) -> Result<()> {
    let body = ContainerCreateBody {
        image: Some(IMAGE.to_owned()),
        cmd: Some(vec!["cmd".to_owned()]),
        open_stdin: Some(true),
        attach_stdin: Some(true),
        ..ContainerCreateBody::default()
    };
    let options = CreateContainerOptionsBuilder::default().name(name).build();
    client.create_container(Some(options), body).await?;
    let all = AttachContainerOptionsBuilder::default()
        .stdin(true)
        .stdout(true)
        .stderr(true)
        .stream(true)
        .build();
    let mut attached = client.attach_container(name, Some(all)).await?;
    client.start_container(name, None).await?;

    let command = ["cmd", "/c", "echo in& exit 3"].map(str::to_owned).to_vec();
    let exec = ExecConfig {
        cmd: Some(command),
        attach_stdout: Some(true),
        ..ExecConfig::default()
    };
    let exec = client.create_exec(name, exec).await?.id;
    let StartExecResults::Attached { output, .. } = client.start_exec(&exec, None).await? else {
        anyhow::bail!("the exec is not attached");
    };
    ensure!(text(output).await? == "in\r\n");
    ensure!(client.inspect_exec(&exec).await?.exit_code == Some(3));

    copies(client, name).await?;

    let once = StatsOptionsBuilder::default()
        .stream(false)
        .one_shot(true)
        .build();
    let stats = Box::pin(client.stats(name, Some(once)))
        .next()
        .await
        .context("no stats")??;
    ensure!(
        stats
            .memory_stats
            .is_some_and(|memory| memory.privateworkingset > Some(1 << 20))
    );

    let mut ends = client.wait_container(name, None::<WaitContainerOptions>);
    attached.input.write_all(b"echo out& exit 0\r\n").await?;
    attached.input.flush().await?;
    let end = ends.next().await.context("no end")??;
    ensure!(end.status_code == 0, "{end:?}");
    ensure!(text(attached.output).await?.contains(">out\r\n"));
    let logs = LogsOptionsBuilder::default()
        .stdout(true)
        .stderr(true)
        .build();
    ensure!(
        text(client.logs(name, Some(logs)))
            .await?
            .contains(">out\r\n")
    );
    client.start_container(name, None).await?;
    let now = StopContainerOptionsBuilder::default().t(0).build();
    client.stop_container(name, Some(now)).await?;
    Ok(())
}

/// A file goes in and comes out.
async fn copies(client: &Docker, name: &str) -> Result<()> {
    let mut builder = tar::Builder::new(Vec::new());
    let mut header = tar::Header::new_gnu();
    header.set_size(5);
    header.set_mode(0o644);
    builder.append_data(&mut header, "hello.txt", &b"hello"[..])?;
    let archive = builder.into_inner()?;
    let home = "C:/Users/ContainerUser";
    let into = UploadToContainerOptionsBuilder::default()
        .path(home)
        .build();
    let body = bollard::body_full(archive.into());
    client.upload_to_container(name, Some(into), body).await?;
    let path = format!("{home}/HELLO.txt");
    let from = DownloadFromContainerOptionsBuilder::default()
        .path(&path)
        .build();
    let mut pieces = Box::pin(client.download_from_container(name, Some(from)));
    let mut archive = Vec::new();
    while let Some(piece) = pieces.next().await {
        archive.extend(piece?);
    }
    let mut archive = tar::Archive::new(archive.as_slice());
    let mut entry = archive.entries()?.next().context("an empty archive")??;
    let mut content = String::new();
    std::io::Read::read_to_string(&mut entry, &mut content)?;
    ensure!(content == "hello" && &*entry.path_bytes() == b"HELLO.txt");
    let asked = ContainerArchiveInfoOptionsBuilder::default()
        .path(home)
        .build();
    let info = client.get_container_archive_info(name, Some(asked)).await?;
    ensure!(info.name == "ContainerUser", "{info:?}");
    Ok(())
}

/// All that a stream brings.
async fn text(
    stream: impl futures::Stream<Item = Result<LogOutput, bollard::errors::Error>>,
) -> Result<String> {
    let mut stream = Box::pin(stream);
    let mut text = String::new();
    while let Some(piece) = stream.next().await {
        text += &String::from_utf8_lossy(&piece?.into_bytes());
    }
    Ok(text)
}

/// Arguments, and what is printed.
const OLD: &[(&[&str], &str)] = &[
    (
        &["version", "--format", "{{.Client.Version}} {{.Server.Os}}"],
        "20.10",
    ),
    (&["run", "--rm", IMAGE, "cmd", "/c", "echo hi"], "hi"),
    (
        &[
            "run",
            "-d",
            "--name",
            "e2e-old",
            IMAGE,
            "ping",
            "-t",
            "127.0.0.1",
        ],
        "",
    ),
    (&["exec", "e2e-old", "cmd", "/c", "echo in"], "in"),
    (&["ps", "--filter", "name=e2e-old"], "e2e-old"),
    (&["stats", "--no-stream", "e2e-old"], "e2e-old"),
    (&["top", "e2e-old"], "ping.exe"),
    (
        &["inspect", "-f", "{{.State.Status}}", "e2e-old"],
        "running",
    ),
    (&["stop", "-t", "0", "e2e-old"], "e2e-old"),
    (&["logs", "e2e-old"], "127.0.0.1"),
    (&["rm", "e2e-old"], "e2e-old"),
    (&["images"], IMAGE),
    (&["info"], "windows"),
    (&["system", "df"], "Images"),
];

pub(crate) fn old_docker(fixture: &Fixture) -> Result<()> {
    let docker = clients()?.join("docker-old");
    for (arguments, expected) in OLD {
        let output = Command::new(&docker)
            .env_remove("DOCKER_CONTEXT")
            .envs(fixture.docker.environment())
            .args(*arguments)
            .output()?;
        let printed = String::from_utf8_lossy(&output.stdout);
        ensure!(
            output.status.success() && printed.contains(expected),
            "{arguments:?}: {output:?}"
        );
    }
    Ok(())
}
