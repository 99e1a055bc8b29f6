//! `docker exec`: another program in a running container.

use anyhow::{Result, ensure};

use crate::{Fixture, Test};

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("exec_prints_and_exits_with_the_programs_code", prints),
    (
        "exec_sees_the_containers_files_and_its_own_environment",
        sees,
    ),
    ("exec_detached_runs_on", detached),
    ("exec_in_a_stopped_container_is_refused", stopped),
];

fn running(fixture: &Fixture, name: &str) -> Result<()> {
    fixture
        .docker
        .idle(name, &["-e", "COLOUR=green", "porthole/servercore"])?;
    Ok(())
}

fn prints(fixture: &Fixture) -> Result<()> {
    let docker = &fixture.docker;
    let name = "e2e-exec-prints";
    running(fixture, name)?;
    let outcome = docker.run(["exec", name, "cmd", "/c", "echo out& echo err>&2& exit 9"])?;
    docker.ok(["rm", "-f", name])?;
    ensure!(
        outcome.stdout.trim() == "out" && outcome.stderr.trim() == "err",
        "{outcome:?}"
    );
    ensure!(outcome.code == 9, "exit code {}", outcome.code);
    Ok(())
}

fn sees(fixture: &Fixture) -> Result<()> {
    let docker = &fixture.docker;
    let name = "e2e-exec-sees";
    running(fixture, name)?;
    docker.ok(["exec", name, "cmd", "/c", r"echo kept>C:\kept.txt"])?;
    let seen = docker.ok([
        "exec",
        "-e",
        "SHAPE=round",
        "-w",
        r"C:\Users",
        name,
        "cmd",
        "/c",
        r"type C:\kept.txt& echo %COLOUR%;%SHAPE%;%CD%",
    ])?;
    docker.ok(["rm", "-f", name])?;
    let lines: Vec<_> = seen.lines().map(str::trim).collect();
    ensure!(lines == ["kept", r"green;round;C:\Users"], "{lines:?}");
    Ok(())
}

fn detached(fixture: &Fixture) -> Result<()> {
    let docker = &fixture.docker;
    let name = "e2e-exec-detached";
    running(fixture, name)?;
    docker.ok(["exec", "-d", name, "cmd", "/c", r"echo done>C:\done.txt"])?;
    let script = r"for /l %i in (1,1,50) do @if exist C:\done.txt (type C:\done.txt& exit 0) else (ping -n 2 127.0.0.1 >nul)";
    let seen = docker.ok(["exec", name, "cmd", "/c", script])?;
    docker.ok(["rm", "-f", name])?;
    ensure!(seen.trim() == "done", "{seen:?}");
    Ok(())
}

fn stopped(fixture: &Fixture) -> Result<()> {
    let docker = &fixture.docker;
    let name = "e2e-exec-stopped";
    docker.ok(["create", "--name", name, "porthole/nanoserver"])?;
    let outcome = docker.run(["exec", name, "cmd", "/c", "echo no"])?;
    docker.ok(["rm", name])?;
    ensure!(
        outcome.code == 1 && outcome.stderr.contains("is not running"),
        "{outcome:?}"
    );
    Ok(())
}
