//! Waiting for a container's end.

use std::fmt;

use futures::future::BoxFuture;

use crate::error::Result;

/// What to wait for.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub enum WaitCondition {
    /// That it does not run; true at once when it does not.
    #[default]
    NotRunning,
    /// That it ends the next time.
    NextExit,
    /// That it is removed.
    Removed,
}

/// How the wait ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct WaitOutcome {
    /// The exit code.
    pub exit_code: u32,
    /// Why it ended otherwise than by its main process.
    pub error: Option<String>,
}

/// A wait that has begun: what happens from now on counts.
pub struct Waiting {
    pub(crate) outcome: BoxFuture<'static, Result<WaitOutcome>>,
}

impl Waiting {
    /// Waits.
    ///
    /// # Errors
    /// `Unavailable` when the engine closes first.
    pub async fn outcome(self) -> Result<WaitOutcome> {
        self.outcome.await
    }
}

impl fmt::Debug for Waiting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Waiting").finish_non_exhaustive()
    }
}
