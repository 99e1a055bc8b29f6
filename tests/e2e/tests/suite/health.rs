//! Health checks, as `ps`, `inspect` and `events` tell of them.

use std::time::Duration;

use anyhow::{Result, ensure};

use crate::{Fixture, Test};

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("health_follows_what_probes_find", changes),
    ("health_check_that_hangs_is_ended", hangs),
];

/// How long a change of health may take.
const PATIENCE: Duration = Duration::from_secs(60);

fn start(fixture: &Fixture, name: &str, check: &[&str]) -> Result<()> {
    let interval = ["--health-interval", "200ms"];
    let how = [&interval, check, &["porthole/servercore"]].concat();
    fixture.docker.idle(name, &how).map(drop)
}

fn until(fixture: &Fixture, name: &str, wanted: &str) -> Result<()> {
    let template = "{{.State.Health.Status}} {{json .State.Health.Log}}";
    let is_wanted = |health: &str| health.starts_with(wanted);
    fixture.docker.until(name, template, PATIENCE, is_wanted)
}

fn changes(fixture: &Fixture) -> Result<()> {
    let docker = &fixture.docker;
    let name = "e2e-health";
    let check = r#"if exist "C:\well being" (exit 0) else (exit 1)"#;
    start(
        fixture,
        name,
        &["--health-cmd", check, "--health-retries", "1"],
    )?;
    until(fixture, name, "unhealthy")?;
    docker.ok(["exec", name, "cmd", "/c", "mkdir", r"C:\well being"])?;
    until(fixture, name, "healthy")?;
    let filter = format!("name={name}");
    let row = docker.ok([
        "ps",
        "--filter",
        "health=healthy",
        "--filter",
        &filter,
        "--format",
        "{{.Status}}",
    ])?;
    docker.ok(["rm", "-f", name])?;
    ensure!(row.ends_with("(healthy)"), "{row}");
    Ok(())
}

fn hangs(fixture: &Fixture) -> Result<()> {
    let docker = &fixture.docker;
    let name = "e2e-health-hangs";
    start(
        fixture,
        name,
        &[
            "--health-cmd",
            "ping -n 500 127.0.0.1",
            "--health-timeout",
            "1s",
            "--health-retries",
            "1",
        ],
    )?;
    until(fixture, name, "unhealthy")?;
    let result = docker.ok([
        "inspect",
        "-f",
        "{{with index .State.Health.Log 0}}{{.ExitCode}} {{.Output}}{{end}}",
        name,
    ])?;
    docker.ok(["stop", "-t", "5", name])?;
    docker.ok(["rm", name])?;
    ensure!(
        result.starts_with("-1 Health check exceeded timeout (1s)"),
        "{result}"
    );
    Ok(())
}
