//! The directories that cgroups are: their names, their making and their end.

use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::files::{self, write};
use crate::error::{Result, SandboxError};

/// `parent`/`name`, neither of which may lead elsewhere.
pub(super) fn relative_path(parent: &str, name: &str) -> Result<PathBuf> {
    let sound =
        |part: &str| !part.is_empty() && part != "." && part != ".." && !part.contains('\0');
    if !parent.split('/').all(sound) || !sound(name) || name.contains('/') {
        return Err(SandboxError::invalid(
            "name",
            format!("{parent}/{name}"),
            "not a cgroup path",
        ));
    }
    Ok(Path::new(parent).join(name))
}

/// Makes a directory and its parents; another silo's end may take an empty parent away meanwhile.
pub(super) fn make_directory(directory: &Path) -> io::Result<()> {
    let mut attempts = 0;
    loop {
        match fs::create_dir_all(directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound && attempts < 10 => attempts += 1,
            result => return result,
        }
    }
}

/// Removes a cgroup's directory, waiting until `deadline` for the dead to leave it.
pub(super) fn remove_directory(directory: &Path, deadline: Instant) -> io::Result<()> {
    loop {
        match fs::remove_dir(directory) {
            Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
            Err(error)
                if error.kind() == io::ErrorKind::ResourceBusy && Instant::now() < deadline =>
            {
                std::thread::sleep(Duration::from_millis(1));
            }
            result => return result,
        }
    }
}

/// Kills every process of a cgroup and waits until `deadline` for them to be gone.
///
/// In version 1 that takes all hierarchies together: a process that stands still in the freezer's
/// does not die, whatever it is sent through another, until it is thawed there.
pub(super) fn kill_everywhere(directories: &[PathBuf], deadline: Instant) {
    loop {
        for directory in directories {
            kill_all(directory);
        }
        if directories.iter().all(|directory| is_empty(directory)) || Instant::now() >= deadline {
            return;
        }
        std::thread::sleep(Duration::from_millis(1));
    }
}

fn is_empty(directory: &Path) -> bool {
    files::read(directory, "cgroup.procs").is_none_or(|processes| processes.is_empty())
}

/// Kills every process of a cgroup in one hierarchy. They are killed while frozen where that is
/// possible, so that none can fork away; a frozen process dies when it is thawed.
fn kill_all(directory: &Path) {
    if write(directory, "cgroup.kill", "1").is_ok() {
        return;
    }
    let _ = write(directory, "freezer.state", "FROZEN");
    for pid in files::read(directory, "cgroup.procs")
        .unwrap_or_default()
        .lines()
    {
        if let Some(pid) = pid.parse().ok().and_then(rustix::process::Pid::from_raw) {
            let _ = rustix::process::kill_process(pid, rustix::process::Signal::KILL);
        }
    }
    let _ = write(directory, "freezer.state", "THAWED");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_name_leads_out_of_the_hierarchy() {
        for (parent, name) in [("..", "a"), ("p", ".."), ("p", "a/b"), ("", "a"), ("p", "")] {
            assert!(relative_path(parent, name).is_err(), "{parent}/{name}");
        }
        assert_eq!(
            relative_path("porthole/x", "a").unwrap(),
            Path::new("porthole/x/a")
        );
    }
}
