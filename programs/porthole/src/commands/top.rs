//! `porthole top`.

use std::process::ExitCode;

use anyhow::Result;
use bollard::Docker;

use super::print_json;
use crate::arguments::Container;
use crate::shown;
use crate::table::Table;

/// Carries it out.
pub(crate) async fn carry_out(client: &Docker, named: &Container, json: bool) -> Result<ExitCode> {
    let top = client.top_processes(&named.container, None).await?;
    if json {
        print_json(&top)?;
        return Ok(ExitCode::SUCCESS);
    }
    let titles = top.titles.unwrap_or_default();
    let titles: Vec<&str> = titles.iter().map(String::as_str).collect();
    let mut table = Table::new(&titles);
    for row in top.processes.unwrap_or_default() {
        table.row(row.iter().map(|cell| shown::escaped(cell)));
    }
    table.print()?;
    Ok(ExitCode::SUCCESS)
}
