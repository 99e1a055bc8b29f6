//! `porthole ps`.

mod ports;

use std::process::ExitCode;

use anyhow::Result;
use serde_json::{Value, json};
use time::OffsetDateTime;

use super::each::filters;
use super::objects::labels;
use crate::arguments::Ps;
use crate::moment;
use crate::output::{Fields, Format, print_json, say};
use crate::request;
use crate::shown;
use crate::table::{Colour, Table, coloured, short_id, size};

const FIELDS: &Fields = &[
    ("ID", "CONTAINER ID"),
    ("CreatedAt", "CREATED AT"),
    ("RunningFor", "CREATED"),
    ("LocalVolumes", "LOCAL VOLUMES"),
];

/// Carries it out.
pub(crate) async fn carry_out(host: &str, ps: &Ps, json: bool) -> Result<ExitCode> {
    let format = Format::of(ps.format.as_deref(), json)?;
    if let Some(format) = &format {
        format.check(&docker_row(&Value::Null, ps))?;
    }
    let containers = list(host, ps).await?;
    let containers = containers.as_array().map_or(&[][..], Vec::as_slice);
    if ps.quiet {
        print_ids(containers, ps.no_trunc, json)?;
    } else if json {
        print_json(&containers)?;
    } else if let Some(format) = format {
        let rows: Vec<_> = containers.iter().map(|row| docker_row(row, ps)).collect();
        let labels = containers.iter().map(|container| &container["Labels"]);
        format.print_labelled(FIELDS, rows.iter().zip(labels))?;
    } else {
        print(containers, ps)?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn list(host: &str, ps: &Ps) -> Result<Value> {
    let limit = if ps.latest { Some(1) } else { ps.last };
    let limit = limit.map(|limit| limit.to_string());
    let filters = serde_json::to_string(&filters(ps.filter.clone()))?;
    let mut parameters = vec![("filters", filters.as_str())];
    if ps.all || limit.is_some() {
        parameters.push(("all", "1"));
    }
    if let Some(limit) = &limit {
        parameters.push(("limit", limit));
    }
    // Counting is work for the daemon: only who looks at it pays.
    if ps.size
        || ps
            .format
            .as_deref()
            .is_some_and(|format| format.contains(".Size"))
    {
        parameters.push(("size", "1"));
    }
    let path = format!("/containers/json?{}", request::query(&parameters));
    request::get(host, &path).await
}

fn print_ids(containers: &[Value], whole: bool, json: bool) -> Result<()> {
    let ids = containers.iter().map(|container| text(container, "Id"));
    if json {
        return print_json(&ids.collect::<Vec<_>>());
    }
    for id in ids {
        say!("{}", if whole { id } else { short_id(id) })?;
    }
    Ok(())
}

fn print(containers: &[Value], ps: &Ps) -> std::io::Result<()> {
    let mut titles = vec![
        "CONTAINER ID",
        "NAME",
        "IMAGE",
        "COMMAND",
        "CREATED",
        "STATUS",
        "PORTS",
    ];
    if ps.size {
        titles.push("SIZE");
    }
    let mut table = Table::new(&titles);
    for container in containers {
        let row = docker_row(container, ps);
        let cell = |name: &str| text(&row, name).to_owned();
        let colour = match text(container, "State") {
            "running" => Colour::Green,
            "dead" => Colour::Red,
            _ => Colour::Dim,
        };
        let mut cells = vec![
            cell("ID"),
            cell("Names"),
            cell("Image"),
            // Docker's own lists have it in quotes.
            shown::escaped(cell("Command").trim_matches('"')),
            cell("RunningFor"),
            coloured(text(&row, "Status"), colour),
            cell("Ports"),
        ];
        if ps.size {
            cells.push(cell("Size"));
        }
        table.row(cells);
    }
    table.print()
}

/// A container with the fields that docker's `--format` has.
fn docker_row(container: &Value, ps: &Ps) -> Value {
    let id = text(container, "Id");
    let command = text(container, "Command");
    let items = |name: &str| container[name].as_array().into_iter().flatten();
    let names = items("Names").filter_map(Value::as_str);
    let names: Vec<_> = names.map(|name| name.trim_start_matches('/')).collect();
    let networks = container["NetworkSettings"]["Networks"].as_object();
    let networks: Vec<_> = networks
        .into_iter()
        .flatten()
        .map(|(name, _)| name.as_str())
        .collect();
    let mounts: Vec<_> = items("Mounts")
        .map(|mount| match text(mount, "Name") {
            "" => text(mount, "Source"),
            name => name,
        })
        .collect();
    let volumes = items("Mounts")
        .filter(|mount| text(mount, "Type") == "volume")
        .count();
    let created = container["Created"].as_i64().unwrap_or_default();
    let bytes = |name: &str| container[name].as_u64();
    let taken = match (bytes("SizeRw"), bytes("SizeRootFs")) {
        (Some(own), Some(all)) => format!("{} (virtual {})", size(own), size(all)),
        (own, _) => size(own.unwrap_or_default()),
    };
    json!({
        "ID": if ps.no_trunc { id } else { short_id(id) },
        "Names": names.join(","),
        "Image": text(container, "Image"),
        "Command": format!("\"{}\"", if ps.no_trunc { command.to_owned() } else { shortened(command) }),
        "CreatedAt": moment::at(created),
        "RunningFor": moment::ago(created, OffsetDateTime::now_utc()),
        "Ports": ports::shown(&container["Ports"]),
        "State": text(container, "State"),
        "Status": text(container, "Status"),
        "Size": taken,
        "Labels": labels(container),
        "Mounts": mounts.join(","),
        "Networks": networks.join(","),
        "LocalVolumes": volumes.to_string(),
    })
}

fn text<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

/// A command short enough for a row.
fn shortened(command: &str) -> String {
    const WIDTH: usize = 30;
    if command.chars().count() <= WIDTH {
        return command.to_owned();
    }
    command.chars().take(WIDTH - 1).chain(['…']).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_commands_are_shortened_by_characters() {
        assert_eq!(shortened("cmd /c ver"), "cmd /c ver");
        assert_eq!(shortened(&"ä".repeat(40)).chars().count(), 30);
    }
}
