//! What runs of Porthole, found without asking a daemon, which may be gone already.

use std::fs;
use std::path::Path;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, ensure};
use rustix::fs::{FlockOperation, Mode, OFlags, flock};
use rustix::io::Errno;
use rustix::process::{Pid, Signal, kill_process};

/// Run directories of containers, in the run-time root.
const SYSTEMS: &str = "compute";

/// Held and filled with its process ID by each daemon, in the run-time root.
const DAEMONS: [&str; 2] = ["portholed.pid", "compute.lock"];

/// How long a daemon may take to end.
const PATIENCE: Duration = Duration::from_secs(20);

/// How many containers run, for a sentence; nothing if none does.
pub(super) fn described(exec_root: &Path) -> Result<Option<String>> {
    Ok(match containers(exec_root)? {
        0 => None,
        1 => Some("1 container runs".to_owned()),
        more => Some(format!("{more} containers run")),
    })
}

/// How many containers run: their supervisors hold a lock on their run directories.
fn containers(exec_root: &Path) -> Result<usize> {
    let systems = exec_root.join(SYSTEMS);
    let entries = match fs::read_dir(&systems) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(0),
        entries => entries.with_context(|| format!("cannot read {}", systems.display()))?,
    };
    let mut running = 0;
    for entry in entries {
        running += usize::from(is_locked(&entry?.path()));
    }
    Ok(running)
}

fn is_locked(path: &Path) -> bool {
    let flags = OFlags::RDONLY | OFlags::CLOEXEC | OFlags::NOFOLLOW;
    let Ok(file) = rustix::fs::open(path, flags, Mode::empty()) else {
        return false;
    };
    flock(&file, FlockOperation::NonBlockingLockShared) == Err(Errno::WOULDBLOCK)
}

/// Ends both daemons, the engine first.
pub(super) fn end_daemons(exec_root: &Path) -> Result<()> {
    for name in DAEMONS {
        let path = exec_root.join(name);
        if !is_locked(&path) {
            continue;
        }
        let text =
            fs::read_to_string(&path).with_context(|| format!("cannot read {}", path.display()))?;
        let pid = text.trim().parse().ok().and_then(Pid::from_raw);
        let pid = pid.with_context(|| format!("{} names no process", path.display()))?;
        // One that is gone meanwhile is what is wanted.
        let _ = kill_process(pid, Signal::TERM);
        let deadline = Instant::now() + PATIENCE;
        while is_locked(&path) && Instant::now() < deadline {
            std::thread::sleep(Duration::from_millis(20));
        }
        ensure!(!is_locked(&path), "process {pid:?} of {name} does not end");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_container_runs_while_its_directory_is_locked() {
        let root = tempfile::tempdir().unwrap();
        assert_eq!(containers(root.path()).unwrap(), 0);
        for name in ["one", "two"] {
            fs::create_dir_all(root.path().join("compute").join(name)).unwrap();
        }
        assert_eq!(containers(root.path()).unwrap(), 0);
        let lock = fs::File::open(root.path().join("compute/one")).unwrap();
        flock(&lock, FlockOperation::LockExclusive).unwrap();
        assert_eq!(containers(root.path()).unwrap(), 1);
        let described = described(root.path()).unwrap();
        assert_eq!(described.unwrap(), "1 container runs");
    }
}
