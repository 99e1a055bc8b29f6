//! Sockets on the host's addresses.

use std::net::SocketAddr;
use std::os::fd::{AsFd, OwnedFd};
use std::time::Duration;

use rustix::net::{AddressFamily, SocketFlags, SocketType, socket_with, sockopt};

/// How long a connection may be silent before its other end is asked whether it is there.
const SILENCE: Duration = Duration::from_secs(60);

/// Between questions that are not answered; the kernel asks nine times.
const AGAIN: Duration = Duration::from_secs(15);

/// A socket for this address, which blocks nobody. On IPv6 it is for IPv6 only: the same port of
/// IPv4 is published, or not, on its own.
pub(crate) fn unbound(address: SocketAddr, kind: SocketType) -> rustix::io::Result<OwnedFd> {
    let family = if address.is_ipv6() {
        AddressFamily::INET6
    } else {
        AddressFamily::INET
    };
    let flags = SocketFlags::CLOEXEC | SocketFlags::NONBLOCK;
    let socket = socket_with(family, kind, flags, None)?;
    if address.is_ipv6() {
        sockopt::set_ipv6_v6only(&socket, true)?;
    }
    Ok(socket)
}

/// Ends a connection whose other end is gone without a word. Those take the places of others, and
/// nobody else would ever close them.
pub(crate) fn keep_alive(connection: impl AsFd) -> rustix::io::Result<()> {
    sockopt::set_socket_keepalive(&connection, true)?;
    sockopt::set_tcp_keepidle(&connection, SILENCE)?;
    sockopt::set_tcp_keepintvl(&connection, AGAIN)
}
