//! Noticing that somebody else changed the firewall: `nft flush ruleset`, a restart of dockerd or
//! of a firewall service. The kernel announces every change; between them this costs nothing.

use std::io;

use rtnetlink::sys::protocols::NETLINK_NETFILTER;
use rtnetlink::sys::{AsyncSocket, AsyncSocketExt, SocketAddr, TokioSocket};

/// The multicast group `NFNLGRP_NFTABLES`, as a mask.
const GROUPS: u32 = 1 << (7 - 1);

const NO_BUFFER_SPACE: i32 = rustix::io::Errno::NOBUFS.raw_os_error();

const HEADER: usize = 16;

/// After the header comes `nfgenmsg`, then the attributes.
const ATTRIBUTES: usize = HEADER + 4;

/// `NFTA_TABLE_NAME`, `NFTA_CHAIN_TABLE` and so on: always the first.
const ATTRIBUTE_TABLE: u16 = 1;

/// Message types of `nf_tables.h`, below the subsystem's number.
mod message {
    pub(super) const DELETE_TABLE: u8 = 2;
    pub(super) const NEW_CHAIN: u8 = 3;
    pub(super) const DELETE_CHAIN: u8 = 5;
    pub(super) const DELETE_RULE: u8 = 8;
    pub(super) const DELETE_ELEMENT: u8 = 14;
}

/// Announcements of changes to the firewall of the namespace it was made in.
pub(crate) struct Watch {
    socket: TokioSocket,
}

impl Watch {
    pub(crate) fn open() -> io::Result<Self> {
        let mut socket = TokioSocket::new(NETLINK_NETFILTER)?;
        socket.socket_mut().bind(&SocketAddr::new(0, GROUPS))?;
        Ok(Self { socket })
    }

    /// Waits for a change that may concern us.
    pub(crate) async fn changed(&mut self) -> io::Result<()> {
        loop {
            match self.socket.recv_from_full().await {
                Ok((messages, _)) if concerns_us(&messages) => return Ok(()),
                Ok(_) => {}
                // More was announced than fits: anything may have changed.
                Err(error) if error.raw_os_error() == Some(NO_BUFFER_SPACE) => return Ok(()),
                Err(error) => return Err(error),
            }
        }
    }
}

/// Whether messages tell of something deleted in our table or iptables' one, or of a new chain in
/// the latter.
fn concerns_us(mut bytes: &[u8]) -> bool {
    while let Some(message) = first_message(bytes) {
        let table = table_of(message);
        let ours = table == Some(b"porthole");
        let theirs = table == Some(b"filter");
        let relevant = match message[4] {
            message::DELETE_TABLE | message::DELETE_CHAIN | message::DELETE_RULE => ours || theirs,
            message::DELETE_ELEMENT => ours,
            message::NEW_CHAIN => theirs,
            _ => false,
        };
        if relevant {
            return true;
        }
        bytes = bytes
            .get(message.len().next_multiple_of(4)..)
            .unwrap_or_default();
    }
    false
}

/// The first message of a datagram, with its header.
fn first_message(bytes: &[u8]) -> Option<&[u8]> {
    let length = u32::from_ne_bytes(*bytes.first_chunk()?) as usize;
    bytes
        .get(..length)
        .filter(|message| message.len() >= HEADER)
}

/// The name of the table that a message is about.
fn table_of(message: &[u8]) -> Option<&[u8]> {
    let mut rest = message.get(ATTRIBUTES..)?;
    loop {
        let [a, b, c, d] = *rest.first_chunk()?;
        let (length, kind) = (
            usize::from(u16::from_ne_bytes([a, b])),
            u16::from_ne_bytes([c, d]),
        );
        let value = rest.get(4..length)?;
        if kind == ATTRIBUTE_TABLE {
            return value.split(|byte| *byte == 0).next();
        }
        rest = rest.get(length.next_multiple_of(4)..)?;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(kind: u8, table: &str) -> Vec<u8> {
        let mut attribute = Vec::from(u16::try_from(5 + table.len()).unwrap().to_ne_bytes());
        attribute.extend(ATTRIBUTE_TABLE.to_ne_bytes());
        attribute.extend(table.bytes());
        attribute.push(0);
        attribute.resize(attribute.len().next_multiple_of(4), 0);
        let length = u32::try_from(ATTRIBUTES + attribute.len()).unwrap();
        let mut bytes = Vec::from(length.to_ne_bytes());
        bytes.extend([kind, 10]);
        bytes.resize(ATTRIBUTES, 0);
        bytes.extend(attribute);
        bytes
    }

    #[test]
    fn tells_what_concerns_us() {
        let table = [
            (message::DELETE_TABLE, "porthole", true),
            (message::DELETE_RULE, "porthole", true),
            (message::DELETE_ELEMENT, "porthole", true),
            (message::NEW_CHAIN, "porthole", false),
            (message::NEW_CHAIN, "filter", true),
            (message::DELETE_ELEMENT, "filter", false),
            (message::DELETE_TABLE, "nat", false),
        ];
        for (kind, name, relevant) in table {
            assert_eq!(concerns_us(&message(kind, name)), relevant, "{kind} {name}");
            let second = [message(0, "porthole"), message(kind, name)].concat();
            assert_eq!(
                concerns_us(&second),
                relevant,
                "{kind} {name} behind another"
            );
        }
    }

    proptest::proptest! {
        #[test]
        fn bears_any_bytes(bytes: Vec<u8>) {
            concerns_us(&bytes);
        }
    }
}
