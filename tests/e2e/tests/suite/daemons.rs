//! Daemons that are killed: no container notices, no line is lost or doubled, no exit code either.

use std::process::Command;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use anyhow::{Context as _, Result, bail, ensure};
use porthole_e2e::docker::Docker;
use porthole_e2e::server::{COMPUTE_PID, Place, Server};
use rand::rngs::StdRng;
use rand::{Rng as _, SeedableRng as _};

use crate::{Fixture, Test};

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("daemons_restarted_gently_keep_containers_running", gentle),
    ("daemons_killed_200_times_lose_nothing", killed),
];

const KILLS: usize = 200;
const LINES: usize = 150;
const EXIT_CODE: &str = "3221225786";

fn gentle(fixture: &Fixture) -> Result<()> {
    let docker = &fixture.docker;
    let server = Server::start(&fixture.programs, fixture.place.clone())?;
    let name = "e2e-gentle";
    docker.idle(name, &["porthole/nanoserver"])?;
    let before = docker.ok(["inspect", "-f", "{{.State.Pid}}", name])?;
    server.stop_daemons()?;
    let server = Server::start(&fixture.programs, fixture.place.clone())?;
    let after = docker.ok(["inspect", "-f", "{{.State.Pid}} {{.State.Running}}", name])?;
    let output = docker.ok(["exec", name, "cmd", "/c", "echo alive"])?;
    server.stop()?;
    ensure!(
        after == format!("{before} true") && output == "alive",
        "{before} {after} {output}"
    );
    Ok(())
}

/// One thread kills a daemon at random moments, the other leads containers through their lives and
/// checks each.
fn killed(fixture: &Fixture) -> Result<()> {
    let seed = std::env::var("PORTHOLE_SEED")
        .ok()
        .and_then(|text| text.parse().ok())
        .unwrap_or_else(rand::random);
    println!("PORTHOLE_SEED={seed}");
    let mut server = Server::start(&fixture.programs, fixture.place.clone())?;
    let over = AtomicBool::new(false);
    let lives = std::thread::scope(|scope| {
        let worker = scope.spawn(|| lead_lives(fixture, &over));
        let killing = kill_at_random(&mut server, &over, seed);
        over.store(true, Ordering::SeqCst);
        let lives = worker
            .join()
            .map_err(|_| anyhow::anyhow!("the worker panicked"))?;
        lives.and_then(|lives| killing.map(|()| lives))
    })?;
    println!("{KILLS} kills, {lives} containers");
    let left = fixture.docker.ok(["ps", "-aq"])?;
    let directories = std::fs::read_dir(fixture.place.data_root.join("containers"))?.count();
    server.stop()?;
    ensure!(lives > 0, "no container lived");
    ensure!(
        left.is_empty() && directories == 0,
        "left behind: {left}, {directories} directories"
    );
    Ok(())
}

fn kill_at_random(server: &mut Server, over: &AtomicBool, seed: u64) -> Result<()> {
    let mut random = StdRng::seed_from_u64(seed);
    for _ in 0..KILLS {
        std::thread::sleep(Duration::from_millis(random.random_range(0..300)));
        if over.load(Ordering::SeqCst) {
            bail!("the containers' side ended early");
        }
        if random.random_bool(0.5) {
            server.kill_and_restart()?;
        } else if let Some(pid) = server.place.daemon_pid(COMPUTE_PID) {
            Command::new("kill")
                .args(["-KILL", &pid.to_string()])
                .status()?;
        }
    }
    Ok(())
}

fn lead_lives(fixture: &Fixture, over: &AtomicBool) -> Result<usize> {
    let mut lives = 0;
    while !over.load(Ordering::SeqCst) {
        lives += 1;
        let name = format!("e2e-life-{lives}");
        if let Err(error) = one_life(fixture, &name, lives % 3 == 0) {
            over.store(true, Ordering::SeqCst);
            return Err(error.context(format!("container {name}")));
        }
    }
    Ok(lives)
}

/// Repeats what a killed daemon refuses: each verb is asked for until its effect is there.
fn one_life(fixture: &Fixture, name: &str, stopped: bool) -> Result<()> {
    let docker = &fixture.docker;
    let bind = fixture.probes_bind();
    let count = LINES.to_string();
    let program = [r"C:\probes\lines.exe", &count, "10", EXIT_CODE];
    until(docker, "create", || {
        docker.run(
            ["create", "--name", name, "-v", &bind, "porthole/nanoserver"]
                .iter()
                .chain(&program),
        )?;
        Ok(docker.run(["inspect", name])?.code == 0)
    })?;
    until(docker, "start", || {
        docker.run(["start", name])?;
        let status = docker.run([
            "inspect",
            "-f",
            "{{.State.Status}} {{.State.StartedAt}}",
            name,
        ])?;
        Ok(status.code == 0
            && !status.stdout.starts_with("created")
            && !status.stdout.contains("0001-01-01"))
    })?;
    docker.run(["exec", name, "cmd", "/c", "echo exec"])?;
    if stopped {
        docker.run(["stop", "-t", "1", name])?;
    }
    docker.run(["logs", "-f", name])?;
    until(docker, "exit", || {
        let status = docker.run(["inspect", "-f", "{{.State.Status}}", name])?;
        Ok(status.stdout.trim() == "exited")
    })?;
    check_life(&fixture.place, docker, name, stopped)?;
    until(docker, "remove", || {
        let gone = docker.run(["rm", "-f", name])?;
        Ok(gone.code == 0
            && docker
                .run(["ps", "-aq", "--filter", &format!("name=^/{name}$")])?
                .stdout
                .trim()
                .is_empty())
    })
}

/// Every line once and in order; the exit code of the program unless it was stopped.
fn check_life(place: &Place, docker: &Docker, name: &str, stopped: bool) -> Result<()> {
    let mut log = String::new();
    until(docker, "logs", || {
        let outcome = docker.run(["logs", name])?;
        log = outcome.stdout;
        Ok(outcome.code == 0)
    })?;
    let numbers: Vec<usize> = log
        .split_whitespace()
        .filter_map(|word| word.parse().ok())
        .collect();
    let in_order = numbers
        .iter()
        .enumerate()
        .all(|(index, &number)| index + 1 == number);
    ensure!(
        in_order,
        "lines are missing or doubled: {numbers:?} (server log {})",
        place.exec_root.display()
    );
    if !stopped {
        ensure!(numbers.len() == LINES, "{} of {LINES} lines", numbers.len());
        let code = docker.run(["inspect", "-f", "{{.State.ExitCode}}", name])?;
        if code.code == 0 {
            ensure!(code.stdout.trim() == EXIT_CODE, "exit code {}", code.stdout);
        }
    }
    Ok(())
}

fn until(docker: &Docker, what: &str, mut done: impl FnMut() -> Result<bool>) -> Result<()> {
    let deadline = Instant::now() + Duration::from_secs(60);
    while Instant::now() < deadline {
        if done().with_context(|| format!("{what} through {}", docker.host()))? {
            return Ok(());
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    bail!("{what} did not come about within 60 seconds")
}
