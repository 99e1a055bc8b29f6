//! What a long transfer tells of itself.

use std::time::Duration;

use crate::error::Error;

/// What a long transfer tells of itself. Nothing need be listened to; `()` listens to nothing.
pub trait Progress: Send + Sync {
    /// So many bytes of the whole have been moved by now: less than before when it begins again.
    fn moved(&self, _total: u64) {}

    /// It failed, and is tried again after `pause`.
    fn retrying(&self, _pause: Duration, _error: &Error) {}
}

impl Progress for () {}
