//! `cargo xtask bench`: Porthole beside dockerd, in one run; prints docs/benchmarks.md's tables.

use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use porthole_e2e::docker::Docker;
use porthole_e2e::server::{Place, Server};

use crate::builds::{self, Built};
use crate::packages;

mod burst;
mod changes;
mod crowd;
mod memory;
mod pairs;
mod peer;
mod sizes;
mod timing;
mod transfer;

use peer::Peer;
use timing::Times;

/// Options of `cargo xtask bench`.
#[derive(Debug, clap::Args)]
pub(crate) struct Options {
    /// Only the tables whose headings contain one of these, in any case.
    #[arg(value_name = "HEADING")]
    headings: Vec<String>,
    /// Runs of each short command.
    #[arg(long, default_value_t = 30)]
    runs: usize,
    /// Containers that are started at once.
    #[arg(long, default_value_t = 50)]
    burst: usize,
    /// Containers that have ended and are kept.
    #[arg(long, default_value_t = 1000)]
    ended: usize,
    /// Containers that run beside them.
    #[arg(long, default_value_t = 30)]
    running: usize,
}

impl Options {
    fn is_wanted(&self, heading: &str) -> bool {
        let heading = heading.to_lowercase();
        let mut wanted = self.headings.iter().map(|wanted| wanted.to_lowercase());
        self.headings.is_empty() || wanted.any(|wanted| heading.contains(&wanted))
    }
}

/// Measures everything and prints Markdown.
pub(crate) fn run(options: &Options) -> Result<()> {
    packages::ensure(&[
        packages::BUILD,
        packages::RUN,
        packages::FETCH,
        packages::BENCH,
    ])?;
    let built = builds::all()?;
    let place = Place::test();
    builds::bases(&built, &place)?;
    let mut peer = Peer::start()?;
    let mut server = Server::start(&built.programs, place.clone())?;
    let measured = peer
        .import_same_tree(&place)
        .and_then(|()| measure(options, &built, &mut server, &mut peer));
    drop(peer);
    server.stop()?;
    println!("\n{}", measured?);
    Ok(())
}

fn measure(
    options: &Options,
    built: &Built,
    server: &mut Server,
    peer: &mut Peer,
) -> Result<String> {
    let place = server.place.clone();
    let ours = place.docker();
    let mut report = String::new();
    let mut section = |heading: &str, table: &mut dyn FnMut() -> Result<String>| {
        if options.is_wanted(heading) {
            report += &format!("## {heading}\n\n{}\n", table()?);
        }
        anyhow::Ok(())
    };
    section("Start", &mut || start_table(options, &ours, peer))?;
    section("Two at a time", &mut || {
        pairs::table(options.runs, &ours, peer)
    })?;
    section("A running container", &mut || running_table(options, &ours))?;
    section("Memory of one more idle `cmd` container", &mut || {
        memory::table(&ours)
    })?;
    section("Many at once", &mut || burst::line(&ours, options.burst))?;
    section("A host full of containers", &mut || {
        crowd::table(options, server, peer)
    })?;
    section("Images to and from a registry", &mut || {
        transfer::table(&ours, &peer.docker)
    })?;
    section("Diff and commit", &mut || {
        changes::table(options.runs, &ours, &place)
    })?;
    section("Base images", &mut || sizes::table(built, &place))?;
    Ok(report)
}

const EXIT: &[&str] = &["cmd", "/c", "exit 0"];

fn start_table(options: &Options, ours: &Docker, peer: &Peer) -> Result<String> {
    let run = |docker: &Docker, words: &[&str]| {
        let words: Vec<_> = ["run", "--rm"].iter().chain(words).copied().collect();
        timing::repeat(options.runs, || docker.ok(&words).map(drop))
    };
    let nanoserver = run(ours, &[&["porthole/nanoserver"], EXIT].concat())?;
    let stock = run(&peer.docker, &peer.stock(EXIT))?;
    let same = run(&peer.docker, &peer.same_tree(EXIT))?;
    let nothing = run(&peer.docker, &[peer::IMAGE, "/bin/true"])?;
    let mut table = String::from(
        "| `docker run --rm … cmd /c exit 0` | median | p90 | against Porthole |\n|---|---|---|---|\n",
    );
    for (name, times) in [
        ("Porthole, nanoserver, process isolation", &nanoserver),
        ("dockerd, Debian's Wine as it is", &stock),
        ("dockerd, Porthole's kernel package and C:", &same),
        ("dockerd, `true`", &nothing),
    ] {
        table += &format!(
            "| {name} | {} | {:.1} |\n",
            times.cells(),
            times.median_ratio(&nanoserver)
        );
    }
    Ok(table)
}

fn running_table(options: &Options, ours: &Docker) -> Result<String> {
    const NAME: &str = "bench-running";
    let start = || {
        ours.ok([
            "run",
            "-d",
            "--name",
            NAME,
            "porthole/nanoserver",
            "ping",
            "-t",
            "127.0.0.1",
        ])
    };
    start()?;
    let exec = timing::repeat(options.runs, || {
        ours.ok(["exec", NAME].iter().chain(EXIT)).map(drop)
    })?;
    ours.ok(["rm", "-f", NAME])?;
    let (mut stop, mut remove) = (Times::default(), Times::default());
    for _ in 0..options.runs.div_ceil(3) {
        start()?;
        stop.push(timed(|| ours.ok(["stop", NAME]))?);
        ours.ok(["rm", NAME])?;
        start()?;
        remove.push(timed(|| ours.ok(["rm", "-f", NAME]))?);
    }
    Ok(format!(
        "| command | median | p90 |\n|---|---|---|\n| `docker exec … cmd /c exit 0` | {} |\n\
         | `docker stop` of `ping -t` | {} |\n| `docker rm -f` of a running container | {} |\n",
        exec.cells(),
        stop.cells(),
        remove.cells()
    ))
}

fn timed<T>(work: impl FnOnce() -> Result<T>) -> Result<Duration> {
    let start = Instant::now();
    work().context("a measured command failed")?;
    Ok(start.elapsed())
}
