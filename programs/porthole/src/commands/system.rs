//! `porthole system`: what the daemon has, and what that takes.

use std::process::ExitCode;

use anyhow::Result;
use bollard::Docker;
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::{events, prune};
use crate::arguments::{Df, Info, System, SystemCommand};
use crate::moment;
use crate::output::{Fields, Format, print_json, say, with_spinner};
use crate::request;
use crate::table::{Table, short_id, size};

const FIELDS: &Fields = &[("Type", "TYPE"), ("TotalCount", "TOTAL")];

/// Carries it out.
pub(crate) async fn carry_out(
    client: &Docker,
    host: &str,
    system: System,
    json: bool,
) -> Result<ExitCode> {
    match system.command {
        SystemCommand::Df(df) => usage(host, &df, json).await,
        SystemCommand::Info(info) => self::info(host, &info, json).await,
        SystemCommand::Events(events) => events::carry_out(host, events, json).await,
        SystemCommand::Prune(system) => prune::system(client, system, json).await,
    }
}

/// `porthole info`.
pub(crate) async fn info(host: &str, info: &Info, json: bool) -> Result<ExitCode> {
    let format = Format::of(info.format.as_deref(), json)?;
    let facts = request::get(host, "/info").await?;
    if json {
        print_json(&facts)?;
        return Ok(ExitCode::SUCCESS);
    }
    if let Some(format) = format {
        format.print(&[], std::slice::from_ref(&facts))?;
        return Ok(ExitCode::SUCCESS);
    }
    let plain = |value: &Value| match value {
        Value::String(text) if !text.is_empty() => Some(text.clone()),
        Value::Number(number) => Some(number.to_string()),
        _ => None,
    };
    let mut table = Table::bare();
    for (name, what) in [
        ("Name", "host"),
        ("ServerVersion", "portholed"),
        ("OperatingSystem", "system"),
        ("OSVersion", "Windows"),
        ("KernelVersion", "kernel"),
        ("Isolation", "isolation"),
        ("NCPU", "processors"),
        ("ContainersRunning", "running"),
        ("ContainersPaused", "paused"),
        ("ContainersStopped", "stopped"),
        ("Images", "images"),
        ("LoggingDriver", "log driver"),
        ("DockerRootDir", "data"),
    ] {
        if let Some(value) = plain(&facts[name]) {
            table.row([what.to_owned(), value]);
        }
    }
    if let Some(memory) = facts["MemTotal"].as_u64() {
        table.row(["memory".to_owned(), size(memory)]);
    }
    table.print()?;
    Ok(ExitCode::SUCCESS)
}

async fn usage(host: &str, df: &Df, json: bool) -> Result<ExitCode> {
    let format = Format::of(df.format.as_deref(), json)?;
    if let Some(format) = &format {
        format.check(&row("", 0, 0, 0, 0))?;
    }
    let usage = with_spinner("counting".to_owned(), request::get(host, "/system/df")).await?;
    if json {
        print_json(&usage)?;
        return Ok(ExitCode::SUCCESS);
    }
    let rows = summary(&usage);
    if let Some(format) = format {
        format.print(FIELDS, &rows)?;
    } else if df.verbose {
        verbose(&usage)?;
    } else {
        let mut table = Table::new(&["TYPE", "TOTAL", "ACTIVE", "SIZE", "RECLAIMABLE"]);
        for row in &rows {
            let cell = |name: &str| row[name].as_str().unwrap_or_default().to_owned();
            table.row(["Type", "TotalCount", "Active", "Size", "Reclaimable"].map(cell));
        }
        table.print()?;
    }
    Ok(ExitCode::SUCCESS)
}

/// A row for each kind of object, with the fields that docker's `--format` has.
fn summary(usage: &Value) -> Vec<Value> {
    let items = |name: &str| list(&usage[name]);
    let number = |value: &Value| value.as_u64().unwrap_or_default();
    let images = items("Images");
    let used: Vec<_> = images
        .iter()
        .filter(|image| number(&image["Containers"]) > 0)
        .collect();
    // What a shared layer takes counts once; what is in use is not free for the taking.
    let whole = number(&usage["LayersSize"]);
    let kept: u64 = used.iter().map(|image| number(&image["Size"])).sum();
    let runs = |container: &Value| {
        matches!(
            container["State"].as_str(),
            Some("running" | "paused" | "restarting")
        )
    };
    let refers = |volume: &Value| volume["UsageData"]["RefCount"].as_i64().unwrap_or_default() > 0;
    vec![
        row(
            "Images",
            images.len(),
            used.len(),
            whole,
            whole.saturating_sub(kept),
        ),
        row_of("Containers", items("Containers"), runs, |container| {
            number(&container["SizeRw"])
        }),
        row_of("Local Volumes", items("Volumes"), refers, |volume| {
            number(&volume["UsageData"]["Size"])
        }),
        row_of(
            "Build Cache",
            items("BuildCache"),
            |item| item["InUse"] == true,
            |item| number(&item["Size"]),
        ),
    ]
}

/// The row of objects that share nothing: what is not active is free for the taking.
fn row_of(
    kind: &str,
    items: &[Value],
    is_active: impl Fn(&Value) -> bool,
    taken: impl Fn(&Value) -> u64,
) -> Value {
    let whole = items.iter().map(&taken).sum();
    let (active, idle): (Vec<&Value>, Vec<&Value>) = items.iter().partition(|item| is_active(item));
    let free = idle.into_iter().map(&taken).sum();
    row(kind, items.len(), active.len(), whole, free)
}

fn row(kind: &str, count: usize, active: usize, whole: u64, free: u64) -> Value {
    let share = (u128::from(free) * 100).checked_div(u128::from(whole));
    let free = match share {
        Some(share) if kind != "Build Cache" => format!("{} ({share}%)", size(free)),
        _ => size(free),
    };
    json!({
        "Type": kind,
        "TotalCount": count.to_string(),
        "Active": active.to_string(),
        "Size": size(whole),
        "Reclaimable": free,
    })
}

fn verbose(usage: &Value) -> std::io::Result<()> {
    images(usage).print()?;
    say!("")?;
    containers(usage).print()?;
    say!("")?;
    volumes(usage).print()
}

fn images(usage: &Value) -> Table {
    let mut images = Table::new(&["IMAGE", "ID", "CREATED", "SIZE", "SHARED", "CONTAINERS"]);
    for image in list(&usage["Images"]) {
        let names = names(&image["RepoTags"]);
        images.row([
            if names.is_empty() {
                "<none>".to_owned()
            } else {
                names
            },
            short_id(&text(&image["Id"])).to_owned(),
            moment::ago(
                image["Created"].as_i64().unwrap_or_default(),
                OffsetDateTime::now_utc(),
            ),
            bytes(&image["Size"]),
            bytes(&image["SharedSize"]),
            image["Containers"].to_string(),
        ]);
    }
    images
}

fn containers(usage: &Value) -> Table {
    let mut containers = Table::new(&["CONTAINER", "ID", "IMAGE", "SIZE", "STATUS"]);
    for container in list(&usage["Containers"]) {
        containers.row([
            names(&container["Names"]),
            short_id(&text(&container["Id"])).to_owned(),
            text(&container["Image"]),
            bytes(&container["SizeRw"]),
            text(&container["Status"]),
        ]);
    }
    containers
}

fn volumes(usage: &Value) -> Table {
    let mut volumes = Table::new(&["VOLUME", "LINKS", "SIZE"]);
    for volume in list(&usage["Volumes"]) {
        let data = &volume["UsageData"];
        volumes.row([
            text(&volume["Name"]),
            data["RefCount"].to_string(),
            bytes(&data["Size"]),
        ]);
    }
    volumes
}

/// The items of a list, none of what is null.
fn list(value: &Value) -> &[Value] {
    value.as_array().map_or(&[][..], Vec::as_slice)
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn bytes(value: &Value) -> String {
    size(value.as_u64().unwrap_or_default())
}

fn names(value: &Value) -> String {
    let names = list(value).iter().filter_map(Value::as_str);
    let names: Vec<_> = names.map(|name| name.trim_start_matches('/')).collect();
    names.join(", ")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_nobody_uses_is_reclaimable() {
        let usage = json!({
            "LayersSize": 1000,
            "Images": [{ "Size": 600, "Containers": 1 }, { "Size": 400, "Containers": 0 }],
            "Containers": [{ "State": "running", "SizeRw": 10 }, { "State": "exited", "SizeRw": 30 }],
            "Volumes": null, "BuildCache": [],
        });
        let rows = summary(&usage);
        assert_eq!(
            rows[0],
            json!({ "Type": "Images", "TotalCount": "2", "Active": "1", "Size": "1.0kB",
                "Reclaimable": "400B (40%)" })
        );
        assert_eq!(rows[1]["Reclaimable"], "30B (75%)");
        assert_eq!(rows[2]["Size"], "0B");
    }
}
