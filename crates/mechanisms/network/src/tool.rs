//! Running the host's tools.

use std::process::Stdio;

use tokio::io::AsyncWriteExt;
use tokio::process::Command;

use crate::error::{Error, ErrorKind, Result};

/// Where administrators' tools are, for daemons that are started with a user's path.
const PATH: &str = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin";

/// Runs a tool with `input`, and returns what it printed.
pub(crate) async fn run(tool: &'static str, arguments: &[&str], input: &str) -> Result<Vec<u8>> {
    let failed = |error: std::io::Error| match error.kind() {
        std::io::ErrorKind::NotFound => {
            let message = "it is not installed; install the package that has it";
            Error::new(ErrorKind::ToolMissing, "run", tool, message)
        }
        _ => {
            Error::new(ErrorKind::Kernel, "run", tool, "it could not be started").with_source(error)
        }
    };
    let mut child = Command::new(tool)
        .args(arguments)
        .env_clear()
        .env("PATH", PATH)
        .stdin(Stdio::piped())
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .map_err(failed)?;
    if let Some(mut stdin) = child.stdin.take() {
        // A tool that refuses its arguments closes its input first; its message says why.
        let _ = stdin.write_all(input.as_bytes()).await;
    }
    let output = child.wait_with_output().await.map_err(failed)?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let message = String::from_utf8_lossy(&output.stderr);
    let command = [&[tool], arguments].concat().join(" ");
    Err(Error::new(ErrorKind::Tool, "run", command, message.trim()))
}
