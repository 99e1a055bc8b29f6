//! `porthole ps`.

use std::process::ExitCode;

use anyhow::Result;
use bollard::Docker;
use bollard::models::{ContainerSummary, ContainerSummaryStateEnum, PortSummary};
use bollard::query_parameters::ListContainersOptionsBuilder;

use super::print_json;
use crate::arguments::Ps;
use crate::table::{Colour, Table, coloured, short_id};

/// Carries it out.
pub(crate) async fn carry_out(client: &Docker, ps: &Ps, json: bool) -> Result<ExitCode> {
    let options = ListContainersOptionsBuilder::default().all(ps.all).build();
    let containers = client.list_containers(Some(options)).await?;
    if ps.quiet {
        print_ids(&containers, json)?;
    } else if json {
        print_json(&containers)?;
    } else {
        print(&containers)?;
    }
    Ok(ExitCode::SUCCESS)
}

fn print_ids(containers: &[ContainerSummary], json: bool) -> Result<()> {
    let ids = containers
        .iter()
        .map(|container| container.id.as_deref().unwrap_or_default());
    if json {
        return print_json(&ids.collect::<Vec<_>>());
    }
    for id in ids {
        println!("{}", short_id(id));
    }
    Ok(())
}

fn print(containers: &[ContainerSummary]) -> std::io::Result<()> {
    let mut table = Table::new(&[
        "CONTAINER ID",
        "NAME",
        "IMAGE",
        "COMMAND",
        "STATUS",
        "PORTS",
    ]);
    for container in containers {
        let status = container.status.as_deref().unwrap_or_default();
        let colour = match container.state {
            Some(ContainerSummaryStateEnum::RUNNING) => Colour::Green,
            Some(ContainerSummaryStateEnum::DEAD) => Colour::Red,
            _ => Colour::Dim,
        };
        table.row([
            short_id(container.id.as_deref().unwrap_or_default()).to_owned(),
            names(container),
            container.image.clone().unwrap_or_default(),
            shortened(container.command.as_deref().unwrap_or_default()),
            coloured(status, colour),
            container
                .ports
                .iter()
                .flatten()
                .map(port)
                .collect::<Vec<_>>()
                .join(", "),
        ]);
    }
    table.print()
}

fn names(container: &ContainerSummary) -> String {
    let names = container
        .names
        .iter()
        .flatten()
        .map(|name| name.trim_start_matches('/'));
    names.collect::<Vec<_>>().join(",")
}

/// A command short enough for a row.
fn shortened(command: &str) -> String {
    const WIDTH: usize = 30;
    if command.chars().count() <= WIDTH {
        return command.to_owned();
    }
    command.chars().take(WIDTH - 1).chain(['…']).collect()
}

fn port(port: &PortSummary) -> String {
    let protocol = port
        .typ
        .as_ref()
        .map_or_else(|| "tcp".to_owned(), ToString::to_string);
    let inside = format!("{}/{protocol}", port.private_port);
    match (&port.ip, port.public_port) {
        (Some(address), Some(outside)) if address.contains(':') => {
            format!("[{address}]:{outside}->{inside}")
        }
        (Some(address), Some(outside)) => format!("{address}:{outside}->{inside}"),
        _ => inside,
    }
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
