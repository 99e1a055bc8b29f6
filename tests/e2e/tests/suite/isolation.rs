//! Containers do not see each other, nor the host.

use std::collections::BTreeMap;

use anyhow::{Context as _, Result, ensure};

use crate::{Fixture, Test};

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("isolation_files_and_registry_are_apart", files_and_registry),
    ("isolation_processes_are_apart", processes),
    ("isolation_named_objects_are_apart", objects),
    ("isolation_no_path_leads_to_the_host", host_paths),
    (
        "isolation_every_process_descends_from_its_supervisor",
        descent,
    ),
];

fn start(fixture: &Fixture, name: &str, command: &[&str]) -> Result<()> {
    let bind = fixture.probes_bind();
    fixture.docker.ok([
        "run",
        "-d",
        "--name",
        name,
        "-v",
        &bind,
        "porthole/servercore",
    ]
    .iter()
    .chain(command))?;
    Ok(())
}

const IDLE: &[&str] = &["ping", "-n", "600", "127.0.0.1"];

fn pair(fixture: &Fixture, names: [&str; 2]) -> Result<()> {
    names.iter().try_for_each(|name| start(fixture, name, IDLE))
}

fn remove(fixture: &Fixture, names: [&str; 2]) -> Result<()> {
    fixture
        .docker
        .ok(["rm", "-f"].iter().chain(&names))
        .map(drop)
}

fn files_and_registry(fixture: &Fixture) -> Result<()> {
    let docker = &fixture.docker;
    let names = ["e2e-apart-a", "e2e-apart-b"];
    pair(fixture, names)?;
    let script = r"echo x>C:\mine.txt& reg add HKLM\Software\Mine /v v /d x /f >nul& reg add HKCU\Software\Mine /v v /d x /f >nul";
    docker.ok(["exec", names[0], "cmd", "/c", script])?;
    let own = docker.run([
        "exec",
        names[0],
        "cmd",
        "/c",
        r"if exist C:\mine.txt reg query HKLM\Software\Mine",
    ])?;
    let file = docker.run([
        "exec",
        names[1],
        "cmd",
        "/c",
        r"if exist C:\mine.txt exit 5",
    ])?;
    let key = docker.run(["exec", names[1], "reg", "query", r"HKLM\Software\Mine"])?;
    let user_key = docker.run(["exec", names[1], "reg", "query", r"HKCU\Software\Mine"])?;
    remove(fixture, names)?;
    ensure!(own.code == 0 && own.stdout.contains("Mine"), "{own:?}");
    ensure!(
        file.code == 0 && key.code == 1 && user_key.code == 1,
        "{file:?} {key:?} {user_key:?}"
    );
    Ok(())
}

fn processes(fixture: &Fixture) -> Result<()> {
    let docker = &fixture.docker;
    let names = ["e2e-processes-a", "e2e-processes-b"];
    pair(fixture, names)?;
    let counted = docker.ok(["exec", names[0], "cmd", "/c", "tasklist"])?;
    remove(fixture, names)?;
    let pings = counted.to_lowercase().matches("ping.exe").count();
    ensure!(pings == 1, "{pings} pings in:\n{counted}");
    Ok(())
}

fn objects(fixture: &Fixture) -> Result<()> {
    let docker = &fixture.docker;
    let names = ["e2e-objects-a", "e2e-objects-b"];
    start(
        fixture,
        names[0],
        &[r"C:\probes\objects.exe", "hold", "Ship"],
    )?;
    start(fixture, names[1], IDLE)?;
    let own = docker.ok(["exec", names[0], r"C:\probes\objects.exe", "open", "Ship"])?;
    let other = docker.ok(["exec", names[1], r"C:\probes\objects.exe", "open", "Ship"])?;
    remove(fixture, names)?;
    ensure!(
        own.contains("event: opened") && own.contains("mutex: opened"),
        "own {own:?}"
    );
    ensure!(
        other.contains("event: missing") && other.contains("mutex: missing"),
        "other {other:?}"
    );
    Ok(())
}

fn host_paths(fixture: &Fixture) -> Result<()> {
    let canary = std::path::Path::new("/tmp/porthole-e2e-canary");
    std::fs::write(canary, "host")?;
    let bind = fixture.probes_bind();
    let output = fixture.docker.ok([
        "run",
        "--rm",
        "-v",
        &bind,
        "porthole/servercore",
        r"C:\probes\host-paths.exe",
        "/tmp/porthole-e2e-canary",
        "/etc/shadow",
        "/root",
        "/home",
        "/var/lib/porthole-test",
        "/run/porthole-test",
        "/proc/1/root/etc/shadow",
        "/proc/kcore",
        "/proc/sysrq-trigger",
        "/sys/kernel",
        "/dev/kvm",
        "/dev/vda",
        "/dev/kmsg",
    ])?;
    std::fs::remove_file(canary)?;
    let seen: Vec<_> = output
        .lines()
        .filter(|line| !line.trim().ends_with("missing"))
        .collect();
    ensure!(
        !output.is_empty() && seen.is_empty(),
        "a container can open:\n{}",
        seen.join("\n")
    );
    Ok(())
}

fn descent(fixture: &Fixture) -> Result<()> {
    let name = "e2e-descent";
    start(fixture, name, IDLE)?;
    let id = fixture.docker.ok(["inspect", "-f", "{{.Id}}", name])?;
    let parents = parents()?;
    let supervisor = supervisor_of(&parents, &id).context("the container has no supervisor")?;
    let pid = parents.iter().find(|&(_, &parent)| parent == supervisor);
    let (pid, _) = pid.context("the supervisor has no child")?;
    let namespace = std::fs::read_link(format!("/proc/{pid}/ns/pid"))?;
    let outside: Vec<_> = parents
        .keys()
        .filter(|&&process| {
            std::fs::read_link(format!("/proc/{process}/ns/pid")).is_ok_and(|ns| ns == namespace)
        })
        .filter(|&&process| !descends(&parents, process, supervisor))
        .collect();
    fixture.docker.ok(["rm", "-f", name])?;
    ensure!(
        outside.is_empty(),
        "processes outside the supervisor's tree: {outside:?}"
    );
    Ok(())
}

/// The supervisor that works in the directory of this compute system.
fn supervisor_of(parents: &BTreeMap<i32, i32>, id: &str) -> Option<i32> {
    parents.keys().copied().find(|process| {
        let command = std::fs::read(format!("/proc/{process}/cmdline")).unwrap_or_default();
        let command = String::from_utf8_lossy(&command);
        command.contains("porthole-supervisor") && command.contains(id)
    })
}

fn descends(parents: &BTreeMap<i32, i32>, mut process: i32, ancestor: i32) -> bool {
    while let Some(&parent) = parents.get(&process) {
        if parent == ancestor {
            return true;
        }
        process = parent;
    }
    false
}

/// The parent of every process.
fn parents() -> Result<BTreeMap<i32, i32>> {
    let mut parents = BTreeMap::new();
    for entry in std::fs::read_dir("/proc")?.flatten() {
        let Some(pid) = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok())
        else {
            continue;
        };
        let Ok(stat) = std::fs::read_to_string(entry.path().join("stat")) else {
            continue;
        };
        let Some((_, rest)) = stat.rsplit_once(") ") else {
            continue;
        };
        if let Some(parent) = rest
            .split(' ')
            .nth(1)
            .and_then(|parent| parent.parse().ok())
        {
            parents.insert(pid, parent);
        }
    }
    Ok(parents)
}
