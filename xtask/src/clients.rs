//! Docker's client libraries, which the end-to-end tests drive a server with: fetched by pip and
//! npm, pinned, installed once.

use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use crate::command::{root, run, target_directory};

/// Debian's oldest docker that users still have, from which the client is taken.
const OLD_DOCKER: &str = "docker.io";

/// Makes the clients available and returns the directory that holds `python/`, `node/` and
/// `docker-old`.
pub(crate) fn fetch() -> Result<PathBuf> {
    let sources = root().join("tests/clients");
    let directory = target_directory().join("clients");
    let pins = [
        sources.join("requirements.txt"),
        sources.join("node/package-lock.json"),
    ];
    let wanted = pins
        .iter()
        .map(std::fs::read_to_string)
        .collect::<std::io::Result<String>>()?;
    // Modules are looked for beside the script that names them.
    let script = "node/dockerode.js";
    std::fs::create_dir_all(directory.join("node"))?;
    std::fs::copy(sources.join(script), directory.join(script))?;
    let installed = directory.join("installed");
    if std::fs::read_to_string(&installed).is_ok_and(|found| found == wanted) {
        return Ok(directory);
    }
    python(&sources, &directory).context("cannot fetch docker-py and Node.js")?;
    node(&sources, &directory).context("cannot fetch dockerode")?;
    old_docker(&directory).context("cannot fetch the client of Debian's docker")?;
    std::fs::write(installed, wanted)?;
    Ok(directory)
}

fn python(sources: &Path, directory: &Path) -> Result<()> {
    let environment = directory.join("python");
    run(Command::new("python3")
        .args(["-m", "venv", "--clear"])
        .arg(&environment))?;
    run(Command::new(environment.join("bin/pip"))
        .args(["install", "--quiet", "--requirement"])
        .arg(sources.join("requirements.txt")))
}

/// By the npm that the Python environment holds.
fn node(sources: &Path, directory: &Path) -> Result<()> {
    let modules = directory.join("node");
    for file in ["package.json", "package-lock.json"] {
        std::fs::copy(sources.join("node").join(file), modules.join(file))?;
    }
    let programs = directory.join("python/bin");
    let path = std::env::var("PATH").unwrap_or_default();
    run(Command::new(programs.join("npm"))
        .args(["ci", "--silent", "--no-audit", "--no-fund"])
        .env("PATH", format!("{}:{path}", programs.display()))
        .current_dir(modules))
}

fn old_docker(directory: &Path) -> Result<()> {
    let package = directory.join("package");
    let _ = std::fs::remove_dir_all(&package);
    std::fs::create_dir_all(&package)?;
    run(Command::new("apt-get")
        .args(["download", "-qq", OLD_DOCKER])
        .current_dir(&package))?;
    let archive = std::fs::read_dir(&package)?
        .next()
        .context("apt-get downloaded nothing")??
        .path();
    let unpacked = package.join("unpacked");
    run(Command::new("dpkg").arg("-x").arg(&archive).arg(&unpacked))?;
    std::fs::copy(
        unpacked.join("usr/bin/docker"),
        directory.join("docker-old"),
    )?;
    std::fs::remove_dir_all(&package)?;
    Ok(())
}
