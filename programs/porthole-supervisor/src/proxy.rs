//! Published TCP ports: held, so that nobody else takes them, and relayed where the firewall's
//! translation does not reach.
//!
//! The network layer translates addresses of connections that come from outside. What arrives at
//! the listening sockets here is what it cannot translate, such as IPv6 on a host whose containers
//! have none; such connections are copied.

use std::collections::HashMap;
use std::net::{IpAddr, SocketAddr, TcpListener};
use std::os::fd::OwnedFd;

use anyhow::{Context, Result};
use porthole_protocol::supervisor::{PublishedPort, Transport};
use rustix::io::Errno;
use rustix::net::{RecvFlags, Shutdown, SocketType, connect, recv, shutdown};

use crate::clock::Deadline;
use crate::datagrams::Datagrams;
use crate::framing::Outbox;
use crate::host_socket;
use crate::journal::note;
use crate::listening::Listening;
use crate::poller::{Interest, Poller, Registration, Source};

/// Bytes that wait for one end before the other is read no further.
const WINDOW: usize = 64 * 1024;

/// Connections that are relayed at once; more wait in the listening socket's queue.
const MOST_RELAYS: usize = 1024;

/// An end of a relayed connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum End {
    /// The host's side, which has connected to the published port.
    Outer,
    /// The silo's side.
    Inner,
}

#[derive(Debug)]
struct Half {
    socket: OwnedFd,
    /// What waits to be sent on this socket.
    outbox: Outbox,
    /// This socket will send us nothing more.
    read_ended: bool,
    /// We have told this socket that nothing more will come.
    write_ended: bool,
    registration: Registration,
}

#[derive(Debug)]
struct Relay {
    outer: Half,
    inner: Half,
}

/// A published port.
#[derive(Debug)]
struct Port {
    listener: TcpListener,
    /// Where its connections lead.
    inside: SocketAddr,
    listening: Listening,
}

/// All published ports of a silo.
#[derive(Debug, Default)]
pub(crate) struct Proxy {
    ports: Vec<Port>,
    /// The UDP ports.
    pub(crate) datagrams: Datagrams,
    relays: HashMap<u32, Relay>,
    next: u32,
}

impl Proxy {
    /// Takes every port, or none.
    pub(crate) fn open(poller: &mut Poller, ports: &[PublishedPort]) -> Result<Self> {
        let mut proxy = Self::default();
        let opened = ports.iter().try_for_each(|port| proxy.hold(poller, port));
        if opened.is_err() {
            proxy.close(poller);
        }
        opened.map(|()| proxy)
    }

    fn hold(&mut self, poller: &mut Poller, port: &PublishedPort) -> Result<()> {
        let address = |text: &str, port| -> Result<SocketAddr> {
            let ip: IpAddr = text
                .parse()
                .with_context(|| format!("{text:?} is no address"))?;
            Ok(SocketAddr::new(ip, port))
        };
        let host = address(&port.host_address, port.host_port)?;
        let inside = address(&port.container_address, port.container_port)?;
        if port.transport == Transport::Udp {
            return self.datagrams.hold(poller, host, inside);
        }
        let listener = listen(host).with_context(|| format!("cannot publish {host}"))?;
        let mut held = Port {
            listener,
            inside,
            listening: Listening::default(),
        };
        held.watch(poller, self.ports.len(), true)
            .context("cannot wait for connections")?;
        self.ports.push(held);
        Ok(())
    }

    /// Lets go of every port and connection.
    pub(crate) fn close(&mut self, poller: &mut Poller) {
        for mut port in self.ports.drain(..) {
            port.listening.end(poller, &port.listener);
        }
        for (_, relay) in self.relays.drain() {
            relay.end(poller);
        }
        self.datagrams.close(poller);
    }

    /// A connection waits at a published port.
    pub(crate) fn accept(&mut self, poller: &mut Poller, port: usize) {
        let Some(Port {
            listener,
            inside,
            listening,
        }) = self.ports.get_mut(port)
        else {
            return;
        };
        let Some((outer, _)) = listening.taken(listener.accept()) else {
            self.watch_ports(poller);
            return;
        };
        let inner = outer
            .set_nonblocking(true)
            .and_then(|()| Ok(host_socket::keep_alive(&outer)?))
            .and_then(|()| begin_to_connect(*inside));
        match inner {
            Ok(inner) => {
                let number = self.next;
                self.next = self.next.wrapping_add(1);
                let relay = Relay {
                    outer: Half::new(outer.into()),
                    inner: Half::new(inner),
                };
                self.relays.insert(number, relay);
                self.update(poller, number);
            }
            // Dropped, the connection is closed: what an unpublished port would answer.
            Err(error) => note!("cannot relay a connection to {inside}: {error}"),
        }
        self.watch_ports(poller);
    }

    /// An end of a relayed connection is ready.
    pub(crate) fn relay(&mut self, poller: &mut Poller, number: u32, end: End, readable: bool) {
        let Some(relay) = self.relays.get_mut(&number) else {
            return;
        };
        let (ready, other) = match end {
            End::Outer => (&mut relay.outer, &mut relay.inner),
            End::Inner => (&mut relay.inner, &mut relay.outer),
        };
        let alive = ready.flush() && (!readable || ready.copy_to(other)) && other.flush();
        other.pass_end_on(ready);
        ready.pass_end_on(other);
        if alive && !(ready.is_over() && other.is_over()) {
            self.update(poller, number);
        } else if let Some(relay) = self.relays.remove(&number) {
            relay.end(poller);
            self.watch_ports(poller);
        }
    }

    fn update(&mut self, poller: &mut Poller, number: u32) {
        let Some(Relay { outer, inner }) = self.relays.get_mut(&number) else {
            return;
        };
        let registered = outer
            .register(
                poller,
                Source::Relay(number, End::Outer),
                inner.outbox.len(),
            )
            .and_then(|()| {
                inner.register(
                    poller,
                    Source::Relay(number, End::Inner),
                    outer.outbox.len(),
                )
            });
        if let Err(error) = registered {
            note!("cannot relay a connection: {error}");
            if let Some(relay) = self.relays.remove(&number) {
                relay.end(poller);
            }
        }
    }

    /// When to call [`Self::handle_time`].
    pub(crate) fn due(&self) -> Deadline {
        self.ports
            .iter()
            .map(|port| port.listening.due())
            .fold(self.datagrams.due(), Deadline::or_earlier)
    }

    /// Goes back to ports at which no connection could be taken for a while.
    pub(crate) fn handle_time(&mut self, poller: &mut Poller) {
        self.datagrams.handle_time(poller);
        let mut resumed = false;
        for port in &mut self.ports {
            resumed |= port.listening.resume_if_due();
        }
        if resumed {
            self.watch_ports(poller);
        }
    }

    /// Takes connections only while there is room for them.
    fn watch_ports(&mut self, poller: &mut Poller) {
        let room = self.relays.len() < MOST_RELAYS;
        for (index, port) in self.ports.iter_mut().enumerate() {
            if let Err(error) = port.watch(poller, index, room) {
                note!("cannot wait for connections to a published port: {error}");
            }
        }
    }
}

impl Port {
    fn watch(&mut self, poller: &mut Poller, index: usize, wanted: bool) -> std::io::Result<()> {
        self.listening
            .watch(poller, &self.listener, Source::Port(index), wanted)
    }
}

impl Relay {
    fn end(mut self, poller: &mut Poller) {
        self.outer.unregister(poller);
        self.inner.unregister(poller);
    }
}

impl Half {
    fn new(socket: OwnedFd) -> Self {
        Self {
            socket,
            outbox: Outbox::default(),
            read_ended: false,
            write_ended: false,
            registration: Registration::default(),
        }
    }

    fn is_over(&self) -> bool {
        self.read_ended && self.write_ended
    }

    /// Sends what waits. `false` when the connection is broken.
    fn flush(&mut self) -> bool {
        match self.outbox.flush_socket(&self.socket) {
            Ok(()) => true,
            // The connection to the silo is still being made.
            Err(error) => error.raw_os_error() == Some(Errno::NOTCONN.raw_os_error()),
        }
    }

    /// Reads what is there and sends it to the other end. `false` when the connection is broken.
    fn copy_to(&mut self, other: &mut Self) -> bool {
        if self.read_ended || other.outbox.len() >= WINDOW {
            return true;
        }
        let mut buffer = [0; 16 * 1024];
        match recv(&self.socket, &mut buffer[..], RecvFlags::DONTWAIT) {
            Ok((0, _)) => {
                self.read_ended = true;
                true
            }
            Ok((count, _)) => {
                other.outbox.push_bytes(&buffer[..count]);
                true
            }
            Err(Errno::AGAIN | Errno::INTR | Errno::NOTCONN) => true,
            Err(_) => false,
        }
    }

    /// Once all that `source` has sent is passed on, passes on that there will be no more.
    fn pass_end_on(&mut self, source: &Self) {
        if source.read_ended && self.outbox.is_empty() && !self.write_ended {
            self.write_ended = true;
            // A connection that is broken shows at the next read.
            let _ = shutdown(&self.socket, Shutdown::Write);
        }
    }

    /// Waits for what can happen next. `waiting` is what waits for the other end: while that is
    /// much, this one is not read.
    fn register(
        &mut self,
        poller: &mut Poller,
        source: Source,
        waiting: usize,
    ) -> std::io::Result<()> {
        let interest = Interest {
            read: !self.read_ended && waiting < WINDOW,
            write: !self.outbox.is_empty(),
        };
        self.registration
            .update(poller, &self.socket, source, interest)
    }

    fn unregister(&mut self, poller: &mut Poller) {
        self.registration.end(poller, &self.socket);
    }
}

/// Listens as a server does that is restarted often.
fn listen(address: SocketAddr) -> rustix::io::Result<TcpListener> {
    let socket = host_socket::unbound(address, SocketType::STREAM)?;
    rustix::net::sockopt::set_socket_reuseaddr(&socket, true)?;
    rustix::net::bind(&socket, &address)?;
    rustix::net::listen(&socket, 128)?;
    Ok(TcpListener::from(socket))
}

fn begin_to_connect(address: SocketAddr) -> std::io::Result<OwnedFd> {
    let socket = host_socket::unbound(address, SocketType::STREAM)?;
    host_socket::keep_alive(&socket)?;
    match connect(&socket, &address) {
        Ok(()) | Err(Errno::INPROGRESS) => Ok(socket),
        Err(error) => Err(error.into()),
    }
}

#[cfg(test)]
mod tests {
    use rustix::net::sockopt;

    use super::*;

    #[test]
    fn a_peer_that_is_gone_without_a_word_is_noticed() {
        let mut poller = Poller::new().unwrap();
        let silo = TcpListener::bind("127.0.0.1:0").unwrap();
        let published = PublishedPort {
            transport: Transport::Tcp,
            host_address: "127.0.0.1".to_owned(),
            host_port: 0,
            container_address: "127.0.0.1".to_owned(),
            container_port: silo.local_addr().unwrap().port(),
        };
        let mut proxy = Proxy::open(&mut poller, &[published]).unwrap();
        let address = proxy.ports[0].listener.local_addr().unwrap();
        let _peer = std::net::TcpStream::connect(address).unwrap();
        proxy.accept(&mut poller, 0);
        let relay = &proxy.relays[&0];
        for half in [&relay.outer, &relay.inner] {
            assert!(sockopt::socket_keepalive(&half.socket).unwrap());
            assert_eq!(sockopt::tcp_keepidle(&half.socket).unwrap().as_secs(), 60);
        }
        proxy.close(&mut poller);
    }
}
