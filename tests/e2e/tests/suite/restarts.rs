//! Restart policies: who is started again, how often, and who is not.

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::{Fixture, Test};

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("restarts_go_on_until_a_client_stops_them", always),
    ("restarts_on_failure_end_after_their_count", on_failure),
    ("restarts_of_what_is_removed_are_refused", auto_remove),
];

const PATIENCE: Duration = Duration::from_secs(30);

fn always(fixture: &Fixture) -> Result<()> {
    let docker = &fixture.docker;
    let name = "e2e-restarts-always";
    let program = ["porthole/nanoserver", "cmd", "/c", "echo run & exit 0"];
    let options = ["run", "-d", "--name", name, "--restart", "always"];
    docker.ok(options.iter().chain(&program))?;
    docker.until(name, "{{ge .RestartCount 3}}", PATIENCE, |is| is == "true")?;
    docker.ok(["stop", name])?;
    docker.until(name, "{{.State.Status}}", PATIENCE, |state| {
        state == "exited"
    })?;
    let count = docker.ok(["inspect", "-f", "{{.RestartCount}}", name])?;
    let lines = docker.ok(["logs", name])?;
    // Longer than the next pause would have been.
    std::thread::sleep(Duration::from_secs(2));
    let later = docker.ok(["inspect", "-f", "{{.State.Status}} {{.RestartCount}}", name])?;
    docker.ok(["rm", "-f", name])?;
    ensure!(
        later == format!("exited {count}"),
        "{later}, not exited {count}"
    );
    ensure!(
        lines.lines().count() >= 3,
        "each run's line is in the log: {lines}"
    );
    Ok(())
}

fn on_failure(fixture: &Fixture) -> Result<()> {
    let docker = &fixture.docker;
    for (name, code, restarts) in [
        ("e2e-restarts-failure", "7", "2"),
        ("e2e-restarts-success", "0", "0"),
    ] {
        let line = format!("exit {code}");
        let options = ["run", "-d", "--name", name, "--restart", "on-failure:2"];
        let program = ["porthole/nanoserver", "cmd", "/c", &line];
        docker.ok(options.iter().chain(&program))?;
        let expected = format!("exited {code} {restarts}");
        let template = "{{.State.Status}} {{.State.ExitCode}} {{.RestartCount}}";
        let outcome = docker.until(name, template, PATIENCE, |state| state == expected);
        docker.ok(["rm", "-f", name])?;
        outcome?;
    }
    Ok(())
}

fn auto_remove(fixture: &Fixture) -> Result<()> {
    let options = ["run", "--rm", "--restart", "always"];
    let program = ["porthole/nanoserver", "cmd", "/c", "exit 0"];
    let outcome = fixture.docker.run(options.iter().chain(&program))?;
    ensure!(outcome.code == 125, "{outcome:?}");
    Ok(())
}
