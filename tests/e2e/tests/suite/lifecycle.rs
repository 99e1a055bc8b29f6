//! Create, start, wait, list, pause, rename: the life of a container, as `ps`, `inspect` and `events` show it.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use anyhow::{Result, ensure};
use serde_json::Value;

use crate::{Fixture, Test};

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("lifecycle_created_running_exited_removed", states),
    ("lifecycle_events_tell_each_step", events),
    ("lifecycle_top_lists_windows_processes", top),
    ("lifecycle_restart_runs_the_program_again", restart),
    ("lifecycle_auto_remove_leaves_nothing", auto_remove),
    ("lifecycle_filters_and_labels", filters),
    ("lifecycle_sizes_and_networks_are_told", sizes),
    ("lifecycle_pause_stops_every_program", pause),
    ("lifecycle_rename", rename),
];

const LONG: &[&str] = &["porthole/nanoserver", "ping", "-n", "600", "127.0.0.1"];

fn states(fixture: &Fixture) -> Result<()> {
    let docker = &fixture.docker;
    let name = "e2e-states";
    docker.ok(["create", "--name", name].iter().chain(LONG))?;
    ensure!(status(fixture, name)? == "created");
    docker.ok(["start", name])?;
    ensure!(status(fixture, name)? == "running");
    docker.ok(["kill", name])?;
    docker.ok(["wait", name])?;
    ensure!(status(fixture, name)? == "exited");
    docker.ok(["rm", name])?;
    let gone = docker.run(["inspect", name])?;
    ensure!(
        gone.code == 1 && gone.stderr.contains("No such object"),
        "{}",
        gone.stderr
    );
    Ok(())
}

fn status(fixture: &Fixture, name: &str) -> Result<String> {
    fixture
        .docker
        .ok(["inspect", "-f", "{{.State.Status}}", name])
}

fn events(fixture: &Fixture) -> Result<()> {
    let docker = &fixture.docker;
    let name = "e2e-events";
    docker.run([
        "run",
        "--name",
        name,
        "porthole/nanoserver",
        "cmd",
        "/c",
        "exit 3",
    ])?;
    docker.ok(["rm", name])?;
    let filter = format!("container={name}");
    // Whole seconds count: the end must lie after the last event's.
    let end = SystemTime::now().duration_since(UNIX_EPOCH)? + Duration::from_secs(1);
    let end = end.as_secs().to_string();
    let text = docker.ok([
        "events",
        "--since",
        "10m",
        "--until",
        &end,
        "--filter",
        &filter,
        "--format",
        "{{json .}}",
    ])?;
    let events: Vec<Value> = text
        .lines()
        .map(serde_json::from_str)
        .collect::<Result<_, _>>()?;
    let actions: Vec<_> = events
        .iter()
        .filter_map(|event| event["Action"].as_str())
        .collect();
    for action in ["create", "attach", "start", "die", "destroy"] {
        ensure!(actions.contains(&action), "no {action} among {actions:?}");
    }
    let died = events.iter().find(|event| event["Action"] == "die");
    let code = died.map(|event| event["Actor"]["Attributes"]["exitCode"].clone());
    ensure!(code == Some("3".into()), "die says {code:?}");
    Ok(())
}

fn top(fixture: &Fixture) -> Result<()> {
    let docker = &fixture.docker;
    let name = "e2e-top";
    docker.ok(["run", "-d", "--name", name].iter().chain(LONG))?;
    let text = docker.ok(["top", name])?;
    docker.ok(["rm", "-f", name])?;
    let mut lines = text.lines();
    let header = lines.next().unwrap_or_default();
    ensure!(
        header
            .split_whitespace()
            .eq(["Name", "PID", "CPU", "Private", "Working", "Set"]),
        "{header}"
    );
    ensure!(
        lines.any(|line| line.to_lowercase().starts_with("ping.exe")),
        "no ping.exe in:\n{text}"
    );
    Ok(())
}

fn restart(fixture: &Fixture) -> Result<()> {
    let docker = &fixture.docker;
    let name = "e2e-restart";
    docker.ok(["run", "-d", "--name", name].iter().chain(LONG))?;
    let first = docker.ok(["inspect", "-f", "{{.State.StartedAt}}", name])?;
    docker.ok(["restart", "-t", "1", name])?;
    let second = docker.ok([
        "inspect",
        "-f",
        "{{.State.StartedAt}} {{.State.Running}}",
        name,
    ])?;
    docker.ok(["rm", "-f", name])?;
    ensure!(
        second.ends_with("true") && !second.starts_with(&first),
        "{first} then {second}"
    );
    Ok(())
}

fn auto_remove(fixture: &Fixture) -> Result<()> {
    let docker = &fixture.docker;
    let name = "e2e-auto-remove";
    docker.ok([
        "run",
        "--rm",
        "--name",
        name,
        "porthole/nanoserver",
        "cmd",
        "/c",
        "exit 0",
    ])?;
    ensure!(
        docker.run(["inspect", name])?.code == 1,
        "{name} is still there"
    );
    Ok(())
}

fn filters(fixture: &Fixture) -> Result<()> {
    let docker = &fixture.docker;
    let name = "e2e-filters";
    docker.ok([
        "create",
        "--name",
        name,
        "--label",
        "e2e=yes",
        "porthole/nanoserver",
    ])?;
    let by_label = docker.ok([
        "ps",
        "-a",
        "--filter",
        "label=e2e=yes",
        "--format",
        "{{.Names}}",
    ])?;
    let by_status = docker.ok([
        "ps",
        "-a",
        "--filter",
        "label=e2e",
        "--filter",
        "status=running",
        "-q",
    ])?;
    docker.ok(["rm", name])?;
    ensure!(
        by_label == name && by_status.is_empty(),
        "{by_label:?} {by_status:?}"
    );
    Ok(())
}

fn sizes(fixture: &Fixture) -> Result<()> {
    let docker = &fixture.docker;
    let name = "e2e-sizes";
    docker.ok([
        "run",
        "--name",
        name,
        "porthole/servercore",
        "cmd",
        "/c",
        "echo twelve bytes> C:\\size.txt",
    ])?;
    let size = docker.ok(["inspect", "-s", "-f", "{{.SizeRw}} {{.SizeRootFs}}", name])?;
    let filter = format!("name={name}");
    let row = docker.ok(["ps", "-a", "--filter", &filter, "--format", "{{json .}}"])?;
    let networks = docker.ok(["network", "ls", "--format", "{{.Name}}"])?;
    let subnet = "{{(index .IPAM.Config 0).Subnet}}";
    let subnet = docker.ok(["network", "inspect", "-f", subnet, "nat"])?;
    docker.ok(["rm", name])?;
    let (own, total) = size.split_once(' ').unwrap_or_default();
    let (own, total): (u64, u64) = (own.parse()?, total.parse()?);
    ensure!(own >= 14 && total > own + 1_000_000, "{size}");
    let row: Value = serde_json::from_str(&row)?;
    ensure!(row["Size"] != "", "{row}");
    ensure!(networks == "nat\nnone", "{networks}");
    ensure!(subnet.contains('/'), "{subnet}");
    Ok(())
}

fn pause(fixture: &Fixture) -> Result<()> {
    let docker = &fixture.docker;
    let name = "e2e-pause";
    let bind = fixture.probes_bind();
    let probe = [
        "porthole/nanoserver",
        r"C:\probes\lines.exe",
        "100000",
        "10",
    ];
    docker.ok(["run", "-d", "--name", name, "-v", &bind]
        .iter()
        .chain(&probe))?;
    docker.ok(["pause", name])?;
    ensure!(status(fixture, name)? == "paused");
    let listed = docker.ok(["ps", "--filter", "status=paused", "--format", "{{.Status}}"])?;
    ensure!(listed.ends_with("(Paused)"), "{listed}");
    let refused = docker.run(["exec", name, "cmd", "/c", "ver"])?;
    ensure!(
        refused
            .stderr
            .contains("is paused, unpause the container before exec")
    );
    // What was written before may still be on its way; after that nothing comes.
    let so_far = || docker.ok(["logs", name]).map(|log| log.lines().count());
    std::thread::sleep(Duration::from_millis(300));
    let before = so_far()?;
    std::thread::sleep(Duration::from_millis(500));
    ensure!(so_far()? == before, "a paused program went on");
    docker.ok(["unpause", name])?;
    docker.ok(["exec", name, "cmd", "/c", "ver"])?;
    let deadline = std::time::Instant::now() + Duration::from_secs(10);
    while so_far()? == before {
        ensure!(std::time::Instant::now() < deadline, "it did not go on");
    }
    docker.ok(["pause", name])?;
    docker.ok(["stop", name])?;
    docker.ok(["start", name])?;
    docker.ok(["pause", name])?;
    docker.ok(["rm", "-f", name]).map(drop)
}

fn rename(fixture: &Fixture) -> Result<()> {
    let docker = &fixture.docker;
    docker.ok(["create", "--name", "e2e-old"].iter().chain(LONG))?;
    docker.ok(["rename", "e2e-old", "e2e-new"])?;
    ensure!(status(fixture, "e2e-new")? == "created");
    ensure!(docker.run(["container", "inspect", "e2e-old"])?.code == 1);
    docker.ok(["rm", "e2e-new"]).map(drop)
}
