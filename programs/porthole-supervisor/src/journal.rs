//! The supervisor's own log: its standard error.

use std::io::Write;

/// Writes one line, stamped with seconds since 1970. A log that cannot be written is no reason to
/// let a container go unsupervised.
pub(crate) fn write_line(text: &str) {
    let now = std::time::SystemTime::now();
    let since = now
        .duration_since(std::time::UNIX_EPOCH)
        .unwrap_or_default();
    let line = format!("{}.{:03} {text}\n", since.as_secs(), since.subsec_millis());
    let _ = std::io::stderr().write_all(line.as_bytes());
}

/// [`write_line`] with `format!`'s arguments.
macro_rules! note {
    ($($argument:tt)*) => { $crate::journal::write_line(&format!($($argument)*)) };
}

pub(crate) use note;
