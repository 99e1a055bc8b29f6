//! What containers use, and removing what nothing uses.

use anyhow::{Context as _, Result, ensure};
use serde_json::Value;

use crate::{Fixture, Test};

pub(crate) const TESTS: &[(&str, Test)] = &[
    ("stats_show_memory_and_processor_time", stats),
    ("prune_removes_what_does_not_run", prune),
    ("system_df_counts_images_and_containers", df),
];

fn stats(fixture: &Fixture) -> Result<()> {
    let docker = &fixture.docker;
    let name = "e2e-stats";
    // It writes, and so takes processor time, until it is ended.
    let line = r"for /l %i in (1,0,2) do @echo %i>C:\Users\Public\f.txt";
    let create = [
        "create",
        "--name",
        name,
        "porthole/servercore",
        "cmd",
        "/c",
        line,
    ];
    docker.ok(create)?;
    let stopped = docker.ok([
        "stats",
        "--no-stream",
        "--format",
        "{{.CPUPerc}} {{.MemUsage}}",
        name,
    ])?;
    docker.ok(["start", name])?;
    let shown = docker.ok(["stats", "--no-stream", "--format", "json", name])?;
    docker.ok(["rm", "-f", name])?;
    let shown: Value = serde_json::from_str(&shown).context(shown)?;
    let share = shown["CPUPerc"]
        .as_str()
        .and_then(|share| share.trim_end_matches('%').parse::<f64>().ok());
    ensure!(
        share.is_some_and(|share| share > 0.5 && share <= 110.0),
        "{shown}"
    );
    ensure!(
        shown["MemUsage"]
            .as_str()
            .is_some_and(|used| used.contains("MiB")),
        "{shown}"
    );
    ensure!(shown["Name"] == name, "{shown}");
    ensure!(stopped.starts_with("0.00%"), "{stopped}");
    Ok(())
}

fn prune(fixture: &Fixture) -> Result<()> {
    let docker = &fixture.docker;
    let label = "e2e=prune";
    let image = "porthole/nanoserver";
    let ended = docker.ok(["create", "--label", label, image, "cmd", "/c", "ver"])?;
    docker.ok(["start", "-a", &ended])?;
    let runs = docker.ok([
        "run",
        "-d",
        "--label",
        label,
        image,
        "ping",
        "-t",
        "127.0.0.1",
    ])?;
    let filter = format!("label={label}");
    let pruned = docker.ok(["container", "prune", "-f", "--filter", &filter])?;
    let left = docker.ok(["ps", "-aq", "--no-trunc", "--filter", &filter])?;
    docker.ok(["rm", "-f", &runs])?;
    ensure!(
        pruned.contains(&ended) && pruned.contains("reclaimed space"),
        "{pruned}"
    );
    ensure!(left == runs, "{left}");
    let refused = docker.run(["container", "prune", "-f", "--filter", "until=soon"])?;
    ensure!(
        refused.stderr.contains("invalid filter 'until=soon'"),
        "{refused:?}"
    );
    Ok(())
}

fn df(fixture: &Fixture) -> Result<()> {
    let rows = fixture.docker.ok([
        "system",
        "df",
        "--format",
        "{{.Type}} {{.TotalCount}} {{.Size}}",
    ])?;
    let images = rows.lines().find(|row| row.starts_with("Images"));
    // servercore alone has more than 300 MB.
    ensure!(
        images.is_some_and(|row| row.contains("MB") || row.contains("GB")),
        "{rows}"
    );
    ensure!(
        rows.contains("Containers") && rows.contains("Build Cache 0"),
        "{rows}"
    );
    Ok(())
}
