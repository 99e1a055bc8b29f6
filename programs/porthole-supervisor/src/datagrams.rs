//! Published UDP ports: held, so that nobody else takes them, and relayed where the firewall's
//! translation does not reach, as in [`crate::proxy`].
//!
//! UDP has no connections, so each of the host's peers gets a socket towards the silo by which the
//! answers come back, and leave from the address that the peer has sent to; one that nothing passes through for a while is closed.

use std::collections::HashMap;
use std::io::ErrorKind;
use std::net::{SocketAddr, UdpSocket};
use std::time::{Duration, Instant};

use anyhow::{Context, Result};
use rustix::net::SocketType;

use crate::clock::Deadline;
use crate::host_socket;
use crate::journal::note;
use crate::local_address::{self, Exchange};
use crate::poller::{Interest, Poller, Registration, Source};

/// How long a flow stays that nothing passes through, as the kernel's own translation holds it.
const IDLE: Duration = Duration::from_secs(120);

/// Flows at once. A peer more takes the place of the one that has been silent longest.
const MOST_FLOWS: usize = 1024;

/// The largest datagram.
const LARGEST: usize = 65_535;

/// Datagrams that are passed on before others get their turn.
const BURST: usize = 64;

/// A published port.
#[derive(Debug)]
struct Port {
    socket: UdpSocket,
    /// Where its datagrams lead.
    inside: SocketAddr,
    registration: Registration,
}

/// What one peer sends to one address of one port, and the answers.
#[derive(Debug)]
struct Flow {
    port: usize,
    exchange: Exchange,
    /// Connected to the silo's port.
    inner: UdpSocket,
    used: Instant,
    registration: Registration,
}

/// The flows of all ports.
#[derive(Debug, Default)]
struct Flows {
    by_number: HashMap<u32, Flow>,
    by_peer: HashMap<(usize, Exchange), u32>,
    next: u32,
    /// When to look for silent ones; set while there are flows.
    sweep: Deadline,
}

/// All published UDP ports of a silo.
#[derive(Debug, Default)]
pub(crate) struct Datagrams {
    ports: Vec<Port>,
    flows: Flows,
}

impl Datagrams {
    /// Takes a port.
    pub(crate) fn hold(
        &mut self,
        poller: &mut Poller,
        host: SocketAddr,
        inside: SocketAddr,
    ) -> Result<()> {
        let socket = bind(host).with_context(|| format!("cannot publish {host}/udp"))?;
        let mut registration = Registration::default();
        let source = Source::DatagramPort(self.ports.len());
        registration
            .update(poller, &socket, source, Interest::READ)
            .context("cannot wait for datagrams")?;
        self.ports.push(Port {
            socket,
            inside,
            registration,
        });
        Ok(())
    }

    /// Lets go of every port and flow.
    pub(crate) fn close(&mut self, poller: &mut Poller) {
        for mut port in self.ports.drain(..) {
            port.registration.end(poller, &port.socket);
        }
        self.flows.close_silent(poller, Duration::ZERO);
    }

    /// Datagrams wait at a published port.
    pub(crate) fn arrive(&mut self, poller: &mut Poller, index: usize) {
        let Some(port) = self.ports.get(index) else {
            return;
        };
        let mut buffer = vec![0; LARGEST];
        for _ in 0..BURST {
            let arrived = received(local_address::receive(&port.socket, &mut buffer));
            let Some((count, exchange)) = arrived else {
                return;
            };
            match self.flows.of_peer(poller, (index, exchange), port.inside) {
                // What the silo's port does not take is lost, as datagrams may be.
                Ok(inner) => drop(inner.send(&buffer[..count])),
                Err(error) => note!("cannot relay datagrams to {}: {error}", port.inside),
            }
        }
    }

    /// Answers wait at a flow's socket.
    pub(crate) fn answer(&mut self, number: u32) {
        let Some(flow) = self.flows.by_number.get_mut(&number) else {
            return;
        };
        let Some(port) = self.ports.get(flow.port) else {
            return;
        };
        flow.used = Instant::now();
        let mut buffer = vec![0; LARGEST];
        for _ in 0..BURST {
            let Some(count) = received(flow.inner.recv(&mut buffer)) else {
                return;
            };
            // A peer that has gone is no harm.
            let _ = local_address::send(&port.socket, &buffer[..count], flow.exchange);
        }
    }

    /// When to call [`Self::handle_time`].
    pub(crate) fn due(&self) -> Deadline {
        self.flows.sweep
    }

    /// Closes what has been silent for too long.
    pub(crate) fn handle_time(&mut self, poller: &mut Poller) {
        if self.flows.sweep.is_due() {
            self.flows.close_silent(poller, IDLE);
        }
    }
}

impl Flows {
    /// The socket for what this peer sends to this port.
    fn of_peer(
        &mut self,
        poller: &mut Poller,
        (port, exchange): (usize, Exchange),
        inside: SocketAddr,
    ) -> std::io::Result<&UdpSocket> {
        let number = match self.by_peer.get(&(port, exchange)) {
            Some(number) => *number,
            None => self.open(poller, port, exchange, inside)?,
        };
        let flow = self.by_number.get_mut(&number).ok_or(ErrorKind::NotFound)?;
        flow.used = Instant::now();
        Ok(&flow.inner)
    }

    fn open(
        &mut self,
        poller: &mut Poller,
        port: usize,
        exchange: Exchange,
        inside: SocketAddr,
    ) -> std::io::Result<u32> {
        if self.by_number.len() >= MOST_FLOWS {
            let oldest = self.by_number.iter().min_by_key(|(_, flow)| flow.used);
            if let Some(number) = oldest.map(|(number, _)| *number) {
                self.forget(poller, number);
            }
        }
        let mut flow = Flow {
            port,
            exchange,
            inner: connect(inside)?,
            used: Instant::now(),
            registration: Registration::default(),
        };
        let number = self.next;
        self.next = self.next.wrapping_add(1);
        flow.registration
            .update(poller, &flow.inner, Source::Flow(number), Interest::READ)?;
        self.by_peer.insert((port, exchange), number);
        self.by_number.insert(number, flow);
        if !self.sweep.is_set() {
            self.sweep = Deadline::after(IDLE);
        }
        Ok(number)
    }

    fn close_silent(&mut self, poller: &mut Poller, since: Duration) {
        let silent = |flow: &Flow| flow.used.elapsed() >= since;
        let over: Vec<u32> = self
            .by_number
            .iter()
            .filter_map(|(number, flow)| silent(flow).then_some(*number))
            .collect();
        over.into_iter()
            .for_each(|number| self.forget(poller, number));
        self.sweep = if self.by_number.is_empty() {
            Deadline::NEVER
        } else {
            Deadline::after(IDLE)
        };
    }

    fn forget(&mut self, poller: &mut Poller, number: u32) {
        if let Some(mut flow) = self.by_number.remove(&number) {
            flow.registration.end(poller, &flow.inner);
            self.by_peer.remove(&(flow.port, flow.exchange));
        }
    }
}

/// What arrived, if anything: an error is that of an earlier datagram, which the other end refused,
/// and says nothing about the next.
fn received<T>(outcome: std::io::Result<T>) -> Option<T> {
    match outcome {
        Err(error) if error.kind() == ErrorKind::ConnectionRefused => None,
        Err(error) if error.kind() == ErrorKind::WouldBlock => None,
        Err(error) => {
            note!("cannot receive datagrams of a published port: {error}");
            None
        }
        Ok(datagram) => Some(datagram),
    }
}

fn bind(address: SocketAddr) -> std::io::Result<UdpSocket> {
    let socket = host_socket::unbound(address, SocketType::DGRAM)?;
    rustix::net::bind(&socket, &address)?;
    let socket = UdpSocket::from(socket);
    local_address::ask_for(&socket)?;
    Ok(socket)
}

/// A socket that sends to this address, and takes datagrams from nobody else.
fn connect(inside: SocketAddr) -> std::io::Result<UdpSocket> {
    let socket = host_socket::unbound(inside, SocketType::DGRAM)?;
    rustix::net::connect(&socket, &inside)?;
    Ok(UdpSocket::from(socket))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The whole way of a datagram and its answer, for a peer that sends to `address`.
    fn answer_comes_from(held: &str, peer: &str, address: &str) {
        let mut poller = Poller::new().unwrap();
        let mut datagrams = Datagrams::default();
        let silo = UdpSocket::bind("127.0.0.1:0").unwrap();
        let inside = silo.local_addr().unwrap();
        datagrams
            .hold(&mut poller, held.parse().unwrap(), inside)
            .unwrap();
        let port = datagrams.ports[0].socket.local_addr().unwrap().port();
        let peer = UdpSocket::bind(peer).unwrap();
        // Connected, it takes answers from there alone.
        peer.connect((address, port)).unwrap();
        for socket in [&silo, &peer] {
            socket
                .set_read_timeout(Some(Duration::from_secs(20)))
                .unwrap();
        }
        peer.send(b"question").unwrap();
        datagrams.arrive(&mut poller, 0);
        let mut buffer = [0; 16];
        let (count, flow) = silo.recv_from(&mut buffer).unwrap();
        assert_eq!(&buffer[..count], b"question");
        silo.send_to(b"answer", flow).unwrap();
        datagrams.answer(0);
        let count = peer.recv(&mut buffer).unwrap();
        assert_eq!(&buffer[..count], b"answer");
        datagrams.close(&mut poller);
    }

    #[test]
    fn an_answer_leaves_from_the_address_that_was_asked() {
        answer_comes_from("0.0.0.0:0", "127.0.0.1:0", "127.0.0.2");
        answer_comes_from("127.0.0.3:0", "127.0.0.1:0", "127.0.0.3");
        answer_comes_from("[::]:0", "[::1]:0", "::1");
    }
}
