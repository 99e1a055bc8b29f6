//! Taking connections, and not when there is no descriptor for one.

use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use crate::clock::Deadline;
use crate::journal::note;
use crate::poller::{Interest, Poller, Registration, Source};

/// How long a socket is left alone at which a connection waits that could not be taken. It stays
/// readable, so to wait for it would be to try again at once, for ever.
const PAUSE: Duration = Duration::from_millis(100);

/// A listening socket's place in the poller.
#[derive(Debug, Default)]
pub(crate) struct Listening {
    registration: Registration,
    /// While set, nothing is taken.
    paused: Deadline,
    /// The log need not say again that no connection can be taken.
    told: bool,
}

impl Listening {
    /// Waits for connections as long as they are wanted and can be taken.
    pub(crate) fn watch(
        &mut self,
        poller: &mut Poller,
        listener: impl AsFd,
        source: Source,
        wanted: bool,
    ) -> io::Result<()> {
        let interest = if wanted && !self.paused.is_set() {
            Interest::READ
        } else {
            Interest::NOTHING
        };
        self.registration.update(poller, listener, source, interest)
    }

    /// Waits no longer. To be called before the socket is closed.
    pub(crate) fn end(&mut self, poller: &mut Poller, listener: impl AsFd) {
        self.registration.end(poller, listener);
    }

    /// The connection that was taken, or nothing: none waits any more, or none can be taken, for
    /// want of descriptors or memory. Then the socket is to be left alone until [`Self::due`].
    pub(crate) fn taken<T>(&mut self, accepted: io::Result<T>) -> Option<T> {
        match accepted {
            Ok(connection) => {
                self.told = false;
                Some(connection)
            }
            Err(error) if is_of_one_connection(&error) => None,
            Err(error) => {
                if !std::mem::replace(&mut self.told, true) {
                    note!("cannot accept connections for now: {error}");
                }
                self.paused = Deadline::after(PAUSE);
                None
            }
        }
    }

    /// When to call [`Self::resume_if_due`].
    pub(crate) fn due(&self) -> Deadline {
        self.paused
    }

    /// Ends a pause that has lasted long enough; whether there was one, and the socket is to be
    /// watched again.
    pub(crate) fn resume_if_due(&mut self) -> bool {
        let due = self.paused.is_due();
        if due {
            self.paused = Deadline::NEVER;
        }
        due
    }
}

/// Whether another attempt may well succeed: nobody waits any more, or who waited has left.
fn is_of_one_connection(error: &io::Error) -> bool {
    matches!(
        error.kind(),
        io::ErrorKind::WouldBlock | io::ErrorKind::Interrupted | io::ErrorKind::ConnectionAborted
    )
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::net::TcpListener;

    #[test]
    fn a_socket_that_cannot_be_accepted_from_is_left_alone_for_a_while() {
        let mut poller = Poller::new().unwrap();
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        // Readable from now on, and every attempt to accept fails, as with no descriptor left.
        rustix::net::shutdown(&listener, rustix::net::Shutdown::Read).unwrap();
        let mut listening = Listening::default();
        let source = Source::Port(0);
        listening
            .watch(&mut poller, &listener, source, true)
            .unwrap();
        assert_eq!(poller.wait(None).unwrap().len(), 1);
        assert!(listening.taken(listener.accept()).is_none());
        listening
            .watch(&mut poller, &listener, source, true)
            .unwrap();
        assert!(poller.wait(Some(Duration::ZERO)).unwrap().is_empty());
        assert!(listening.due().is_set() && !listening.resume_if_due());
        assert!(poller.wait(listening.due().timeout()).unwrap().is_empty());
        assert!(listening.resume_if_due() && !listening.resume_if_due());
        listening
            .watch(&mut poller, &listener, source, true)
            .unwrap();
        assert_eq!(poller.wait(None).unwrap().len(), 1);
    }

    #[test]
    fn a_connection_that_nobody_waits_for_any_more_is_no_reason_to_pause() {
        let mut listening = Listening::default();
        let gone = io::Error::from(io::ErrorKind::ConnectionAborted);
        assert!(listening.taken::<()>(Err(gone)).is_none());
        assert!(!listening.due().is_set());
    }
}
