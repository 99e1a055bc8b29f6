//! `porthole doctor`: whether this host can run containers, and what to do where it cannot.
//!
//! Runs before any thread is started: making user and mount namespaces asks for a process with
//! one thread.

mod finding;
mod firewall;
mod installation;
mod kernel;
mod kvm;
mod overlay;

use std::process::ExitCode;

use anyhow::Result;

use super::print_json;
use crate::arguments::Doctor;
use crate::output::say;
use crate::table::{Colour, coloured};
use finding::{Finding, State};

/// Carries it out; fails when something is missing that containers need.
pub(crate) fn carry_out(doctor: &Doctor, json: bool) -> Result<ExitCode> {
    let findings = examine(doctor);
    if json {
        print_json(&findings)?;
    } else {
        print(&findings)?;
    }
    let missing = findings
        .iter()
        .any(|finding| finding.state == State::Missing);
    Ok(if missing {
        ExitCode::FAILURE
    } else {
        ExitCode::SUCCESS
    })
}

fn examine(doctor: &Doctor) -> Vec<Finding> {
    let mut findings = vec![
        kernel::user(),
        kernel::processor(),
        kernel::version(),
        kernel::cgroups(),
        kernel::seccomp(),
    ];
    findings.extend(kernel::system_bus());
    findings.extend(overlay::examine(&doctor.data_root));
    findings.extend([
        firewall::nft(),
        firewall::conntrack(),
        firewall::forwarding(),
        firewall::policy(),
    ]);
    findings.extend([
        installation::programs(),
        installation::kernel_package(&doctor.data_root),
        installation::docker(),
    ]);
    findings.push(kvm::examine());
    findings
}

fn print(findings: &[Finding]) -> std::io::Result<()> {
    let width = findings
        .iter()
        .map(|finding| finding.name.len())
        .max()
        .unwrap_or(0);
    for finding in findings {
        let (word, colour) = match finding.state {
            State::Good => ("  ok  ", Colour::Green),
            State::Note => (" note ", Colour::Yellow),
            State::Missing => ("needed", Colour::Red),
        };
        say!(
            "{}  {:width$}  {}",
            coloured(word, colour),
            finding.name,
            finding.found
        )?;
        if let Some(remedy) = &finding.remedy {
            say!("        {:width$}  → {remedy}", "")?;
        }
    }
    let missing = findings
        .iter()
        .filter(|finding| finding.state == State::Missing)
        .count();
    match missing {
        0 => say!("\nThis host can run containers."),
        1 => say!("\nOne thing is missing that containers need."),
        many => say!("\n{many} things are missing that containers need."),
    }
}
