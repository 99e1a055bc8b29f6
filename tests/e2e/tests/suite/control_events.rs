//! Stop, kill, Ctrl-C: what the program's console handler hears.

use std::process::{Command, Stdio};
use std::time::Duration;

use anyhow::{Result, ensure};

use crate::{Fixture, Test};

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("stop_runs_the_console_handler", stop),
    ("stop_leaves_a_program_its_own_exit_code", graceful),
    ("stop_ends_a_program_that_ignores_it", stubborn),
    ("stop_without_a_handler_has_windows_exit_code", unhandled),
    ("kill_with_sigint_is_ctrl_c", sigint),
    ("kill_ends_at_once", kill),
    (
        "interrupting_the_client_reaches_the_program",
        client_interrupt,
    ),
];

fn start(fixture: &Fixture, name: &str, arguments: &[&str]) -> Result<()> {
    let bind = fixture.probes_bind();
    let command = [
        "run",
        "-d",
        "--name",
        name,
        "-v",
        &bind,
        "porthole/nanoserver",
        r"C:\probes\control-events.exe",
    ];
    fixture.docker.ok(command.iter().chain(arguments))?;
    wait_for_log(fixture, name, "ready")
}

pub(crate) fn wait_for_log(fixture: &Fixture, name: &str, text: &str) -> Result<()> {
    for _ in 0..200 {
        if fixture.docker.ok(["logs", name])?.contains(text) {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(50));
    }
    anyhow::bail!("{name} never printed {text}")
}

/// The log and the exit code; removes the container.
fn ended(fixture: &Fixture, name: &str) -> Result<(String, String)> {
    let code = fixture.docker.ok(["wait", name])?;
    let log = fixture.docker.ok(["logs", name])?;
    fixture.docker.ok(["rm", name])?;
    Ok((log, code))
}

fn stop(fixture: &Fixture) -> Result<()> {
    let name = "e2e-stop";
    start(fixture, name, &[])?;
    fixture.docker.ok(["stop", name])?;
    let (log, code) = ended(fixture, name)?;
    ensure!(log.contains("CTRL_SHUTDOWN_EVENT"), "log {log:?}");
    ensure!(code == "106", "exit code {code}");
    Ok(())
}

/// A program that cleans up in its main thread while its handler blocks has its own exit code.
fn graceful(fixture: &Fixture) -> Result<()> {
    let name = "e2e-stop-graceful";
    start(fixture, name, &["--main"])?;
    fixture.docker.ok(["stop", name])?;
    let (log, code) = ended(fixture, name)?;
    ensure!(code == "7", "exit code {code}, log {log:?}");
    Ok(())
}

fn stubborn(fixture: &Fixture) -> Result<()> {
    let name = "e2e-stop-stubborn";
    start(fixture, name, &["--ignore"])?;
    fixture.docker.ok(["stop", "-t", "1", name])?;
    let (log, code) = ended(fixture, name)?;
    ensure!(
        log.contains("CTRL_SHUTDOWN_EVENT") && code != "0",
        "log {log:?}, exit code {code}"
    );
    Ok(())
}

/// `STATUS_CONTROL_C_EXIT`, as Windows' default handler gives.
fn unhandled(fixture: &Fixture) -> Result<()> {
    let name = "e2e-stop-unhandled";
    let command = ["run", "-d", "--name", name, "porthole/nanoserver"];
    let program = ["cmd", "/c", "echo ready& ping -n 1000 127.0.0.1"];
    fixture.docker.ok(command.iter().chain(&program))?;
    wait_for_log(fixture, name, "ready")?;
    fixture.docker.ok(["stop", name])?;
    let (_, code) = ended(fixture, name)?;
    ensure!(code == "3221225786", "exit code {code}");
    Ok(())
}

fn sigint(fixture: &Fixture) -> Result<()> {
    let name = "e2e-kill-sigint";
    start(fixture, name, &[])?;
    fixture.docker.ok(["kill", "-s", "SIGINT", name])?;
    let (log, code) = ended(fixture, name)?;
    ensure!(
        log.contains("CTRL_C_EVENT") && code == "100",
        "log {log:?}, exit code {code}"
    );
    Ok(())
}

fn kill(fixture: &Fixture) -> Result<()> {
    let name = "e2e-kill";
    start(fixture, name, &["--ignore"])?;
    fixture.docker.ok(["kill", name])?;
    let (log, _) = ended(fixture, name)?;
    ensure!(!log.contains("EVENT"), "log {log:?}");
    Ok(())
}

fn client_interrupt(fixture: &Fixture) -> Result<()> {
    let name = "e2e-client-interrupt";
    let bind = fixture.probes_bind();
    let mut client = fixture
        .docker
        .command([
            "run",
            "--name",
            name,
            "-v",
            &bind,
            "porthole/nanoserver",
            r"C:\probes\control-events.exe",
        ])
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()?;
    let mut ready = Ok(());
    for _ in 0..200 {
        std::thread::sleep(Duration::from_millis(50));
        ready = wait_for_log(fixture, name, "ready");
        if ready.is_ok() {
            break;
        }
    }
    ready?;
    Command::new("kill")
        .args(["-INT", &client.id().to_string()])
        .status()?;
    let code = client.wait()?.code();
    let (log, _) = ended(fixture, name)?;
    ensure!(
        log.contains("CTRL_C_EVENT") && code == Some(100),
        "log {log:?}, client exited with {code:?}"
    );
    Ok(())
}
