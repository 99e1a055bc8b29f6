//! `porthole base`: base OS images, without the daemon.

mod build;
mod meter;
mod verify;

use std::io::ErrorKind;
use std::path::Path;
use std::process::ExitCode;

use anyhow::{Context, Result, anyhow};
use porthole_base::InstalledBase;
use porthole_store::{DataRoot, Store};
use rustix::process::geteuid;
use serde_json::json;

use super::print_json;
use crate::arguments::{Base, BaseCommand};
use crate::output::say;
use crate::table::{Table, short_id, size};

/// Carries it out.
pub(crate) fn carry_out(base: &Base, json: bool) -> Result<ExitCode> {
    with_store(base, json).map_err(|error| {
        let denied = |cause: &(dyn std::error::Error + 'static)| {
            let io = cause.downcast_ref::<std::io::Error>();
            io.is_some_and(|io| io.kind() == ErrorKind::PermissionDenied)
        };
        if geteuid().is_root() || !error.chain().any(denied) {
            return error;
        }
        anyhow!("{error:#}: base images are kept by root, so run this as root, as with sudo")
    })
}

fn with_store(base: &Base, json: bool) -> Result<ExitCode> {
    let root = base.data_root.as_path();
    let open = || {
        let store = Store::open_beside_daemon(root);
        store.with_context(|| format!("cannot open {}", root.display()))
    };
    match &base.command {
        BaseCommand::Build(build) => build::carry_out(&open()?, build, json),
        BaseCommand::Verify => verify::carry_out(&open()?, json),
        // Looking makes nothing.
        BaseCommand::Ls if !is_there(root)? => list(&[], None, json),
        BaseCommand::Ls => {
            let (bases, kernel) = porthole_base::list(&open()?)?;
            let kernel = kernel
                .as_ref()
                .map(|kernel| kernel.description().id.as_str());
            list(&bases, kernel, json)
        }
    }
}

/// Whether a data root is there, which an empty directory is not.
fn is_there(root: &Path) -> Result<bool> {
    let database = DataRoot::new(root).database();
    let is_there = database.try_exists();
    is_there.with_context(|| format!("cannot look into {}", root.display()))
}

fn list(bases: &[InstalledBase], kernel: Option<&str>, json: bool) -> Result<ExitCode> {
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
    for base in bases {
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
