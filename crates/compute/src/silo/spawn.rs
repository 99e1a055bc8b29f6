//! Starts a supervisor: the program detaches once its socket listens, and what was started ends.

use std::io;
use std::path::Path;
use std::process::{Output, Stdio};

use porthole_systemd::{Scope, Systemd};
use tokio::process::Command;

use crate::timeout;

/// Starts the supervisor `program` of the system in `directory`, in `scope` if there is to be one;
/// returns when its socket listens.
pub(super) async fn supervisor(
    program: &Path,
    directory: &Path,
    scope: Option<(&Systemd, &Scope)>,
) -> io::Result<()> {
    let started = tokio::time::timeout(
        timeout::SUPERVISOR_APPEARS,
        start(program, directory, scope),
    );
    let output = started
        .await
        .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", program.display())))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(said.trim().to_owned()))
}

/// Runs the program until it has detached. With a scope it waits for its input's end before: then
/// it is in the scope, and what stays of it is born there.
async fn start(
    program: &Path,
    directory: &Path,
    scope: Option<(&Systemd, &Scope)>,
) -> io::Result<Output> {
    let stdin = match scope {
        Some(_) => Stdio::piped(),
        None => Stdio::null(),
    };
    let child = Command::new(program)
        .arg("--system-dir")
        .arg(directory)
        .current_dir("/")
        .stdin(stdin)
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .kill_on_drop(true)
        .spawn()?;
    if let (Some((systemd, scope)), Some(process)) = (scope, child.id()) {
        let started = systemd.start(scope, process).await;
        started.map_err(|error| io::Error::other(error.chain()))?;
    }
    // Closes its input first.
    child.wait_with_output().await
}
