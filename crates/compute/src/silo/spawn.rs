//! Starts a supervisor: the program detaches once its socket listens, and what was started ends.

use std::io;
use std::path::Path;
use std::process::Stdio;

use tokio::process::Command;

use crate::timeout;

/// Starts the supervisor `program` of the system in `directory`; returns when its socket listens.
pub(super) async fn supervisor(program: &Path, directory: &Path) -> io::Result<()> {
    let started = Command::new(program)
        .arg("--system-dir")
        .arg(directory)
        .current_dir("/")
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::piped())
        .output();
    let output = tokio::time::timeout(timeout::SUPERVISOR_APPEARS, started)
        .await
        .map_err(|_| io::Error::from(io::ErrorKind::TimedOut))?
        .map_err(|error| io::Error::new(error.kind(), format!("{}: {error}", program.display())))?;
    if output.status.success() {
        return Ok(());
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(io::Error::other(said.trim().to_owned()))
}
