//! Every time limit of the service, in one place.

use std::time::Duration;

/// From spawning a supervisor to its first answer.
pub(crate) const SUPERVISOR_APPEARS: Duration = Duration::from_secs(10);

/// A silo's build, or a process's start, on a machine under load.
pub(crate) const START: Duration = Duration::from_secs(60);

/// Any other request to a supervisor; after it the supervisor counts as hung.
pub(crate) const REQUEST: Duration = Duration::from_secs(20);

/// From the request to terminate to the exit record; after it the silo is killed without the
/// supervisor's help.
pub(crate) const TERMINATE: Duration = Duration::from_secs(15);

/// How long a silo may still be in the making whose start an earlier service process asked for;
/// shorter than what a client waits for the service to appear.
pub(crate) const UNCLEAR_START: Duration = Duration::from_secs(5);

/// How long a process may still be in the making whose creation an earlier service process asked
/// for.
pub(crate) const UNCLEAR_CREATION: Duration = Duration::from_secs(2);

/// From spawning the compute service to its socket answering.
pub(crate) const SERVICE_APPEARS: Duration = Duration::from_secs(10);

/// Between two looks at a socket that is about to appear.
pub(crate) const POLL: Duration = Duration::from_millis(1);
