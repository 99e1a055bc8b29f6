//! A process's input.

use std::os::fd::OwnedFd;

use porthole_protocol::agent::ProcessKey;
use porthole_protocol::supervisor::StreamKind;

use super::QUEUE_LIMIT;
use crate::framing::Outbox;
use crate::poller::{Interest, Poller, Registration, Source};

/// The way to a program's input, and what waits to go there.
#[derive(Debug)]
pub(crate) struct Input {
    process: ProcessKey,
    fifo: OwnedFd,
    queue: Outbox,
    registration: Registration,
    ends: bool,
}

/// Whether an input lives on.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum InputState {
    Open,
    /// Closed by request, or for want of a reader.
    Closed,
}

impl Input {
    pub(crate) fn new(process: ProcessKey, fifo: OwnedFd) -> Self {
        Self {
            process,
            fifo,
            queue: Outbox::default(),
            registration: Registration::default(),
            ends: false,
        }
    }

    /// Goes on with another descriptor of the same FIFO.
    pub(crate) fn replace(&mut self, poller: &mut Poller, fifo: OwnedFd) {
        self.unwatch(poller);
        self.fifo = fifo;
    }

    /// Queues bytes.
    pub(crate) fn push(&mut self, bytes: &[u8]) {
        if !self.ends {
            self.queue.push_bytes(bytes);
        }
    }

    /// Closes once what waits is written.
    pub(crate) fn end(&mut self) {
        self.ends = true;
    }

    /// Whether senders have to wait.
    pub(crate) fn is_full(&self) -> bool {
        self.queue.len() > QUEUE_LIMIT
    }

    /// Writes what the program takes now and waits for room for the rest.
    pub(crate) fn flush(&mut self, poller: &mut Poller) -> InputState {
        if self.queue.flush_pipe(&self.fifo).is_err() {
            self.queue.clear();
            self.ends = true;
        }
        let interest = if self.queue.is_empty() {
            Interest::NOTHING
        } else {
            Interest::WRITE
        };
        let source = Source::Stream(self.process, StreamKind::Stdin);
        let watched = self
            .registration
            .update(poller, &self.fifo, source, interest);
        if watched.is_err() || (self.ends && self.queue.is_empty()) {
            InputState::Closed
        } else {
            InputState::Open
        }
    }

    /// Has the poller forget it, before it is dropped.
    pub(crate) fn unwatch(&mut self, poller: &mut Poller) {
        self.registration.end(poller, &self.fifo);
    }
}
