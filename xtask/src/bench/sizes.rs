//! Sizes of the base images and the kernel package.

use std::process::Command;

use anyhow::Result;
use porthole_e2e::server::Place;

use crate::builds::Built;
use crate::command::output;

/// What `porthole base ls` says.
pub(crate) fn table(built: &Built, place: &Place) -> Result<String> {
    let listed = output(
        Command::new(built.programs.join("porthole"))
            .args(["base", "ls", "--data-root"])
            .arg(&place.data_root),
    )?;
    Ok(format!("```\n{listed}\n```\n"))
}
