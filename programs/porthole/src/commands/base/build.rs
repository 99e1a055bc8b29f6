//! `porthole base build`.

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result};
use porthole_base::{BaseKind, BuildOptions, BuildReport, Progress, Silent};
use porthole_store::Store;
use serde_json::json;

use super::meter::Meter;
use crate::arguments::{BaseBuild, BaseName};
use crate::commands::print_json;
use crate::output::say;
use crate::table::size;

/// The program by which a directory of guest programs is known.
const GUEST_AGENT: &str = "cexecsvc.exe";

/// Carries it out.
pub(super) fn carry_out(store: &Store, build: &BaseBuild, json: bool) -> Result<ExitCode> {
    let options = BuildOptions {
        kind: match build.base {
            BaseName::Nanoserver => BaseKind::Nanoserver,
            BaseName::Servercore => BaseKind::Servercore,
        },
        mirror: build.mirror.clone(),
        refresh: build.refresh,
        guest_programs: build
            .guest_programs
            .clone()
            .map_or_else(guest_programs, Ok)?,
        os_version: build.os_version.parse()?,
    };
    let report = if json {
        porthole_base::build(store, &options, &Silent)?
    } else {
        let meter = Meter::new();
        let report = porthole_base::build(store, &options, &meter as &dyn Progress);
        meter.finish();
        report?
    };
    tell(&report, json)?;
    Ok(ExitCode::SUCCESS)
}

/// The directory with the guest agent: beside this program in a build or an installation.
fn guest_programs() -> Result<PathBuf> {
    let own = std::env::current_exe().context("cannot find this program's own file")?;
    let directory = own.parent().unwrap_or(std::path::Path::new("/"));
    let candidates =
        ["guest", "../guest", "../lib/porthole/guest"].map(|path| directory.join(path));
    let found = candidates
        .iter()
        .find(|path| path.join(GUEST_AGENT).is_file())
        .cloned();
    found.with_context(|| {
        format!(
            "cannot find {GUEST_AGENT} in {}: name its directory with --guest-programs",
            candidates.map(|path| path.display().to_string()).join(", ")
        )
    })
}

fn tell(report: &BuildReport, json: bool) -> Result<()> {
    if json {
        return print_json(&json!({
            "name": report.kind.repository(),
            "id": report.image.to_string(),
            "built": report.is_new,
            "kernel": report.kernel,
            "wine_build": report.wine_build,
            "unpacked": report.unpacked,
            "compressed": report.compressed,
        }));
    }
    if !report.is_new {
        say!(
            "{} is up to date ({}).",
            report.kind.repository(),
            report.image
        )?;
        return Ok(());
    }
    say!("{} is built ({}).", report.kind.repository(), report.image)?;
    say!(
        "  files           {}, {} compressed",
        size(report.unpacked),
        size(report.compressed)
    )?;
    say!("  kernel package  {}", report.kernel)?;
    say!("  Wine build      {}", report.wine_build)?;
    say!(
        "\nTry it:  porthole run --rm {} cmd /c ver",
        report.kind.repository()
    )?;
    Ok(())
}
