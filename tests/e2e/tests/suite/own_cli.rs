//! Porthole's own command line, as a user who knows docker expects it.

use std::process::{Command, Output, Stdio};

use anyhow::{Context as _, Result, ensure};

use crate::{Fixture, Test};

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("own_cli_run_rm_never_loses_the_exit_code", exit_code),
    ("own_cli_run_dit_leaves_a_console_to_itself", detached),
    ("own_cli_failures_have_dockers_codes", failures),
    ("own_cli_goes_through_a_containers_life", life),
];

fn porthole(fixture: &Fixture, arguments: &[&str]) -> Result<Output> {
    let mut command = Command::new(fixture.programs.join("porthole"));
    command
        .args(["-H", fixture.docker.host()])
        .args(arguments)
        .stdin(Stdio::null());
    command.output().context("cannot run porthole")
}

/// The container removes itself as soon as its program ends, which is at once.
fn exit_code(fixture: &Fixture) -> Result<()> {
    for round in 0..10 {
        let image = "porthole/nanoserver";
        let ran = porthole(fixture, &["run", "--rm", image, "cmd", "/c", "exit 7"])?;
        ensure!(ran.status.code() == Some(7), "round {round}: {ran:?}");
    }
    Ok(())
}

fn detached(fixture: &Fixture) -> Result<()> {
    let docker = &fixture.docker;
    let name = "e2e-own-dit";
    let ran = porthole(
        fixture,
        &["run", "-dit", "--name", name, "porthole/nanoserver", "cmd"],
    )?;
    let format = "{{.Id}} {{.State.Running}} {{.Config.Tty}} {{.Config.OpenStdin}}";
    let seen = docker.ok(["inspect", "-f", format, name])?;
    let removed = porthole(fixture, &["rm", "-f", name])?;
    let printed = String::from_utf8_lossy(&ran.stdout).trim().to_owned();
    ensure!(
        seen == format!("{printed} true true true"),
        "{seen}: {ran:?}"
    );
    ensure!(removed.status.success(), "{removed:?}");
    Ok(())
}

/// Commands in a container's order of life, and what each must print.
const LIFE: &[(&[&str], &str)] = &[
    (&["pause", "e2e-life"], "e2e-life"),
    (&["ps"], "(Paused)"),
    (&["unpause", "e2e-life"], "e2e-life"),
    (&["top", "e2e-life"], "PING.EXE"),
    (&["rename", "e2e-life", "e2e-life2"], ""),
    (&["stats", "--no-stream", "e2e-life2"], "e2e-life2"),
    (&["inspect", "e2e-life2"], "\"Running\": true"),
    (&["restart", "-t", "0", "e2e-life2"], "e2e-life2"),
    (&["kill", "e2e-life2"], "e2e-life2"),
    (&["wait", "e2e-life2"], ""),
    (&["start", "e2e-life2"], "e2e-life2"),
    (&["stop", "-t", "0", "e2e-life2"], "e2e-life2"),
    (&["rm", "e2e-life2"], "e2e-life2"),
    (&["completion", "bash"], "complete -F"),
];

fn life(fixture: &Fixture) -> Result<()> {
    let run = [
        "run",
        "-d",
        "--name",
        "e2e-life",
        "porthole/nanoserver",
        "ping",
        "-t",
        "127.0.0.1",
    ];
    let ran = porthole(fixture, &run)?;
    ensure!(ran.status.success(), "{ran:?}");
    for (arguments, expected) in LIFE {
        let ran = porthole(fixture, arguments)?;
        let printed = String::from_utf8_lossy(&ran.stdout);
        let found = printed.to_uppercase().contains(&expected.to_uppercase());
        ensure!(
            ran.status.success() && found,
            "porthole {arguments:?}: {ran:?}"
        );
    }
    Ok(())
}

/// Arguments, the exit code, and what the error must hold.
const FAILURES: &[(&[&str], i32, &str)] = &[
    (
        &["run", "--rm", "porthole/nanoserver", r"C:\no\such.exe"],
        127,
        "cannot find the",
    ),
    (&["run", "porthole/nothing"], 125, "No such image"),
    (&["run", "--nonsense"], 125, "--nonsense"),
    (&["rm", "e2e-no-such"], 1, "No such container"),
    (&["logs", "e2e-no-such"], 1, "No such container"),
    (&["rm", "--json", "e2e-no-such"], 1, "--json is for"),
];

fn failures(fixture: &Fixture) -> Result<()> {
    for (arguments, code, words) in FAILURES {
        let ran = porthole(fixture, arguments)?;
        let told = String::from_utf8_lossy(&ran.stderr);
        ensure!(
            ran.status.code() == Some(*code) && told.contains(words),
            "porthole {arguments:?}: {ran:?}"
        );
    }
    Ok(())
}
