//! Porthole's own parts.

use std::fs;
use std::io::ErrorKind;
use std::path::Path;
use std::process::{Command, Stdio};

use super::finding::Finding;

/// The programs that the daemon starts.
pub(super) fn programs() -> Finding {
    const NAME: &str = "programs";
    let beside = std::env::current_exe()
        .ok()
        .and_then(|own| own.parent().map(Path::to_owned));
    let is_there = |program: &&str| {
        let path = std::env::var_os("PATH").unwrap_or_default();
        beside
            .iter()
            .cloned()
            .chain(std::env::split_paths(&path))
            .any(|directory| directory.join(program).is_file())
    };
    let all = ["portholed", "porthole-compute", "porthole-supervisor"];
    let absent: Vec<_> = all
        .iter()
        .filter(|program| !is_there(program))
        .copied()
        .collect();
    if absent.is_empty() {
        return Finding::good(NAME, all.join(", "));
    }
    Finding::missing(
        NAME,
        format!("not found: {}", absent.join(", ")),
        "put all programs of Porthole into one directory, or into PATH",
    )
}

/// The kernel package.
pub(super) fn kernel_package(data_root: &Path) -> Finding {
    const NAME: &str = "kernel package";
    let current = data_root.join("kernels/current");
    let read = fs::read(current.join("kernel.json"));
    if matches!(&read, Err(error) if error.kind() == ErrorKind::PermissionDenied) {
        return Finding::not_looked_at(NAME);
    }
    let description = read.ok();
    let description =
        description.and_then(|text| serde_json::from_slice::<serde_json::Value>(&text).ok());
    match description {
        Some(description) => Finding::good(
            NAME,
            format!(
                "Wine {}",
                description["wine"]
                    .as_str()
                    .unwrap_or("of an unknown version")
            ),
        ),
        None => Finding::note(
            NAME,
            format!("none below {}", data_root.display()),
            "'porthole base build nanoserver' makes it, together with the small base image",
        ),
    }
}

/// A docker client.
pub(super) fn docker() -> Finding {
    const NAME: &str = "docker client";
    let output = Command::new("docker")
        .arg("--version")
        .stderr(Stdio::null())
        .output();
    match output {
        Ok(output) if output.status.success() => {
            Finding::good(NAME, String::from_utf8_lossy(&output.stdout).trim())
        }
        _ => Finding::note(
            NAME,
            "none",
            "'porthole run' works without; 'apt install docker.io' or docker-cli brings one",
        ),
    }
}
