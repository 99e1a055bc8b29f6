//! One stream from a process.

use std::io;
use std::os::fd::{AsFd, OwnedFd};

use porthole_protocol::agent::ProcessKey;
use porthole_protocol::supervisor::StreamKind;
use rustix::io::Errno;

use crate::poller::{Interest, Poller, Source, Token};

/// A stream that has not ended.
#[derive(Debug)]
pub(crate) struct Output {
    process: ProcessKey,
    pub(crate) kind: StreamKind,
    fifo: OwnedFd,
    token: Option<Token>,
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
            token: None,
        }
    }

    /// Whether the poller reports it: not while somebody else has to move first, for the end of
    /// a stream would be reported over and over.
    pub(crate) fn watch(&mut self, poller: &mut Poller, wanted: bool) -> io::Result<()> {
        match (self.token, wanted) {
            (None, true) => {
                let source = Source::Stream(self.process, self.kind);
                self.token = Some(poller.add(&self.fifo, source, Interest::READ)?);
            }
            (Some(token), false) => {
                poller.remove(token, self.fifo.as_fd());
                self.token = None;
            }
            (Some(_), true) | (None, false) => {}
        }
        Ok(())
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
