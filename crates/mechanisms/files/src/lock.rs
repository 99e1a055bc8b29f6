//! Locks that tell whether a process lives.

use std::fs::{File, Permissions};
use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::fs::{MetadataExt, OpenOptionsExt, PermissionsExt};
use std::path::Path;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

/// How long a lock may outlive its daemon: a child that the daemon had just forked when it was
/// killed holds the lock until it executes its program.
pub const GRACE: Duration = Duration::from_secs(1);

/// The mode of a file that others shall not lock.
const OWNER_ONLY: u32 = 0o600;

/// Between two attempts.
const PAUSE: Duration = Duration::from_millis(10);

/// Locks `file` for this process alone, trying again for as long as `grace`. `false` when somebody
/// else still holds it then.
///
/// # Errors
/// When the file cannot be locked at all.
pub fn lock_within(file: impl AsFd, grace: Duration) -> io::Result<bool> {
    let deadline = Instant::now() + grace;
    loop {
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) => return Ok(true),
            Err(Errno::WOULDBLOCK) if Instant::now() < deadline => std::thread::sleep(PAUSE),
            Err(Errno::WOULDBLOCK) => return Ok(false),
            Err(error) => return Err(error.into()),
        }
    }
}

/// The lock on a file that names the process that holds it.
#[derive(Debug)]
pub enum Claim {
    /// This process holds it, for as long as the file is open.
    Ours(File),
    /// Another process does; the file names it.
    Theirs(File),
}

/// Makes the file at `path` this process's: locks it, trying for as long as `grace`, and writes the
/// process's ID into it. The holder may remove the file before it gives up the lock.
///
/// # Errors
/// What the file system says.
pub fn claim(path: &Path, grace: Duration) -> io::Result<Claim> {
    loop {
        let mut file = File::options()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(OWNER_ONLY)
            .open(path)?;
        // Whoever may read a file may lock it, and so keep every daemon from starting.
        file.set_permissions(Permissions::from_mode(OWNER_ONLY))?;
        if !lock_within(&file, grace)? {
            return Ok(Claim::Theirs(file));
        }
        if !is_at(&file, path)? {
            // Removed while it was waited for: who comes next would lock another file.
            continue;
        }
        file.set_len(0)?;
        writeln!(file, "{}", std::process::id())?;
        return Ok(Claim::Ours(file));
    }
}

fn is_at(file: &File, path: &Path) -> io::Result<bool> {
    let open = file.metadata()?;
    match std::fs::symlink_metadata(path) {
        Ok(there) => Ok((open.dev(), open.ino()) == (there.dev(), there.ino())),
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
        Err(error) => Err(error),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ours(claim: Claim) -> File {
        match claim {
            Claim::Ours(file) => file,
            Claim::Theirs(_) => panic!("somebody else has it"),
        }
    }

    #[test]
    fn a_claim_is_one_process_s_and_no_other_user_can_take_it() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pid");
        std::fs::write(&path, "of an older version").unwrap();
        std::fs::set_permissions(&path, Permissions::from_mode(0o644)).unwrap();
        let held = ours(claim(&path, Duration::ZERO).unwrap());
        assert_eq!(held.metadata().unwrap().mode() & 0o777, 0o600);
        let text = std::fs::read_to_string(&path).unwrap();
        assert_eq!(text.trim(), std::process::id().to_string());
        let second = claim(&path, Duration::ZERO).unwrap();
        assert!(matches!(second, Claim::Theirs(_)));
    }

    #[test]
    fn a_file_that_is_removed_while_it_is_waited_for_is_no_claim() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("pid");
        let held = ours(claim(&path, Duration::ZERO).unwrap());
        let waiting = {
            let path = path.clone();
            std::thread::spawn(move || ours(claim(&path, Duration::from_secs(60)).unwrap()))
        };
        // It has the file open, and waits, once the file has two descriptors.
        let open = || {
            let files = std::fs::read_dir("/proc/self/fd").unwrap();
            let targets = files.filter_map(|file| std::fs::read_link(file.ok()?.path()).ok());
            targets.filter(|target| *target == path).count()
        };
        while open() < 2 {
            std::thread::yield_now();
        }
        std::fs::remove_file(&path).unwrap();
        drop(held);
        let claimed = waiting.join().unwrap();
        assert!(is_at(&claimed, &path).unwrap());
    }

    #[test]
    fn a_lock_that_outlives_its_holder_for_a_moment_is_waited_for() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let held = File::open(file.path()).unwrap();
        assert!(lock_within(&held, Duration::ZERO).unwrap());
        let wanted = File::open(file.path()).unwrap();
        assert!(!lock_within(&wanted, Duration::ZERO).unwrap());
        let waiting =
            std::thread::spawn(move || lock_within(&wanted, Duration::from_secs(60)).unwrap());
        drop(held);
        assert!(waiting.join().unwrap());
    }
}
