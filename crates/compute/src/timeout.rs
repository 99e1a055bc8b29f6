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

/// How long a new service process asks a system how far a start has come, or a change, that an
/// earlier one asked for. With [`UNCLEAR_CREATION`] shorter than what a client waits for the
/// service to appear.
pub(crate) const UNCLEAR_START: Duration = Duration::from_secs(5);

/// How long it then asks for processes whose creation an earlier service process asked for: for
/// all of a system's together.
pub(crate) const UNCLEAR_CREATION: Duration = Duration::from_secs(2);

/// From spawning the compute service to its socket answering.
pub(crate) const SERVICE_APPEARS: Duration = Duration::from_secs(10);

/// How long a connection to a supervisor is tried again that fails for want of something that
/// comes back: descriptors, memory, a place in the queue.
pub(crate) const SCARCE: Duration = Duration::from_secs(2);

/// The longest pause between two attempts to listen to a supervisor that cannot be reached.
pub(crate) const LISTEN_AGAIN: Duration = Duration::from_secs(1);

/// How long nothing is accepted after a connection that could not be.
pub(crate) const ACCEPT_AGAIN: Duration = Duration::from_millis(100);

/// Between two looks at a socket that is about to appear.
pub(crate) const POLL: Duration = Duration::from_millis(1);
