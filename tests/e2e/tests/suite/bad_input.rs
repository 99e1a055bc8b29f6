//! Bad input: Docker's status and text, the cause, and nothing left behind.

use anyhow::{Result, ensure};

use crate::{Fixture, Test};

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("bad_input_is_refused_with_a_reason", refused),
    (
        "bad_input_missing_program_is_127_with_windows_text",
        missing_program,
    ),
    ("bad_input_leaves_no_container", nothing_left),
    ("bad_input_states_answer_as_docker_does", states),
];

/// Arguments of `docker`, and what its error must hold.
const CASES: &[(&[&str], &[&str])] = &[
    (
        &["run", "--rm", "porthole/nothing", "cmd"],
        &["porthole base build"],
    ),
    (
        &["create", "--name", "e2e bad", "porthole/nanoserver"],
        &["Invalid container name"],
    ),
    (
        &["create", "porthole/nanoserver", "C:appnode.exe"],
        &["backslash"],
    ),
    (
        &["create", "-v", "/no/such/dir:C:\\x", "porthole/nanoserver"],
        &["/no/such/dir"],
    ),
    (
        &["create", "-v", "/tmp:C:\\", "porthole/nanoserver"],
        &["C:"],
    ),
    (
        &["create", "-v", "/tmp:/x", "porthole/nanoserver"],
        &["invalid"],
    ),
    (
        &["create", "--isolation", "hyperv", "porthole/nanoserver"],
        &["hyperv"],
    ),
    (
        &["create", "--isolation", "jail", "porthole/nanoserver"],
        &["isolation"],
    ),
    (
        &["create", "--privileged", "porthole/nanoserver"],
        &["privileged"],
    ),
    (
        &["create", "--cap-add", "NET_ADMIN", "porthole/nanoserver"],
        &["CapAdd"],
    ),
    (
        &["create", "--read-only", "porthole/nanoserver"],
        &["read-only"],
    ),
    (
        &["create", "--ulimit", "core=10", "porthole/nanoserver"],
        &["ulimit core"],
    ),
    (
        &["create", "--sysctl", "a.b=1", "porthole/nanoserver"],
        &["ysctl"],
    ),
    (
        &["create", "--device", "/dev/null", "porthole/nanoserver"],
        &["evice"],
    ),
    (
        &["create", "--user", "somebody", "porthole/nanoserver"],
        &["somebody"],
    ),
    (
        &["create", "--network", "host", "porthole/nanoserver"],
        &["nat"],
    ),
    (
        &["create", "--restart", "sometimes", "porthole/nanoserver"],
        &["estart"],
    ),
    (
        &["create", "--log-driver", "splunk", "porthole/nanoserver"],
        &["splunk"],
    ),
    (&["inspect", "e2e-no-such"], &["No such object"]),
    (&["start", "e2e-no-such"], &["No such container"]),
    (&["rm", "e2e-no-such"], &["No such container"]),
    (&["rmi", "e2e-no-such"], &["No such image"]),
    (&["network", "rm", "nat"], &["pre-defined network"]),
    (&["network", "inspect", "e2e-no-such"], &["not found"]),
    (&["network", "create", "e2e-no-such"], &["not supported"]),
    (&["volume", "create", "e2e-no-such"], &["not supported"]),
    (
        &["ps", "--filter", "colour=red"],
        &["invalid filter 'colour'"],
    ),
];

fn refused(fixture: &Fixture) -> Result<()> {
    let mut wrong = Vec::new();
    for (arguments, parts) in CASES {
        let outcome = fixture.docker.run(*arguments)?;
        let named = parts
            .iter()
            .all(|part| outcome.stderr.to_lowercase().contains(&part.to_lowercase()));
        if outcome.code == 0 || !named {
            wrong.push(format!(
                "docker {arguments:?}: exit {}, {}",
                outcome.code,
                outcome.stderr.trim()
            ));
        }
    }
    ensure!(wrong.is_empty(), "{}", wrong.join("\n"));
    Ok(())
}

fn missing_program(fixture: &Fixture) -> Result<()> {
    let outcome = fixture
        .docker
        .run(["run", "--rm", "porthole/nanoserver", r"C:\no\such.exe"])?;
    ensure!(
        outcome.code == 127,
        "exit {}: {}",
        outcome.code,
        outcome.stderr
    );
    ensure!(
        outcome.stderr.contains("The system cannot find the"),
        "{}",
        outcome.stderr
    );
    Ok(())
}

fn nothing_left(fixture: &Fixture) -> Result<()> {
    let docker = &fixture.docker;
    docker.run([
        "run",
        "--name",
        "e2e-left",
        "-p",
        "18099:80",
        "porthole/nanoserver",
        r"C:\no\such.exe",
    ])?;
    let status = docker.ok(["inspect", "-f", "{{.State.Status}}", "e2e-left"])?;
    docker.ok(["rm", "e2e-left"])?;
    ensure!(status == "created", "{status}");
    let again = docker.ok([
        "run",
        "--rm",
        "--name",
        "e2e-left",
        "-p",
        "18099:80",
        "porthole/nanoserver",
        "cmd",
        "/c",
        "echo free",
    ])?;
    ensure!(again == "free", "{again}");
    Ok(())
}

fn states(fixture: &Fixture) -> Result<()> {
    let docker = &fixture.docker;
    let name = "e2e-bad-states";
    docker.idle(name, &["porthole/nanoserver"])?;
    let again = docker.run(["create", "--name", name, "porthole/nanoserver"])?;
    let started = docker.run(["start", name])?;
    let removed = docker.run(["rm", name])?;
    docker.ok(["kill", name])?;
    docker.ok(["wait", name])?;
    let killed = docker.run(["kill", name])?;
    let stopped = docker.run(["stop", name])?;
    docker.ok(["rm", name])?;
    ensure!(
        again.code != 0 && again.stderr.contains("is already in use by container"),
        "{again:?}"
    );
    ensure!(
        started.code == 0,
        "start of a running container is 304: {started:?}"
    );
    ensure!(
        removed.code == 1 && removed.stderr.contains("running"),
        "{removed:?}"
    );
    ensure!(
        killed.code == 1 && killed.stderr.contains("is not running"),
        "{killed:?}"
    );
    ensure!(
        stopped.code == 0,
        "stop of a stopped container is 304: {stopped:?}"
    );
    Ok(())
}
