//! One stream from a process.

use std::io;
use std::os::fd::OwnedFd;

use porthole_protocol::agent::ProcessKey;
use porthole_protocol::supervisor::StreamKind;
use rustix::io::Errno;

use crate::poller::{Interest, Poller, Registration, Source};

/// A stream that has not ended.
#[derive(Debug)]
pub(crate) struct Output {
    process: ProcessKey,
    pub(crate) kind: StreamKind,
    fifo: OwnedFd,
    registration: Registration,
}

/// What reading once has brought.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum ReadOnce {
    Bytes(usize),
    /// Nothing now.
    Empty,
    /// Every writer has let go.
    End,
}

impl Output {
    pub(crate) fn new(process: ProcessKey, kind: StreamKind, fifo: OwnedFd) -> Self {
        Self {
            process,
            kind,
            fifo,
            registration: Registration::default(),
        }
    }

    /// Whether the poller reports it: not while somebody else has to move first, for the end of
    /// a stream would be reported over and over.
    pub(crate) fn watch(&mut self, poller: &mut Poller, wanted: bool) -> io::Result<()> {
        let interest = if wanted {
            Interest::READ
        } else {
            Interest::NOTHING
        };
        let source = Source::Stream(self.process, self.kind);
        self.registration
            .update(poller, &self.fifo, source, interest)
    }

    /// How many bytes are there now.
    pub(crate) fn waiting(&self) -> io::Result<usize> {
        let count = rustix::io::ioctl_fionread(&self.fifo)?;
        Ok(usize::try_from(count).unwrap_or(usize::MAX))
    }

    /// Reads what is there.
    pub(crate) fn read(&self, buffer: &mut [u8]) -> ReadOnce {
        loop {
            match rustix::io::read(&self.fifo, &mut *buffer) {
                Ok(0) => return ReadOnce::End,
                Ok(count) => return ReadOnce::Bytes(count),
                Err(Errno::AGAIN) => return ReadOnce::Empty,
                Err(Errno::INTR) => {}
                Err(_) => return ReadOnce::End,
            }
        }
    }
}
