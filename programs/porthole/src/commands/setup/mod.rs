//! `porthole setup`: from programs in a directory to a service of this machine, and back.
//!
//! Programs are copied to `/usr/local/bin`, which is root's: a service that runs as root must not
//! run what a user's build directory holds from one day to the next. All four go into one
//! directory, because each finds the next beside itself. `--in-place` leaves them for developers.
//!
//! What was done is recorded in `/etc/porthole/setup.json`, so that `--remove` undoes that and
//! nothing else.

mod accounts;
mod completions;
mod configuration;
mod context;
mod files;
mod install;
mod layout;
mod manifest;
mod programs;
mod removal;
mod report;
mod running;
mod service;

use std::process::ExitCode;

use anyhow::{Result, bail};

use super::print_json;
use crate::arguments::Setup;
use crate::output::say;
use layout::Layout;
use report::Report;

/// All is done but the service.
const NO_SERVICE: u8 = 3;

/// Carries it out. `host` is the address that the docker context leads to.
pub(crate) fn carry_out(setup: &Setup, host: &str, json: bool) -> Result<ExitCode> {
    if !rustix::process::geteuid().is_root() && !setup.dry_run {
        bail!(
            "setup changes the whole machine and needs root: run it with sudo, or with --dry-run to see what it would do"
        );
    }
    let layout = Layout::default();
    let mut report = Report::new(setup.dry_run, json);
    let outcome = if setup.remove {
        removal::remove(&layout, setup.purge, &mut report)
    } else {
        install::install(&layout, setup.in_place, host, &mut report)
    };
    if json {
        print_json(&report.steps())?;
    }
    let next = outcome?;
    if !json {
        for line in next {
            say!("{line}")?;
        }
    }
    Ok(if report.lacks_service() {
        ExitCode::from(NO_SERVICE)
    } else {
        ExitCode::SUCCESS
    })
}
