//! Locks that tell whether a process lives.

use std::io;
use std::os::fd::AsFd;
use std::time::{Duration, Instant};

use rustix::fs::{FlockOperation, flock};
use rustix::io::Errno;

/// How long a lock may outlive its daemon: a child that the daemon had just forked when it was
/// killed holds the lock until it executes its program.
pub const GRACE: Duration = Duration::from_secs(1);

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

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs::File;

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
