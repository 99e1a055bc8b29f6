//! Private memory of an idle container: its cgroup's processes and everything beside them.

use std::path::Path;

use anyhow::{Context, Result};
use porthole_e2e::docker::Docker;

/// Private pages of one process, in KiB.
#[derive(Debug)]
struct Share {
    name: String,
    private: u64,
}

/// A table with a row for each process of an idle `cmd` container.
pub(crate) fn table(docker: &Docker) -> Result<String> {
    const NAME: &str = "bench-idle";
    docker.ok([
        "run",
        "-d",
        "-i",
        "--name",
        NAME,
        "porthole/nanoserver",
        "cmd",
    ])?;
    // The first second is start-up: pages that are touched once and then given back.
    std::thread::sleep(std::time::Duration::from_secs(3));
    let id = docker.ok(["inspect", "-f", "{{.Id}}", NAME])?;
    let shares = shares(&id);
    docker.ok(["rm", "-f", NAME])?;
    let shares = shares?;
    let mut table = String::from("| process | private |\n|---|---|\n");
    for share in &shares {
        table += &format!("| {} | {} KiB |\n", share.name, share.private);
    }
    let sum: u64 = shares.iter().map(|share| share.private).sum();
    table += &format!("| **sum** | **{:.1} MiB** |\n", sum as f64 / 1024.0);
    Ok(table)
}

fn shares(id: &str) -> Result<Vec<Share>> {
    let mut processes = Vec::new();
    for entry in std::fs::read_dir("/proc")?.flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse::<u32>().ok())
        else {
            continue;
        };
        processes.push((pid, parent(&entry.path()).unwrap_or(0)));
    }
    let supervisor = processes
        .iter()
        .map(|(pid, _)| *pid)
        .find(|pid| is_supervisor_of(*pid, id))
        .context("the container has no supervisor")?;
    let mut family = vec![supervisor];
    let mut next = 0;
    while let Some(&parent) = family.get(next) {
        family.extend(
            processes
                .iter()
                .filter(|(_, its)| *its == parent)
                .map(|(pid, _)| *pid),
        );
        next += 1;
    }
    Ok(family.into_iter().filter_map(share).collect())
}

fn is_supervisor_of(pid: u32, id: &str) -> bool {
    let command = std::fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
    let command = String::from_utf8_lossy(&command);
    command.contains("porthole-supervisor") && command.contains(id)
}

fn parent(process: &Path) -> Option<u32> {
    let stat = std::fs::read_to_string(process.join("stat")).ok()?;
    let (_, rest) = stat.rsplit_once(") ")?;
    rest.split(' ').nth(1)?.parse().ok()
}

/// Private pages of a process, in KiB.
pub(super) fn private(pid: u32) -> Option<u64> {
    let rollup = std::fs::read_to_string(format!("/proc/{pid}/smaps_rollup")).ok()?;
    let private = rollup
        .lines()
        .filter(|line| line.starts_with("Private_"))
        .filter_map(|line| line.split_whitespace().nth(1)?.parse::<u64>().ok());
    Some(private.sum())
}

fn share(pid: u32) -> Option<Share> {
    let private = private(pid)?;
    let name = std::fs::read_to_string(format!("/proc/{pid}/comm")).ok()?;
    Some(Share {
        name: name.trim().to_owned(),
        private,
    })
}
