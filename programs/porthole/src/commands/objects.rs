//! `porthole volume` and `porthole network`: what the daemon has of them.

use std::process::ExitCode;

use anyhow::Result;
use serde_json::{Value, json};

use super::each::filters;
use crate::arguments::{InspectOf, ObjectCommand, ObjectLs};
use crate::failure;
use crate::output::{Fields, Format, print_json, say};
use crate::request;
use crate::table::{Table, short_id};

/// What sets volumes and networks apart.
struct Kind {
    path: &'static str,
    /// What `-q` prints.
    key: &'static str,
    /// The columns, with docker's headings.
    fields: &'static Fields,
    row: fn(&Value, bool) -> Value,
}

const VOLUMES: Kind = Kind {
    path: "/volumes",
    key: "Name",
    fields: &[("Driver", "DRIVER"), ("Name", "VOLUME NAME")],
    row: volume,
};

const NETWORKS: Kind = Kind {
    path: "/networks",
    key: "ID",
    fields: &[
        ("ID", "NETWORK ID"),
        ("Name", "NAME"),
        ("Driver", "DRIVER"),
        ("Scope", "SCOPE"),
    ],
    row: network,
};

/// `porthole volume`.
pub(crate) async fn volumes(host: &str, command: ObjectCommand, json: bool) -> Result<ExitCode> {
    carry_out(host, &VOLUMES, command, json).await
}

/// `porthole network`.
pub(crate) async fn networks(host: &str, command: ObjectCommand, json: bool) -> Result<ExitCode> {
    carry_out(host, &NETWORKS, command, json).await
}

async fn carry_out(
    host: &str,
    kind: &Kind,
    command: ObjectCommand,
    json: bool,
) -> Result<ExitCode> {
    match command {
        ObjectCommand::Ls(ls) => list(host, kind, ls, json).await,
        ObjectCommand::Inspect(of) => inspect(host, kind, &of, json).await,
    }
}

async fn list(host: &str, kind: &Kind, ls: ObjectLs, json: bool) -> Result<ExitCode> {
    let format = Format::of(ls.format.as_deref(), json)?;
    if let Some(format) = &format {
        format.check(&(kind.row)(&Value::Null, true))?;
    }
    let filters = serde_json::to_string(&filters(ls.filter))?;
    let query = request::query(&[("filters", &filters)]);
    let answer = request::get(host, &format!("{}?{query}", kind.path)).await?;
    // Volumes come in an object, beside warnings.
    let all = answer.get("Volumes").unwrap_or(&answer);
    let all = all.as_array().map_or(&[][..], Vec::as_slice);
    let rows: Vec<_> = all
        .iter()
        .map(|object| (kind.row)(object, ls.no_trunc))
        .collect();
    if json {
        print_json(&all)?;
    } else if ls.quiet {
        for row in &rows {
            say!("{}", text(row, kind.key))?;
        }
    } else if let Some(format) = format {
        format.print(kind.fields, &rows)?;
    } else {
        let titles: Vec<_> = kind.fields.iter().map(|(_, title)| *title).collect();
        let mut table = Table::new(&titles);
        for row in &rows {
            table.row(kind.fields.iter().map(|(name, _)| text(row, name)));
        }
        table.print()?;
    }
    Ok(ExitCode::SUCCESS)
}

async fn inspect(host: &str, kind: &Kind, of: &InspectOf, json: bool) -> Result<ExitCode> {
    let format = Format::of(of.format.as_deref(), json)?;
    let mut code = ExitCode::SUCCESS;
    let mut found = Vec::new();
    for name in &of.names {
        let path = format!("{}/{}", kind.path, request::segment(name));
        match request::get(host, &path).await {
            Ok(object) => found.push(object),
            Err(error) => {
                failure::tell(&error);
                code = ExitCode::FAILURE;
            }
        }
    }
    match format {
        Some(format) => format.print(&[], &found)?,
        None => print_json(&found)?,
    }
    Ok(code)
}

fn volume(volume: &Value, _: bool) -> Value {
    json!({
        "Name": text(volume, "Name"),
        "Driver": text(volume, "Driver"),
        "Scope": text(volume, "Scope"),
        "Mountpoint": text(volume, "Mountpoint"),
        "Labels": labels(volume),
    })
}

fn network(network: &Value, whole: bool) -> Value {
    let id = text(network, "Id");
    let says = |name: &str| (network[name] == true).to_string();
    json!({
        "ID": if whole { id.as_str() } else { short_id(&id) },
        "Name": text(network, "Name"),
        "Driver": text(network, "Driver"),
        "Scope": text(network, "Scope"),
        "IPv6": says("EnableIPv6"),
        "Internal": says("Internal"),
        "Labels": labels(network),
        "CreatedAt": text(network, "Created"),
    })
}

/// Labels as docker's lists have them.
pub(super) fn labels(object: &Value) -> String {
    let labels = object["Labels"].as_object().into_iter().flatten();
    let labels: Vec<_> = labels
        .map(|(name, value)| format!("{name}={}", value.as_str().unwrap_or_default()))
        .collect();
    labels.join(",")
}

fn text(object: &Value, name: &str) -> String {
    object[name].as_str().unwrap_or_default().to_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_network_has_dockers_fields() {
        let answer = json!({ "Id": "0123456789abcdef", "Name": "nat", "Driver": "nat",
            "Scope": "local", "Internal": true, "Labels": { "a": "b" } });
        let row = network(&answer, false);
        assert_eq!(row["ID"], "0123456789ab");
        assert_eq!(
            (&row["Internal"], &row["IPv6"]),
            (&json!("true"), &json!("false"))
        );
        assert_eq!(row["Labels"], "a=b");
    }
}
