//! `docker logs`: everything, from a moment, the last lines, as they come.

use anyhow::{Result, ensure};

use crate::{Fixture, Test};

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("logs_hold_both_streams_in_order", both),
    ("logs_tail_since_until_timestamps", selected),
    ("logs_follow_ends_with_the_container", follow),
    ("logs_are_rotated_and_read_as_one", rotated),
    ("logs_of_the_driver_none_are_refused", none),
];

fn both(fixture: &Fixture) -> Result<()> {
    let docker = &fixture.docker;
    let name = "e2e-logs-both";
    docker.run([
        "run",
        "--name",
        name,
        "porthole/nanoserver",
        "cmd",
        "/c",
        "echo a& echo b>&2& echo c",
    ])?;
    let logs = docker.run(["logs", name])?;
    docker.ok(["rm", name])?;
    ensure!(
        logs.stdout.split_whitespace().eq(["a", "c"]),
        "stdout {:?}",
        logs.stdout
    );
    ensure!(
        logs.stderr.split_whitespace().eq(["b"]),
        "stderr {:?}",
        logs.stderr
    );
    Ok(())
}

fn selected(fixture: &Fixture) -> Result<()> {
    let docker = &fixture.docker;
    let name = "e2e-logs-selected";
    let script = "for /l %i in (1,1,20) do @echo line %i";
    docker.run([
        "run",
        "--name",
        name,
        "porthole/nanoserver",
        "cmd",
        "/c",
        script,
    ])?;
    let tail = docker.ok(["logs", "--tail", "2", name])?;
    let stamped = docker.ok(["logs", "-t", "--tail", "1", name])?;
    let stamp = stamped
        .split_whitespace()
        .next()
        .unwrap_or_default()
        .to_owned();
    let since = docker.ok(["logs", "--since", &stamp, name])?;
    let future = docker.ok(["logs", "--since", "2099-01-01T00:00:00Z", name])?;
    let past = docker.ok(["logs", "--until", "2001-01-01T00:00:00Z", name])?;
    docker.ok(["rm", name])?;
    ensure!(
        tail.split_whitespace().eq(["line", "19", "line", "20"]),
        "tail {tail:?}"
    );
    ensure!(
        stamp.ends_with('Z') && stamp.contains('T'),
        "stamp {stamp:?}"
    );
    ensure!(since.trim().ends_with("line 20"), "since {since:?}");
    ensure!(future.is_empty() && past.is_empty(), "{future:?} {past:?}");
    Ok(())
}

fn follow(fixture: &Fixture) -> Result<()> {
    let docker = &fixture.docker;
    let name = "e2e-logs-follow";
    let script = "for /l %i in (1,1,3) do @(echo line %i& ping -n 2 127.0.0.1 >nul)";
    docker.ok([
        "run",
        "-d",
        "--name",
        name,
        "porthole/nanoserver",
        "cmd",
        "/c",
        script,
    ])?;
    let followed = docker.ok(["logs", "-f", name])?;
    docker.ok(["rm", "-f", name])?;
    let words: Vec<_> = followed.split_whitespace().collect();
    ensure!(
        words == ["line", "1", "line", "2", "line", "3"],
        "followed {followed:?}"
    );
    Ok(())
}

fn rotated(fixture: &Fixture) -> Result<()> {
    let docker = &fixture.docker;
    let name = "e2e-logs-rotated";
    let script = "for /l %i in (1,1,400) do @echo line %i";
    let lines = |first: u32| -> Vec<String> {
        (first..=400)
            .map(|number| format!("line {number}"))
            .collect()
    };
    // Compressed files among them, and the followed one gone from its place many times.
    docker.ok([
        "create",
        "--name",
        name,
        "--log-opt",
        "max-size=2k",
        "--log-opt",
        "max-file=100",
        "--log-opt",
        "compress=true",
        "--log-opt",
        "tag={{.Name}}",
        "porthole/nanoserver",
        "cmd",
        "/c",
        script,
    ])?;
    docker.ok(["start", name])?;
    let followed = docker.ok(["logs", "-f", name])?;
    let all = docker.ok(["logs", name])?;
    let tail = docker.ok(["logs", "--tail", "250", name])?;
    let details = docker.ok(["logs", "--details", "--tail", "1", name])?;
    let options = docker.ok(["inspect", "-f", "{{json .HostConfig.LogConfig}}", name])?;
    docker.ok(["rm", "-f", name])?;
    ensure!(followed.lines().eq(lines(1)), "followed {followed:?}");
    ensure!(all.lines().eq(lines(1)), "all {all:?}");
    ensure!(tail.lines().eq(lines(151)), "tail {tail:?}");
    ensure!(
        details.trim() == format!("tag={name} line 400"),
        "details {details:?}"
    );
    ensure!(
        options.contains("\"max-size\":\"2k\""),
        "options {options:?}"
    );
    Ok(())
}

fn none(fixture: &Fixture) -> Result<()> {
    let docker = &fixture.docker;
    let name = "e2e-logs-none";
    let printed = docker.ok([
        "run",
        "--name",
        name,
        "--log-driver",
        "none",
        "porthole/nanoserver",
        "cmd",
        "/c",
        "echo hi",
    ])?;
    let refused = docker.run(["logs", name])?;
    docker.ok(["rm", name])?;
    ensure!(printed.trim() == "hi", "printed {printed:?}");
    ensure!(
        refused.code != 0
            && refused
                .stderr
                .contains("configured logging driver does not support reading"),
        "{refused:?}"
    );
    Ok(())
}
