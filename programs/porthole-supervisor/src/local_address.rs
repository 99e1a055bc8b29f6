//! Which of the host's addresses a datagram came to, and from which its answer leaves.
//!
//! A socket that is bound to all addresses answers from the one that the route prefers. A peer that
//! has sent to another takes such an answer for a stranger's.

use std::io::{self, IoSlice, IoSliceMut};
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, UdpSocket};
use std::os::fd::AsRawFd;

use nix::libc::{in_addr, in_pktinfo, in6_addr, in6_pktinfo};
use nix::sys::socket::{
    ControlMessage, ControlMessageOwned, MsgFlags, SockaddrStorage, recvmsg, sendmsg, setsockopt,
    sockopt,
};

/// Between whom a datagram travels.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Exchange {
    /// Somebody on the network.
    pub(crate) peer: SocketAddr,
    /// The host's address that the peer knows; none if the kernel did not tell.
    pub(crate) local: Option<IpAddr>,
}

/// Makes the kernel tell of each datagram to which address it came.
pub(crate) fn ask_for(socket: &UdpSocket) -> io::Result<()> {
    match socket.local_addr()? {
        SocketAddr::V4(_) => setsockopt(socket, sockopt::Ipv4PacketInfo, &true)?,
        SocketAddr::V6(_) => setsockopt(socket, sockopt::Ipv6RecvPacketInfo, &true)?,
    }
    Ok(())
}

/// Takes a datagram, if one waits.
pub(crate) fn receive(socket: &UdpSocket, buffer: &mut [u8]) -> io::Result<(usize, Exchange)> {
    let mut control = nix::cmsg_space!(in6_pktinfo);
    let mut parts = [IoSliceMut::new(buffer)];
    let message = recvmsg::<SockaddrStorage>(
        socket.as_raw_fd(),
        &mut parts,
        Some(&mut control),
        MsgFlags::MSG_DONTWAIT,
    )?;
    let peer = message.address.as_ref().and_then(socket_address);
    let local = message.cmsgs()?.find_map(|told| match told {
        ControlMessageOwned::Ipv4PacketInfo(info) => {
            // Not the destination, which may be a broadcast's.
            let octets = info.ipi_spec_dst.s_addr.to_ne_bytes();
            Some(Ipv4Addr::from(octets).into())
        }
        ControlMessageOwned::Ipv6PacketInfo(info) => {
            Some(Ipv6Addr::from(info.ipi6_addr.s6_addr)).and_then(unicast)
        }
        _ => None,
    });
    let peer = peer.ok_or(io::ErrorKind::InvalidData)?;
    Ok((message.bytes, Exchange { peer, local }))
}

/// Sends a datagram the way back.
pub(crate) fn send(socket: &UdpSocket, datagram: &[u8], exchange: Exchange) -> io::Result<()> {
    let peer = SockaddrStorage::from(exchange.peer);
    let parts = [IoSlice::new(datagram)];
    let send = |control: &[ControlMessage<'_>]| {
        let flags = MsgFlags::MSG_DONTWAIT;
        sendmsg(socket.as_raw_fd(), &parts, control, flags, Some(&peer))
    };
    // The route chooses the interface.
    match exchange.local {
        None => send(&[])?,
        Some(IpAddr::V4(local)) => send(&[ControlMessage::Ipv4PacketInfo(&in_pktinfo {
            ipi_ifindex: 0,
            ipi_spec_dst: in_addr {
                s_addr: u32::from_ne_bytes(local.octets()),
            },
            ipi_addr: in_addr { s_addr: 0 },
        })])?,
        Some(IpAddr::V6(local)) => send(&[ControlMessage::Ipv6PacketInfo(&in6_pktinfo {
            ipi6_addr: in6_addr {
                s6_addr: local.octets(),
            },
            ipi6_ifindex: 0,
        })])?,
    };
    Ok(())
}

/// A group's address is nobody's to send from.
fn unicast(address: Ipv6Addr) -> Option<IpAddr> {
    (!address.is_multicast()).then_some(address.into())
}

fn socket_address(address: &SockaddrStorage) -> Option<SocketAddr> {
    if let Some(address) = address.as_sockaddr_in() {
        return Some(SocketAddr::V4((*address).into()));
    }
    let address = address.as_sockaddr_in6()?;
    Some(SocketAddr::V6((*address).into()))
}
