//! Pull with unpacking, and push: Porthole beside dockerd and podman, from and to the same registry.

pub(super) mod content;
mod layout;

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use anyhow::{Context, Result};
use porthole_e2e::docker::Docker;
use porthole_e2e::registry::{Registry, Setup};

use super::timed;
use super::timing::Times;
use crate::command::{output, run, target_directory};

/// How often each engine pulls and pushes; they take turns.
const TURNS: usize = 3;
const PODMAN_ROOT: &str = "/var/lib/porthole-bench/podman";

/// An engine that moves images.
enum Engine<'a> {
    /// One that docker's client drives.
    Docker(&'a Docker),
    Podman,
}

impl Engine<'_> {
    fn ok(&self, words: &[&str]) -> Result<()> {
        match self {
            Self::Docker(docker) => docker.ok(words).map(drop),
            Self::Podman => output(
                Command::new("podman")
                    .args([
                        "--root",
                        PODMAN_ROOT,
                        "--runroot",
                        "/run/porthole-bench-podman",
                    ])
                    .args(["--storage-driver", "overlay"])
                    .args(words),
            )
            .map(drop),
        }
    }

    /// Options of pull and push for a registry without TLS; docker takes one on loopback as it is.
    fn insecure(&self) -> &'static [&'static str] {
        match self {
            Self::Docker(_) => &[],
            Self::Podman => &["--tls-verify=false", "--quiet"],
        }
    }
}

/// One engine's row.
struct Row<'a> {
    name: &'static str,
    /// What is on the disk for sure when a pull has ended.
    policy: &'static str,
    engine: Engine<'a>,
    image: &'static str,
    pull: Times,
    push: Times,
}

/// A table with a row for each engine.
pub(super) fn table(ours: &Docker, dockerd: &Docker) -> Result<String> {
    let directory = target_directory().join("transfer");
    let source = Registry::start(&directory.join("source"), Setup::default())?;
    let ratio = fill(&directory, &source)?;
    let row = |name, policy, engine, image| Row {
        name,
        policy,
        engine,
        image,
        pull: Times::default(),
        push: Times::default(),
    };
    let mut rows = [
        row(
            "Porthole",
            "blob and files",
            Engine::Docker(ours),
            "windows",
        ),
        row("dockerd", "metadata only", Engine::Docker(dockerd), "linux"),
        row("podman", "nothing", Engine::Podman, "linux"),
    ];
    for _ in 0..TURNS {
        for row in &mut rows {
            turn(&directory, &source, row).with_context(|| row.name)?;
        }
    }
    drop(source);
    std::fs::remove_dir_all(&directory)?;
    let mut table = format!(
        "One layer of {} files, {} MiB, {ratio:.2} of it when compressed.\n\n\
         | engine | on disk for sure at the end of a pull | pull, median | slowest | against Porthole | push, median | slowest | against Porthole |\n\
         |---|---|---|---|---|---|---|---|\n",
        content::FILES,
        content::BYTES >> 20
    );
    let ours = &rows[0];
    for row in &rows {
        table += &format!(
            "| {} | {} | {} | {:.1} | {} | {:.1} |\n",
            row.name,
            row.policy,
            row.pull.cells(),
            row.pull.median_ratio(&ours.pull),
            row.push.cells(),
            row.push.median_ratio(&ours.push)
        );
    }
    Ok(table)
}

/// Makes both images and brings them into the registry.
fn fill(directory: &Path, source: &Registry) -> Result<f64> {
    let mut ratio = 0.0;
    for os in ["windows", "linux"] {
        let layout = directory.join(os);
        ratio = layout::write(&layout, os, |output| match os {
            "windows" => content::windows(output).map(drop),
            _ => content::linux(output).map(drop),
        })?;
        run(Command::new("skopeo")
            .args(["copy", "--quiet", "--dest-tls-verify=false"])
            .arg(format!("oci:{}", layout.display()))
            .arg(format!("docker://{}", source.image(os))))?;
        std::fs::remove_dir_all(layout)?;
    }
    Ok(ratio)
}

/// Pulls into a store that does not have the image, and pushes to a registry that has nothing.
fn turn(directory: &Path, source: &Registry, row: &mut Row<'_>) -> Result<()> {
    let image = source.image(row.image);
    settle()?;
    row.pull.push(timed(|| {
        row.engine
            .ok(&[&["pull"], row.engine.insecure(), &[&image]].concat())
    })?);
    let target = Registry::start(&directory.join("target"), Setup::default())?;
    let there = target.image(row.image);
    row.engine.ok(&["tag", &image, &there])?;
    settle()?;
    row.push.push(timed(|| {
        row.engine
            .ok(&[&["push"], row.engine.insecure(), &[&there]].concat())
    })?);
    row.engine.ok(&["rmi", &there, &image])
}

/// What the last turn left unwritten must not be this one's burden.
fn settle() -> Result<()> {
    run(&mut Command::new("sync"))?;
    std::thread::sleep(Duration::from_secs(1));
    Ok(())
}
