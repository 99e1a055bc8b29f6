//! `porthole base`: base OS images, without the daemon.

mod build;
mod meter;
mod verify;

use std::process::ExitCode;

use anyhow::{Context, Result};
use porthole_store::Store;
use serde_json::json;

use super::print_json;
use crate::arguments::{Base, BaseCommand};
use crate::output::say;
use crate::table::{Table, short_id, size};

/// Carries it out.
pub(crate) fn carry_out(base: &Base, json: bool) -> Result<ExitCode> {
    let store = Store::open_beside_daemon(&base.data_root)
        .with_context(|| format!("cannot open {}", base.data_root.display()))?;
    match &base.command {
        BaseCommand::Build(build) => build::carry_out(&store, build, json),
        BaseCommand::Verify => verify::carry_out(&store, json),
        BaseCommand::Ls => list(&store, json),
    }
}

fn list(store: &Store, json: bool) -> Result<ExitCode> {
    let (bases, kernel) = porthole_base::list(store)?;
    let kernel = kernel
        .as_ref()
        .map(|kernel| kernel.description().id.as_str());
    if json {
        let rows: Vec<_> = bases
            .iter()
            .map(|base| {
                json!({
                    "name": base.kind.repository(),
                    "id": base.image.id.to_string(),
                    "os_version": base.image.config.os_version,
                    "wine_build": base.wine_build,
                    "size": base.image.size(),
                })
            })
            .collect();
        print_json(&json!({ "bases": rows, "kernel": kernel }))?;
        return Ok(ExitCode::SUCCESS);
    }
    let mut table = Table::new(&["BASE", "ID", "WINDOWS", "WINE BUILD", "SIZE"]);
    for base in &bases {
        table.row([
            base.kind.repository().to_owned(),
            short_id(&base.image.id.to_string()).to_owned(),
            base.image.config.os_version.clone().unwrap_or_default(),
            base.wine_build.clone(),
            size(base.image.size()),
        ]);
    }
    table.print()?;
    say!(
        "\nkernel package: {}",
        kernel.unwrap_or("none; 'porthole base build nanoserver' makes it")
    )?;
    Ok(ExitCode::SUCCESS)
}
