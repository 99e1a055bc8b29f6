//! `porthole stats`: what containers use, once or as a table that is drawn again every second.

use std::collections::{BTreeMap, VecDeque};
use std::io::{IsTerminal, Write};
use std::process::ExitCode;
use std::time::{Duration, Instant};

use anyhow::Result;
use bollard::Docker;
use bollard::errors::Error;
use bollard::models::ContainerStatsResponse;
use bollard::query_parameters::{ListContainersOptionsBuilder, StatsOptionsBuilder};
use futures::StreamExt;
use futures::future::join_all;
use serde_json::{Value, json};

use crate::arguments::Stats;
use crate::output::{Fields, Format, say};
use crate::table::{Table, short_id, size};

/// How far samples are apart.
const INTERVAL: Duration = Duration::from_secs(1);

/// Moves a terminal's cursor to the top left and clears what was there.
const CLEAR: &str = "\u{1b}[H\u{1b}[2J";

const FIELDS: &Fields = &[
    ("ID", "CONTAINER ID"),
    ("CPUPerc", "CPU %"),
    ("MemUsage", "PRIV WORKING SET"),
    ("NetIO", "NET I/O"),
    ("BlockIO", "BLOCK I/O"),
];

/// A sample, and when it was taken.
struct Sample {
    at: Instant,
    stats: ContainerStatsResponse,
}

/// What has been seen of a container.
#[derive(Default)]
struct Watched {
    last: Option<Sample>,
    /// Shares of the processors, in percent, the newest last.
    load: VecDeque<f64>,
}

/// Carries it out.
pub(crate) async fn carry_out(client: &Docker, stats: &Stats, json: bool) -> Result<ExitCode> {
    let format = Format::of(stats.format.as_deref(), json)?;
    if let Some(format) = &format {
        format.check(&Watched::default().row(true))?;
    }
    let redraw = std::io::stdout().is_terminal() && !stats.no_stream && !json;
    let mut watched: BTreeMap<String, Watched> = BTreeMap::new();
    // The first sample has none before it to compare its processor time with.
    let mut is_due = false;
    loop {
        let samples = take(client, stats).await?;
        watched.retain(|id, _| samples.iter().any(|(sampled, _)| sampled == id));
        let mut rows = Vec::new();
        for (id, sample) in samples {
            let seen = watched.entry(id).or_default();
            seen.add(sample);
            rows.push(seen.row(stats.no_trunc));
        }
        if is_due {
            if redraw {
                std::io::stdout().write_all(CLEAR.as_bytes())?;
            }
            match &format {
                Some(format) => format.print(FIELDS, &rows)?,
                None if json => {
                    for row in &rows {
                        say!("{row}")?;
                    }
                }
                None => table(&rows).print()?,
            }
        }
        if stats.no_stream && is_due {
            return Ok(ExitCode::SUCCESS);
        }
        is_due = true;
        tokio::time::sleep(INTERVAL).await;
    }
}

fn table(rows: &[Value]) -> Table {
    let mut table = Table::new(&[
        "CONTAINER ID",
        "NAME",
        "CPU",
        "",
        "MEMORY",
        "NET IN / OUT",
        "DISK READ / WRITE",
    ]);
    for row in rows {
        let cell = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
        table.row(
            [
                "ID", "Name", "CPUPerc", "Graph", "MemUsage", "NetIO", "BlockIO",
            ]
            .map(cell),
        );
    }
    table
}

/// A sample of each container that is asked for.
async fn take(client: &Docker, stats: &Stats) -> Result<Vec<(String, Sample)>> {
    let names = if stats.containers.is_empty() {
        let options = ListContainersOptionsBuilder::default().all(stats.all);
        let listed = client.list_containers(Some(options.build())).await?;
        listed
            .into_iter()
            .filter_map(|container| container.id)
            .collect()
    } else {
        stats.containers.clone()
    };
    let taken = join_all(names.iter().map(|name| sample(client, name))).await;
    let mut samples = Vec::with_capacity(taken.len());
    for sample in taken {
        match sample {
            Ok(Some(sample)) => samples.push(sample),
            Ok(None) => {}
            // It was listed and has been removed since.
            Err(Error::DockerResponseServerError {
                status_code: 404, ..
            }) if stats.containers.is_empty() => {}
            Err(error) => return Err(error.into()),
        }
    }
    Ok(samples)
}

async fn sample(client: &Docker, name: &str) -> Result<Option<(String, Sample)>, Error> {
    let options = StatsOptionsBuilder::default().stream(false).one_shot(true);
    let mut answer = Box::pin(client.stats(name, Some(options.build())));
    let Some(stats) = answer.next().await.transpose()? else {
        return Ok(None);
    };
    let at = Instant::now();
    Ok(stats.id.clone().map(|id| (id, Sample { at, stats })))
}

impl Watched {
    fn add(&mut self, sample: Sample) {
        const HISTORY: usize = 12;
        if let Some(last) = &self.last {
            if self.load.len() == HISTORY {
                self.load.pop_front();
            }
            self.load.push_back(load(last, &sample));
        }
        self.last = Some(sample);
    }

    /// The newest sample, with the fields that docker's `--format` has and a graph.
    fn row(&self, whole: bool) -> Value {
        let none = ContainerStatsResponse::default();
        let stats = self.last.as_ref().map_or(&none, |last| &last.stats);
        let networks = stats.networks.iter().flat_map(|networks| networks.values());
        let (received, sent) = networks.fold((0, 0), |(received, sent), network| {
            (
                received + network.rx_bytes.unwrap_or_default(),
                sent + network.tx_bytes.unwrap_or_default(),
            )
        });
        let storage = stats.storage_stats.clone().unwrap_or_default();
        let memory = stats
            .memory_stats
            .as_ref()
            .and_then(|memory| memory.privateworkingset);
        let id = stats.id.as_deref().unwrap_or_default();
        let id = if whole { id } else { short_id(id) };
        let name = stats.name.as_deref().unwrap_or_default();
        let read = storage.read_size_bytes.unwrap_or_default();
        let written = storage.write_size_bytes.unwrap_or_default();
        let load = self.load.back().map(|load| format!("{load:.2}%"));
        json!({
            "Container": id,
            "ID": id,
            "Name": name.trim_start_matches('/'),
            "CPUPerc": load.unwrap_or_else(|| "-".to_owned()),
            "Graph": graph(&self.load),
            "MemUsage": memory.map_or_else(|| "-".to_owned(), size),
            // Windows' numbers say neither a limit nor processes, and docker shows dashes then.
            "MemPerc": "--",
            "PIDs": "--",
            "NetIO": format!("{} / {}", size(received), size(sent)),
            "BlockIO": format!("{} / {}", size(read), size(written)),
        })
    }
}

/// The share of all processors between two samples, in percent, as docker computes it.
fn load(before: &Sample, now: &Sample) -> f64 {
    const TICKS_PER_SECOND: f64 = 10_000_000.0;
    let used = |sample: &Sample| {
        let processor = sample.stats.cpu_stats.as_ref();
        let usage = processor.and_then(|processor| processor.cpu_usage.as_ref());
        usage
            .and_then(|usage| usage.total_usage)
            .unwrap_or_default()
    };
    let processors = f64::from(now.stats.num_procs.unwrap_or(1).max(1));
    let possible = now.at.duration_since(before.at).as_secs_f64() * TICKS_PER_SECOND * processors;
    // A container that was started again has used less than before.
    let used = used(now).saturating_sub(used(before)) as f64;
    if possible > 0.0 {
        used / possible * 100.0
    } else {
        0.0
    }
}

/// A small graph of percentages.
fn graph(loads: &VecDeque<f64>) -> String {
    const BARS: [char; 8] = ['▁', '▂', '▃', '▄', '▅', '▆', '▇', '█'];
    let bar = |load: &f64| {
        let step = BARS.iter().zip(1_u32..);
        let fitting = step.take_while(|(_, step)| f64::from(step - 1) * 12.5 <= *load);
        fitting.last().map_or(BARS[0], |(bar, _)| *bar)
    };
    loads.iter().map(bar).collect()
}

#[cfg(test)]
mod tests {
    use bollard::models::{ContainerCpuStats, ContainerCpuUsage};

    use super::*;

    fn sample(at: Instant, total: u64) -> Sample {
        let usage = ContainerCpuUsage {
            total_usage: Some(total),
            ..Default::default()
        };
        let stats = ContainerStatsResponse {
            num_procs: Some(2),
            cpu_stats: Some(ContainerCpuStats {
                cpu_usage: Some(usage),
                ..Default::default()
            }),
            ..Default::default()
        };
        Sample { at, stats }
    }

    #[test]
    fn the_load_is_a_share_of_all_processors() {
        let begin = Instant::now();
        let (before, now) = (sample(begin, 5), sample(begin + INTERVAL, 10_000_005));
        assert!((load(&before, &now) - 50.0).abs() < 1e-9);
        assert!(load(&now, &sample(begin + INTERVAL * 2, 0)).abs() < 1e-9);
    }

    #[test]
    fn graphs_go_from_nothing_to_all() {
        assert_eq!(graph(&[0.0, 12.5, 60.0, 100.0, 250.0].into()), "▁▂▅██");
    }
}
