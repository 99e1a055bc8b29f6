//! Compiling: the host's programs with cargo, the guest's with the toolchain for Windows.

use std::path::PathBuf;
use std::process::Command;

use anyhow::Result;
use porthole_e2e::server::Place;

use crate::command::{cargo, output, root, run, target_directory};
use crate::guest;

/// What was built, and where it stands.
#[derive(Debug)]
pub(crate) struct Built {
    /// Holds `portholed`, `porthole-compute`, `porthole-supervisor` and `porthole`.
    pub(crate) programs: PathBuf,
    /// Holds the guest agent and tools, and `probes/`.
    pub(crate) guest: PathBuf,
}

/// Builds everything that runs, optimised.
pub(crate) fn all() -> Result<Built> {
    let guest = guest()?;
    let mut build = cargo();
    // What `docker version` shows; a source archive has no commit to name.
    if let Ok(commit) = output(
        Command::new("git")
            .args(["rev-parse", "--short=9", "HEAD"])
            .current_dir(root()),
    ) {
        build.env("PORTHOLE_COMMIT", commit);
    }
    run(build.args(["build", "--release", "--quiet"]).args([
        "-p",
        "portholed",
        "-p",
        "porthole-compute",
        "-p",
        "porthole-supervisor",
        "-p",
        "porthole",
    ]))?;
    Ok(Built {
        programs: target_directory().join("release"),
        guest,
    })
}

/// Builds the programs that run inside Windows containers.
pub(crate) fn guest() -> Result<PathBuf> {
    let directory = target_directory().join("guest");
    guest::build(&directory)?;
    Ok(directory)
}

/// Builds both base images unless they are there.
pub(crate) fn bases(built: &Built, place: &Place) -> Result<()> {
    for base in ["nanoserver", "servercore"] {
        run(Command::new(built.programs.join("porthole"))
            .args(["base", "build", base, "--data-root"])
            .arg(&place.data_root)
            .arg("--guest-programs")
            .arg(&built.guest))?;
    }
    Ok(())
}
