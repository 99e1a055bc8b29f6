//! A host that lost its power: every process gone, the run-time directory empty. The real thing is
//! in `cargo xtask test vm`.

use std::process::Command;
use std::time::{Duration, Instant};

use anyhow::{Result, bail, ensure};
use porthole_e2e::docker::Docker;
use porthole_e2e::server::Server;

use crate::{Fixture, Test};

pub(crate) const TESTS: &[(&str, Test)] = &[(
    "after_a_power_cut_policies_are_kept_and_nothing_is_stale",
    power_cut,
)];

/// Name, policy, whether its user stops it before, and what it is afterwards.
const CONTAINERS: [(&str, &[&str], bool, Option<&str>); 6] = [
    (
        "e2e-always",
        &["--restart", "always"],
        false,
        Some("running"),
    ),
    (
        "e2e-unless",
        &["--restart", "unless-stopped"],
        false,
        Some("running"),
    ),
    (
        "e2e-held",
        &["--restart", "unless-stopped"],
        true,
        Some("exited"),
    ),
    (
        "e2e-insists",
        &["--restart", "always"],
        true,
        Some("running"),
    ),
    ("e2e-plain", &[], false, Some("exited")),
    ("e2e-passing", &["--rm"], false, None),
];

fn power_cut(fixture: &Fixture) -> Result<()> {
    let docker = &fixture.docker;
    let server = Server::start(&fixture.programs, fixture.place.clone())?;
    for (name, options, is_stopped, _) in CONTAINERS {
        let image = ["-p", "0:80", "porthole/nanoserver"];
        docker.idle(name, &[options, &image].concat())?;
        if is_stopped {
            docker.ok(["stop", "-t", "0", name])?;
        }
    }
    server.lose_power()?;
    // What the kernel held is gone with it. A cgroup that somebody is in is not of this server.
    for lost in [
        "ip link delete porthole0",
        "find /sys/fs/cgroup -depth -type d -path '*/porthole/*' -exec rmdir {} +",
    ] {
        let _ = Command::new("sh").args(["-c", lost]).output();
    }
    let server = Server::start(&fixture.programs, fixture.place.clone())?;
    let outcome = await_states(docker).and_then(|()| nothing_stale(fixture));
    server.stop()?;
    outcome
}

fn await_states(docker: &Docker) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(30);
    loop {
        let wrong: Vec<String> = CONTAINERS
            .iter()
            .filter_map(|(name, .., wanted)| {
                let state = docker
                    .run(["inspect", "-f", "{{.State.Status}}", name])
                    .ok()?;
                let state = (state.code == 0).then(|| state.stdout.trim().to_owned());
                (state.as_deref() != *wanted)
                    .then(|| format!("{name} is {state:?}, not {wanted:?}"))
            })
            .collect();
        if wrong.is_empty() {
            return Ok(());
        }
        if Instant::now() > deadline {
            bail!("{}", wrong.join("; "));
        }
        std::thread::sleep(Duration::from_millis(50));
    }
}

/// What runs has one of everything and works, and nobody else has anything.
fn nothing_stale(fixture: &Fixture) -> Result<()> {
    let docker = &fixture.docker;
    let running = docker.ok(["ps", "-q", "--no-trunc"])?;
    let mut running: Vec<&str> = running.lines().collect();
    running.sort_unstable();
    for directory in ["compute", "netns"] {
        let mut found = Vec::new();
        for entry in std::fs::read_dir(fixture.place.exec_root.join(directory))? {
            found.push(entry?.file_name().to_string_lossy().into_owned());
        }
        found.sort_unstable();
        ensure!(found == running, "{directory}: {found:?} for {running:?}");
    }
    let all = docker.ok(["ps", "-aq"])?.lines().count();
    let sandboxes = std::fs::read_dir(fixture.place.data_root.join("containers"))?.count();
    ensure!(
        all == 5 && sandboxes == 5,
        "{all} containers, {sandboxes} sandboxes"
    );
    for name in ["e2e-always", "e2e-unless", "e2e-insists"] {
        let said = docker.ok(["exec", name, "cmd", "/c", "echo works"])?;
        ensure!(said == "works", "{name}: {said}");
    }
    // Nobody is left who would know its exit code.
    let ended = "{{.State.ExitCode}} {{if .State.Error}}told{{end}}";
    let ended = docker.ok(["inspect", "-f", ended, "e2e-plain"])?;
    ensure!(ended == "4294967295 told", "{ended}");
    docker.ok(["start", "e2e-plain"])?;
    Ok(())
}
