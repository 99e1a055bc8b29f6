//! Waiting for processes of Wine's that serve others.

use std::os::windows::io::AsHandle;
use std::thread;
use std::time::{Duration, Instant};

use crate::error::{Failure, Outcome};
use crate::sys::event::wait_any;
use crate::sys::process::Process;

/// How long such a process may take to start.
const PATIENCE: Duration = Duration::from_secs(10);

/// Repeats `attempt`, which succeeds once `process` serves.
///
/// # Errors
/// The last failure, when patience ends; the exit code, when the process does.
pub(crate) fn wait<T>(process: &Process, mut attempt: impl FnMut() -> Outcome<T>) -> Outcome<T> {
    let started = Instant::now();
    loop {
        match attempt() {
            Ok(result) => return Ok(result),
            Err(failure) if started.elapsed() > PATIENCE => return Err(failure),
            Err(_) => {}
        }
        if wait_any(&[process.handle().as_handle()], Some(0))?.is_some() {
            return Err(Failure::new("CreateProcess", process.exit_code()?));
        }
        thread::sleep(Duration::from_millis(2));
    }
}
