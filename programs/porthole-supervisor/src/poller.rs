//! Which descriptor is ready for what.

use std::collections::HashMap;
use std::io;
use std::os::fd::AsFd;
use std::time::Duration;

use porthole_protocol::agent::ProcessKey;
use porthole_protocol::supervisor::StreamKind;
use rustix::event::{Timespec, epoll};

use crate::proxy;

/// What a ready descriptor is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Source {
    /// The control socket.
    Listener,
    /// The host's wish that this process end.
    Termination,
    /// A client's connection.
    Client(u32),
    /// The channel to init.
    Init,
    /// Init's end.
    SiloEnd,
    /// The channel to the guest agent.
    Agent,
    /// What agent and wineserver write to their standard error.
    ServiceLog,
    /// The kernel's word that memory ran out.
    OutOfMemory,
    /// A stream of a process.
    Stream(ProcessKey, StreamKind),
    /// A published port's socket.
    Port(usize),
    /// One end of a relayed connection.
    Relay(u32, proxy::End),
    /// A published UDP port's socket.
    DatagramPort(usize),
    /// The silo's side of what a peer sends to a UDP port.
    Flow(u32),
}

/// Names a registered descriptor.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Token(u64);

/// What to wait for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Interest {
    pub(crate) read: bool,
    pub(crate) write: bool,
}

impl Interest {
    pub(crate) const READ: Self = Self {
        read: true,
        write: false,
    };
    pub(crate) const WRITE: Self = Self {
        read: false,
        write: true,
    };

    pub(crate) const NOTHING: Self = Self {
        read: false,
        write: false,
    };

    fn flags(self) -> epoll::EventFlags {
        let mut flags = epoll::EventFlags::empty();
        flags.set(epoll::EventFlags::IN, self.read);
        flags.set(epoll::EventFlags::OUT, self.write);
        flags
    }
}

/// A descriptor's place in a poller: there or not, as there is something to wait for. A descriptor
/// that is waited for without interest would be reported over and over once it is broken.
#[derive(Debug, Default)]
pub(crate) struct Registration(Option<(Token, Interest)>);

impl Registration {
    /// Waits for what there is interest in now.
    pub(crate) fn update(
        &mut self,
        poller: &mut Poller,
        descriptor: impl AsFd,
        source: Source,
        interest: Interest,
    ) -> io::Result<()> {
        match self.0 {
            Some((_, before)) if before == interest => {}
            _ if interest == Interest::NOTHING => self.end(poller, descriptor),
            Some((token, _)) => {
                poller.modify(token, descriptor, interest)?;
                self.0 = Some((token, interest));
            }
            None => self.0 = Some((poller.add(descriptor, source, interest)?, interest)),
        }
        Ok(())
    }

    /// Waits no longer. To be called before the descriptor is closed.
    pub(crate) fn end(&mut self, poller: &mut Poller, descriptor: impl AsFd) {
        if let Some((token, _)) = self.0.take() {
            poller.remove(token, descriptor);
        }
    }
}

/// A ready descriptor.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Ready {
    pub(crate) source: Source,
    /// Reading will not block, be it for data, the end, or an error.
    pub(crate) readable: bool,
}

/// An epoll set.
#[derive(Debug)]
pub(crate) struct Poller {
    epoll: std::os::fd::OwnedFd,
    sources: HashMap<Token, Source>,
    next: u64,
}

impl Poller {
    pub(crate) fn new() -> io::Result<Self> {
        let epoll = epoll::create(epoll::CreateFlags::CLOEXEC)?;
        Ok(Self {
            epoll,
            sources: HashMap::new(),
            next: 0,
        })
    }

    /// Waits for `descriptor` from now on. Register only what there is interest in: the end of a
    /// stream is reported without any.
    pub(crate) fn add(
        &mut self,
        descriptor: impl AsFd,
        source: Source,
        interest: Interest,
    ) -> io::Result<Token> {
        self.add_flags(descriptor, source, interest.flags())
    }

    /// Waits for priority data only.
    pub(crate) fn add_priority(
        &mut self,
        descriptor: impl AsFd,
        source: Source,
    ) -> io::Result<Token> {
        self.add_flags(descriptor, source, epoll::EventFlags::PRI)
    }

    fn add_flags(
        &mut self,
        descriptor: impl AsFd,
        source: Source,
        flags: epoll::EventFlags,
    ) -> io::Result<Token> {
        let token = Token(self.next);
        self.next += 1;
        epoll::add(
            &self.epoll,
            descriptor,
            epoll::EventData::new_u64(token.0),
            flags,
        )?;
        self.sources.insert(token, source);
        Ok(token)
    }

    /// Changes what is waited for.
    fn modify(
        &mut self,
        token: Token,
        descriptor: impl AsFd,
        interest: Interest,
    ) -> io::Result<()> {
        let data = epoll::EventData::new_u64(token.0);
        Ok(epoll::modify(
            &self.epoll,
            descriptor,
            data,
            interest.flags(),
        )?)
    }

    /// Waits for it no longer. To be called before the descriptor is closed.
    pub(crate) fn remove(&mut self, token: Token, descriptor: impl AsFd) {
        if self.sources.remove(&token).is_some() {
            // A descriptor that is in no set any more is what was wanted.
            let _ = epoll::delete(&self.epoll, descriptor);
        }
    }

    /// Waits until something is ready or the time is over; for ever without a time.
    pub(crate) fn wait(&mut self, timeout: Option<Duration>) -> io::Result<Vec<Ready>> {
        let timeout = timeout.and_then(|timeout| Timespec::try_from(timeout).ok());
        let mut events = Vec::with_capacity(32);
        match epoll::wait(
            &self.epoll,
            rustix::buffer::spare_capacity(&mut events),
            timeout.as_ref(),
        ) {
            Err(rustix::io::Errno::INTR) => return Ok(Vec::new()),
            result => result?,
        };
        let ready = |event: &epoll::Event| {
            let flags = event.flags;
            let broken = flags.intersects(epoll::EventFlags::HUP | epoll::EventFlags::ERR);
            Some(Ready {
                source: *self.sources.get(&Token(event.data.u64()))?,
                readable: broken
                    || flags.intersects(epoll::EventFlags::IN | epoll::EventFlags::PRI),
            })
        };
        Ok(events.iter().filter_map(ready).collect())
    }
}
