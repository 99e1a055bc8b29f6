//! Ends what has lost its supervisor, or has one that does not answer.

use std::fs;
use std::io;
use std::path::Path;
use std::time::{Duration, Instant};

use porthole_sandbox::cgroup::{Cgroup, Hierarchies};
use rustix::process::{Pid, PidfdFlags, Signal, pidfd_open, pidfd_send_signal};

use super::directory::RunDirectory;
use crate::timeout;

/// How long killed processes may take to be gone.
const PATIENCE: Duration = Duration::from_secs(5);

/// Kills the supervisor in `directory`, if one still runs, and everything in the system's cgroup;
/// removes the cgroup. What the silo mounted lives in its own mount namespace and goes with it.
pub(super) fn end(directory: &RunDirectory) -> io::Result<()> {
    if directory.is_supervised()? {
        kill_supervisors(directory.path())?;
        await_unsupervised(directory, PATIENCE)?;
    }
    remove_cgroup(directory)
}

/// Removes the system's cgroup, if a killed supervisor left it.
pub(super) fn remove_cgroup(directory: &RunDirectory) -> io::Result<()> {
    let spec = match directory.spec() {
        // Nothing was started without it.
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(()),
        spec => spec?,
    };
    let hierarchies = Hierarchies::detect().map_err(io::Error::other)?;
    Cgroup::remove_orphan(&hierarchies, &spec.cgroup_parent, spec.cgroup_name())
        .map_err(io::Error::other)
}

/// Waits until no supervisor runs in `directory`.
pub(super) fn await_unsupervised(directory: &RunDirectory, patience: Duration) -> io::Result<()> {
    let deadline = Instant::now() + patience;
    while directory.is_supervised()? {
        if Instant::now() > deadline {
            return Err(io::ErrorKind::TimedOut.into());
        }
        std::thread::sleep(timeout::POLL);
    }
    Ok(())
}

/// The lock tells that there is a supervisor, not which process it is; its arguments do. The
/// silo's init is a copy of it and shows the same.
fn kill_supervisors(directory: &Path) -> io::Result<()> {
    let canonical = fs::canonicalize(directory)?;
    for entry in fs::read_dir("/proc")?.flatten() {
        let number = entry
            .file_name()
            .to_str()
            .and_then(|name| name.parse().ok());
        let Some(pid) = number.and_then(Pid::from_raw) else {
            continue;
        };
        // Opened first: what is then found in /proc is of this very process, or it is gone.
        let Ok(process) = pidfd_open(pid, PidfdFlags::empty()) else {
            continue;
        };
        let arguments = fs::read(entry.path().join("cmdline")).unwrap_or_default();
        if supervises(&arguments, &canonical) || supervises(&arguments, directory) {
            let _ = pidfd_send_signal(&process, Signal::KILL);
        }
    }
    Ok(())
}

fn supervises(arguments: &[u8], directory: &Path) -> bool {
    let mut words = arguments.split(|byte| *byte == 0);
    let program = words.next().unwrap_or_default();
    program.ends_with(b"porthole-supervisor")
        && words.next() == Some(b"--system-dir")
        && words.next() == Some(directory.as_os_str().as_encoded_bytes())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_supervisor_is_told_by_its_arguments() {
        let directory = Path::new("/run/porthole/compute/c1");
        let ours = b"/usr/bin/porthole-supervisor\0--system-dir\0/run/porthole/compute/c1\0";
        assert!(supervises(ours, directory));
        let others: [&[u8]; 3] = [
            b"/usr/bin/porthole-supervisor\0--system-dir\0/run/porthole/compute/c10\0",
            b"cat\0--system-dir\0/run/porthole/compute/c1\0",
            b"",
        ];
        for arguments in others {
            assert!(!supervises(arguments, directory));
        }
    }
}
