//! What `docker diff` and `docker commit` take of a container that changed little, on images of
//! different sizes: the time, and the system calls of the engine.

use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use porthole_e2e::docker::Docker;
use porthole_e2e::server::{ENGINE_PID, Place};

use super::timed;
use super::timing::{self, Times};
use super::transfer;
use crate::command::target_directory;

const CONTAINER: &str = "bench-changes";
const COMMITTED: &str = "bench-committed";
/// Nanoserver with files that make it about twenty times as large.
const LARGE: &str = "bench-large";

/// Ten files and five keys, one of them in the user's hive; then nothing, for those that stay.
const CHANGE: &str = r"for /l %i in (1,1,10) do @echo changed> C:\changed-%i.txt
for /l %i in (1,1,4) do @reg add HKLM\Software\Bench\%i /v value /d %i /f >nul
reg add HKCU\Software\Bench /v value /d 5 /f >nul";

/// A container of the table.
struct Row {
    name: &'static str,
    image: &'static str,
    runs: bool,
}

const ROWS: [Row; 4] = [
    Row {
        name: "servercore, ended",
        image: "porthole/servercore",
        runs: false,
    },
    Row {
        name: "servercore, running",
        image: "porthole/servercore",
        runs: true,
    },
    Row {
        name: "nanoserver, ended",
        image: "porthole/nanoserver",
        runs: false,
    },
    Row {
        name: "nanoserver and 1 GiB more, ended",
        image: LARGE,
        runs: false,
    },
];

/// A table with a row for each container.
pub(super) fn table(runs: usize, ours: &Docker, place: &Place) -> Result<String> {
    make_large(ours)?;
    let mut table = String::from(
        "| container | `docker diff` median | p90 | system calls | `docker commit` median | p90 | system calls |\n\
         |---|---|---|---|---|---|---|\n",
    );
    for row in &ROWS {
        start(ours, row)?;
        let diff = || ours.ok(["diff", CONTAINER]).map(drop);
        let commit = || ours.ok(["commit", CONTAINER, COMMITTED]).map(drop);
        let forget = || ours.ok(["rmi", COMMITTED]).map(drop);
        let diff_times = timing::repeat(runs, diff)?;
        let mut commit_times = Times::default();
        for _ in 0..runs {
            commit_times.push(timed(commit)?);
            forget()?;
        }
        let diff_calls = system_calls(place, diff)?;
        let commit_calls = system_calls(place, commit)?;
        forget()?;
        ours.ok(["rm", "-f", CONTAINER])?;
        table += &format!(
            "| {} | {} | {diff_calls} | {} | {commit_calls} |\n",
            row.name,
            diff_times.cells(),
            commit_times.cells()
        );
    }
    ours.ok(["rmi", LARGE])?;
    Ok(table)
}

/// Starts a container, waits until it has changed what it changes, and ends it unless it is to run.
fn start(docker: &Docker, row: &Row) -> Result<()> {
    let script = CHANGE.lines().collect::<Vec<_>>().join(" & ");
    let run = [
        "run",
        "--user",
        "ContainerAdministrator",
        "--name",
        CONTAINER,
    ];
    if row.runs {
        let script = format!("({script}) & ping -t 127.0.0.1");
        let words = ["-d", row.image, "cmd", "/c", &script];
        docker.ok(run.iter().chain(&words))?;
        let deadline = Instant::now() + Duration::from_secs(30);
        while !docker.ok(["logs", CONTAINER])?.contains("127.0.0.1") {
            if Instant::now() > deadline {
                bail!("the container does not get as far as its last command");
            }
            std::thread::sleep(Duration::from_millis(50));
        }
        return Ok(());
    }
    let words = [row.image, "cmd", "/c", &script];
    docker.ok(run.iter().chain(&words)).map(drop)
}

fn make_large(docker: &Docker) -> Result<()> {
    let directory = target_directory().join("bench-large");
    let _ = std::fs::remove_dir_all(&directory);
    transfer::content::write_into(&directory)?;
    docker.ok(["create", "--name", CONTAINER, "porthole/nanoserver", "cmd"])?;
    let source = format!("{}/.", directory.display());
    docker.ok(["cp", &source, &format!("{CONTAINER}:/data")])?;
    docker.ok(["commit", CONTAINER, LARGE])?;
    docker.ok(["rm", CONTAINER])?;
    std::fs::remove_dir_all(directory)?;
    Ok(())
}

/// How many system calls the engine makes while `work` is done.
fn system_calls(place: &Place, work: impl FnOnce() -> Result<()>) -> Result<u64> {
    let pid = place.daemon_pid(ENGINE_PID).context("no engine runs")?;
    let counts = target_directory().join("system-calls");
    let mut strace = attach(pid, &counts)?;
    let done = work();
    // Interrupted, it prints what it counted and lets the engine go.
    let _ = Command::new("kill")
        .args(["-INT", &strace.id().to_string()])
        .status();
    strace.wait()?;
    done?;
    let text = std::fs::read_to_string(&counts)?;
    let total = text
        .lines()
        .rev()
        .find(|line| line.trim_end().ends_with("total"))
        .and_then(|line| line.split_whitespace().nth(3)?.parse().ok());
    total.with_context(|| format!("strace counted nothing: {text}"))
}

fn attach(pid: i32, counts: &std::path::Path) -> Result<Child> {
    let child = Command::new("strace")
        .args(["-f", "-c", "-o"])
        .arg(counts)
        .args(["-p", &pid.to_string()])
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .context("cannot start strace")?;
    let status = format!("/proc/{pid}/status");
    let deadline = Instant::now() + Duration::from_secs(10);
    while std::fs::read_to_string(&status)?.contains("TracerPid:\t0\n") {
        if Instant::now() > deadline {
            bail!("strace does not attach to the engine");
        }
        std::thread::sleep(Duration::from_millis(20));
    }
    Ok(child)
}
