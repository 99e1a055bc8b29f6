//! The real docker client against this API; skipped with a sentence where there is none.

use std::process::{Output, Stdio};

use porthole_compute_service::fake::Program;
use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::support::{World, within};

/// Whether a docker client is there.
async fn docker_is_there() -> bool {
    let there = Command::new("docker")
        .arg("--version")
        .output()
        .await
        .is_ok_and(|output| output.status.success());
    if !there {
        println!("skipped: no docker client on this machine");
    }
    there
}

fn docker(world: &World, arguments: &[&str]) -> Command {
    let mut command = Command::new("docker");
    command
        .arg("--host")
        .arg(format!("unix://{}", world.socket.display()))
        .args(arguments)
        .env_remove("DOCKER_CONTEXT")
        .env_remove("DOCKER_API_VERSION")
        .kill_on_drop(true);
    command
}

async fn run(world: &World, arguments: &[&str]) -> Output {
    within(docker(world, arguments).stdin(Stdio::null()).output())
        .await
        .unwrap()
}

fn text(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).into_owned()
}

/// Standard output of a command that succeeds.
async fn output(world: &World, arguments: &[&str]) -> String {
    let output = run(world, arguments).await;
    assert!(
        output.status.success(),
        "docker {arguments:?}: {}",
        text(&output.stderr)
    );
    text(&output.stdout)
}

#[tokio::test]
async fn version_and_info_are_printed_without_warnings() {
    if !docker_is_there().await {
        return;
    }
    let world = World::new().await;
    assert_eq!(
        output(
            &world,
            &["version", "-f", "{{.Server.Os}}/{{.Server.Arch}}"]
        )
        .await,
        "windows/amd64\n"
    );
    let info = run(&world, &["info"]).await;
    assert!(info.status.success());
    assert_eq!(text(&info.stderr), "");
    assert!(
        text(&info.stdout).contains("OSType: windows"),
        "{}",
        text(&info.stdout)
    );
}

#[tokio::test]
async fn run_prints_both_streams_and_exits_with_the_programs_code() {
    if !docker_is_there().await {
        return;
    }
    let world = World::new().await;
    world.script.program(
        "two.exe",
        Program::new()
            .print("out\r\n")
            .print_error("err\r\n")
            .exit(3),
    );
    let ran = run(&world, &["run", "--rm", "porthole/nanoserver", "two.exe"]).await;
    assert_eq!(ran.status.code(), Some(3));
    assert_eq!(
        (text(&ran.stdout).as_str(), text(&ran.stderr).as_str()),
        ("out\r\n", "err\r\n")
    );
    assert_eq!(output(&world, &["ps", "-aq"]).await, "");
}

#[tokio::test]
async fn run_passes_input_on_to_its_end() {
    if !docker_is_there().await {
        return;
    }
    let world = World::new().await;
    world.script.program("cat.exe", Program::new().echo());
    let mut command = docker(
        &world,
        &["run", "-i", "--rm", "porthole/nanoserver", "cat.exe"],
    );
    let mut child = command
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .spawn()
        .unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"through and through").await.unwrap();
    drop(stdin);
    let output = within(child.wait_with_output()).await.unwrap();
    assert_eq!(text(&output.stdout), "through and through");
    assert!(output.status.success());
}

#[tokio::test]
async fn errors_reach_the_user_with_dockers_codes() {
    if !docker_is_there().await {
        return;
    }
    let world = World::new().await;
    let missing = run(
        &world,
        &["run", "--rm", "porthole/nanoserver", "nosuch.exe"],
    )
    .await;
    assert_eq!(
        missing.status.code(),
        Some(127),
        "{}",
        text(&missing.stderr)
    );
    let image = run(&world, &["run", "porthole/servercore"]).await;
    assert_eq!(image.status.code(), Some(125));
    assert!(
        text(&image.stderr).contains("porthole base build servercore"),
        "{}",
        text(&image.stderr)
    );
    let option = run(&world, &["run", "--privileged", "porthole/nanoserver"]).await;
    assert!(
        text(&option.stderr).contains("privileged mode is not supported for Windows containers")
    );
    let volume = run(&world, &["volume", "create"]).await;
    assert!(
        text(&volume.stderr).contains("not supported by this version of Porthole: volumes"),
        "{}",
        text(&volume.stderr)
    );
}

#[tokio::test]
async fn networks_and_volumes_can_be_looked_at() {
    if !docker_is_there().await {
        return;
    }
    let world = World::new().await;
    assert_eq!(
        output(
            &world,
            &["network", "ls", "--format", "{{.Name}} {{.Driver}}"]
        )
        .await,
        "nat nat\nnone null\n"
    );
    let subnet = "{{(index .IPAM.Config 0).Subnet}}";
    assert_eq!(
        output(&world, &["network", "inspect", "-f", subnet, "nat"]).await,
        "172.30.0.0/16\n"
    );
    assert_eq!(
        output(&world, &["inspect", "-f", "{{.Driver}}", "none"]).await,
        "null\n"
    );
    let removed = run(&world, &["network", "rm", "nat"]).await;
    assert_eq!(removed.status.code(), Some(1));
    assert!(text(&removed.stderr).contains("pre-defined network"));
    assert_eq!(output(&world, &["volume", "ls", "-q"]).await, "");
    let missing = run(&world, &["inspect", "missing"]).await;
    assert!(
        text(&missing.stderr)
            .to_lowercase()
            .contains("no such object: missing"),
        "{}",
        text(&missing.stderr)
    );
}

#[tokio::test]
async fn lists_with_sizes_and_lists_as_json() {
    if !docker_is_there().await {
        return;
    }
    let world = World::new().await;
    output(&world, &["create", "--name", "web", "porthole/nanoserver"]).await;
    let sized = output(&world, &["ps", "-a", "-s", "--format", "{{.Size}}"]).await;
    assert_eq!(sized, "0B (virtual 1kB)\n");
    let row = output(&world, &["ps", "-a", "--format", "json"]).await;
    let row: serde_json::Value = serde_json::from_str(&row).unwrap();
    assert_eq!(row["Names"], "web");
    let inspected = output(&world, &["inspect", "-s", "-f", "{{.SizeRootFs}}", "web"]).await;
    assert_eq!(inspected, "1000\n");
}

#[tokio::test]
async fn the_life_of_a_server() {
    if !docker_is_there().await {
        return;
    }
    let world = World::new().await;
    world.script.program(
        "server.exe",
        Program::new()
            .print("ready\r\n")
            .await_signal()
            .print("bye\r\n"),
    );
    world
        .script
        .program("tool.exe", Program::new().print("tool\r\n").exit(9));
    let id = output(
        &world,
        &[
            "run",
            "-d",
            "--name",
            "web",
            "-p",
            "8080:80",
            "porthole/nanoserver",
            "server.exe",
        ],
    )
    .await;
    assert_eq!(id.trim().len(), 64);
    let row = output(
        &world,
        &["ps", "--format", "{{.Names}} {{.Image}} {{.Ports}}"],
    )
    .await;
    assert_eq!(row, "web porthole/nanoserver 0.0.0.0:8080->80/tcp\n");
    assert_eq!(
        output(
            &world,
            &[
                "inspect",
                "-f",
                "{{.State.Status}} {{.HostConfig.Isolation}}",
                "web"
            ]
        )
        .await,
        "running process\n"
    );
    let exec = run(&world, &["exec", "web", "tool.exe"]).await;
    assert_eq!(
        (exec.status.code(), text(&exec.stdout).as_str()),
        (Some(9), "tool\r\n")
    );
    assert!(
        output(&world, &["top", "web"])
            .await
            .contains("Private Working Set")
    );
    output(&world, &["stop", "web"]).await;
    assert_eq!(output(&world, &["logs", "web"]).await, "ready\r\nbye\r\n");
    assert_eq!(output(&world, &["wait", "web"]).await, "0\n");
    output(&world, &["rm", "web"]).await;
    assert_eq!(
        output(&world, &["images", "--format", "{{.Repository}}:{{.Tag}}"]).await,
        "porthole/nanoserver:latest\n"
    );
    assert!(
        output(&world, &["history", "porthole/nanoserver"])
            .await
            .contains("IMAGE")
    );
    // To the nanosecond: the client cuts `0s` to the whole second.
    let now = std::time::UNIX_EPOCH.elapsed().unwrap();
    let until = format!("{}.{:09}", now.as_secs(), now.subsec_nanos());
    let events = output(&world, &["events", "--since", "1h", "--until", &until]).await;
    assert!(events.contains("container die"), "{events}");
}
