//! `porthole store check`: whether records and files of the data root agree.

use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use porthole_store::{CheckDepth, DataRoot, Store};
use serde_json::json;

use crate::arguments::{StoreArguments, StoreCommand};
use crate::output::{print_json, say};

/// Carries it out, beside a daemon that may be running.
pub(crate) fn carry_out(arguments: &StoreArguments, json: bool) -> Result<ExitCode> {
    let StoreCommand::Check { content } = arguments.command;
    let root = arguments.data_root.as_path();
    // Looking makes nothing.
    let database = DataRoot::new(root).database();
    let is_there = database
        .try_exists()
        .with_context(|| format!("cannot look into {}", root.display()))?;
    if !is_there {
        bail!("{} holds no images or containers", root.display());
    }
    let store = Store::open_beside_daemon(root);
    let store = store.with_context(|| format!("cannot open {}", root.display()))?;
    let depth = if content {
        CheckDepth::Content
    } else {
        CheckDepth::Records
    };
    let problems = store.check(depth)?;
    let lines: Vec<String> = problems.iter().map(ToString::to_string).collect();
    if json {
        print_json(&json!({ "problems": lines }))?;
    } else if lines.is_empty() {
        say!("{}: records and files agree", root.display())?;
    } else {
        for line in &lines {
            say!("{line}")?;
        }
    }
    Ok(if lines.is_empty() {
        ExitCode::SUCCESS
    } else {
        ExitCode::FAILURE
    })
}
