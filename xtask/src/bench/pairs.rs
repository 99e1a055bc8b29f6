//! Two runs at the same moment, again and again: what one costs while another is under way.

use std::time::{Duration, Instant};

use anyhow::{Context as _, Result};
use porthole_e2e::docker::Docker;

use super::peer::Peer;
use super::timing::Times;

/// A table of the times of each of `pairs` pairs of runs.
pub(super) fn table(pairs: usize, ours: &Docker, peer: &Peer) -> Result<String> {
    let porthole = times(
        pairs,
        ours,
        &[&["porthole/nanoserver"], super::EXIT].concat(),
    )?;
    let stock = times(pairs, &peer.docker, &peer.stock(super::EXIT))?;
    let mut table = String::from(
        "| two of `docker run --rm … cmd /c exit 0` at once | median | p90 | against Porthole |\n|---|---|---|---|\n",
    );
    for (name, times) in [
        ("Porthole, nanoserver", &porthole),
        ("dockerd, Debian's Wine as it is", &stock),
    ] {
        let ratio = times.median_ratio(&porthole);
        table += &format!("| {name} | {} | {ratio:.1} |\n", times.cells());
    }
    Ok(table)
}

fn times(pairs: usize, docker: &Docker, words: &[&str]) -> Result<Times> {
    let words: Vec<_> = ["run", "--rm"].iter().chain(words).copied().collect();
    let run = || {
        let start = Instant::now();
        docker.ok(&words).map(|_| start.elapsed())
    };
    let mut times = Times::default();
    for _ in 0..pairs {
        let both: [Result<Duration>; 2] = std::thread::scope(|scope| {
            let other = scope.spawn(run);
            let one = run();
            let other = other
                .join()
                .unwrap_or_else(|_| anyhow::bail!("a run panicked"));
            [one, other]
        });
        for time in both {
            times.push(time.context("a measured run failed")?);
        }
    }
    Ok(times)
}
