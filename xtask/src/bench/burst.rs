//! Containers that are started at the same moment.

use std::process::Stdio;
use std::time::Instant;

use anyhow::Result;
use porthole_e2e::docker::Docker;

/// Starts `count` containers at once and says when all had answered and how many failed.
pub(crate) fn line(docker: &Docker, count: usize) -> Result<String> {
    let start = Instant::now();
    let mut clients = Vec::new();
    for number in 0..count {
        let script = format!("echo {number}");
        let client = docker
            .command(["run", "--rm", "porthole/nanoserver", "cmd", "/c", &script])
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()?;
        clients.push((number, client));
    }
    let mut wrong = 0;
    for (number, client) in clients {
        let output = client.wait_with_output()?;
        let printed = String::from_utf8_lossy(&output.stdout).trim() == number.to_string();
        if !output.status.success() || !printed {
            eprintln!("{}", String::from_utf8_lossy(&output.stderr).trim());
            wrong += 1;
        }
    }
    Ok(format!(
        "{count} containers at once: all had answered after {:.1} s, {wrong} with an error.\n",
        start.elapsed().as_secs_f64()
    ))
}
