//! `porthole base verify`.

use std::process::ExitCode;

use anyhow::Result;
use porthole_base::{DifferenceKind, Silent, Verified};
use porthole_store::Store;
use serde_json::json;

use super::meter::Meter;
use crate::commands::print_json;
use crate::output::say;
use crate::table::{Colour, coloured, size};

/// How many differences of one thing are shown.
const SHOWN: usize = 20;

/// Carries it out; fails when anything differs from what was built.
pub(super) fn carry_out(store: &Store, json: bool) -> Result<ExitCode> {
    let verified = if json {
        porthole_base::verify(store, &Silent)?
    } else {
        let meter = Meter::new();
        let verified = porthole_base::verify(store, &meter);
        meter.finish();
        verified?
    };
    if json {
        print_json(&verified.iter().map(as_json).collect::<Vec<_>>())?;
    } else {
        for thing in &verified {
            print(thing)?;
        }
    }
    let sound = verified.iter().all(|thing| thing.differences.is_empty());
    Ok(if sound {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}

fn as_json(verified: &Verified) -> serde_json::Value {
    let differences: Vec<_> = verified
        .differences
        .iter()
        .map(|difference| json!({ "path": difference.path, "what": word(difference.what) }))
        .collect();
    json!({ "subject": verified.subject, "bytes": verified.bytes, "differences": differences })
}

fn print(verified: &Verified) -> std::io::Result<()> {
    let bytes = size(verified.bytes);
    if verified.differences.is_empty() {
        say!(
            "{}  {} ({bytes})",
            coloured("sound", Colour::Green),
            verified.subject
        )?;
        return Ok(());
    }
    say!(
        "{}  {} ({bytes}): {} differences",
        coloured("damaged", Colour::Red),
        verified.subject,
        verified.differences.len()
    )?;
    for difference in verified.differences.iter().take(SHOWN) {
        say!("  {}  {}", word(difference.what), difference.path)?;
    }
    if verified.differences.len() > SHOWN {
        say!("  …")?;
    }
    Ok(())
}

/// A difference in a word.
const fn word(what: DifferenceKind) -> &'static str {
    match what {
        DifferenceKind::Missing => "missing",
        DifferenceKind::Extra => "extra",
        DifferenceKind::Changed => "changed",
    }
}
