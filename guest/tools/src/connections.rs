//! Sockets as `netstat` shows them, read from the tables of `GetExtendedTcpTable` and
//! `GetExtendedUdpTable`, which are words of 32 bits: their number of rows, then the rows.

use std::fmt::Write as _;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

/// A kind of table.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Kind {
    /// TCP, else UDP.
    pub is_tcp: bool,
    /// IPv6, else IPv4.
    pub is_ipv6: bool,
}

/// A socket.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Socket {
    /// The table that it stands in.
    pub kind: Kind,
    /// Its own address.
    pub local: SocketAddr,
    /// The other end's, of TCP.
    pub remote: Option<SocketAddr>,
    /// `MIB_TCP_STATE_…`, of TCP.
    pub state: u32,
    /// The process that holds it.
    pub pid: u32,
}

/// `MIB_TCP_STATE_LISTEN`.
const LISTEN: u32 = 2;

/// Windows' words for `MIB_TCP_STATE_…`, from 1 on.
const STATES: [&str; 12] = [
    "CLOSED",
    "LISTENING",
    "SYN_SENT",
    "SYN_RECEIVED",
    "ESTABLISHED",
    "FIN_WAIT_1",
    "FIN_WAIT_2",
    "CLOSE_WAIT",
    "CLOSING",
    "LAST_ACK",
    "TIME_WAIT",
    "DELETE_TCB",
];

impl Kind {
    /// All kinds, in `netstat`'s order.
    pub const ALL: [Self; 4] = [
        Self::new(true, false),
        Self::new(true, true),
        Self::new(false, false),
        Self::new(false, true),
    ];

    const fn new(is_tcp: bool, is_ipv6: bool) -> Self {
        Self { is_tcp, is_ipv6 }
    }

    /// The kind that `-p` names.
    #[must_use]
    pub fn of_name(name: &str) -> Option<Self> {
        Self::ALL
            .into_iter()
            .find(|kind| kind.name().eq_ignore_ascii_case(name))
    }

    /// For example `TCPv6`.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match (self.is_tcp, self.is_ipv6) {
            (true, false) => "TCP",
            (true, true) => "TCPv6",
            (false, false) => "UDP",
            (false, true) => "UDPv6",
        }
    }

    /// Words of an end: its address, for IPv6 the scope, and its port.
    const fn end(self) -> usize {
        if self.is_ipv6 { 6 } else { 2 }
    }

    const fn row(self) -> usize {
        match self.is_tcp {
            true => 2 * self.end() + 2,
            false => self.end() + 1,
        }
    }

    /// The sockets of a table of this kind.
    #[must_use]
    pub fn read(self, table: &[u32]) -> Vec<Socket> {
        let Some((&count, rows)) = table.split_first() else {
            return Vec::new();
        };
        let rows = rows.chunks_exact(self.row());
        let count = usize::try_from(count).unwrap_or(0);
        rows.take(count).map(|row| self.socket(row)).collect()
    }

    fn socket(self, row: &[u32]) -> Socket {
        // The state comes first in rows of IPv4, and after the ends in those of IPv6.
        let ends = usize::from(self.is_tcp && !self.is_ipv6);
        let (local, rest) = row[ends..].split_at(self.end());
        let remote = self.is_tcp.then(|| self.address(&rest[..self.end()]));
        let state = match self {
            Kind { is_tcp: false, .. } => 0,
            Kind { is_ipv6: false, .. } => row[0],
            Kind { .. } => rest[self.end()],
        };
        Socket {
            kind: self,
            local: self.address(local),
            remote,
            state,
            pid: row[row.len() - 1],
        }
    }

    /// Addresses and ports are in the network's order.
    fn address(self, end: &[u32]) -> SocketAddr {
        let port = end[end.len() - 1].to_le_bytes();
        let port = u16::from_be_bytes([port[0], port[1]]);
        let mut bytes = [0; 16];
        for (place, word) in bytes.chunks_exact_mut(4).zip(end) {
            place.copy_from_slice(&word.to_le_bytes());
        }
        let ip = if self.is_ipv6 {
            IpAddr::V6(Ipv6Addr::from(bytes))
        } else {
            IpAddr::V4(Ipv4Addr::new(bytes[0], bytes[1], bytes[2], bytes[3]))
        };
        SocketAddr::new(ip, port)
    }
}

impl Socket {
    /// Whether it is shown only when all are: it listens, or has no other end.
    #[must_use]
    pub const fn is_passive(&self) -> bool {
        !self.kind.is_tcp || self.state == LISTEN
    }
}

/// The sockets as `netstat` lists them; with the process IDs when `with_pid`.
#[must_use]
pub fn table(sockets: &[Socket], with_pid: bool) -> String {
    let mut text = String::from("\nActive Connections\n\n");
    let mut line = |cells: [&str; 5]| {
        let [protocol, local, remote, state, pid] = cells;
        let line = format!("  {protocol:<6} {local:<22} {remote:<22} {state:<15} {pid}");
        // Writing to a string cannot fail.
        let _ = writeln!(text, "{}", line.trim_end());
    };
    let pid_title = if with_pid { "PID" } else { "" };
    line([
        "Proto",
        "Local Address",
        "Foreign Address",
        "State",
        pid_title,
    ]);
    for socket in sockets {
        let remote = socket.remote.map(|remote| remote.to_string());
        let index = usize::try_from(socket.state).unwrap_or(0).wrapping_sub(1);
        let pid = if with_pid {
            socket.pid.to_string()
        } else {
            String::new()
        };
        line([
            if socket.kind.is_tcp { "TCP" } else { "UDP" },
            &socket.local.to_string(),
            remote.as_deref().unwrap_or("*:*"),
            STATES.get(index).unwrap_or(&""),
            &pid,
        ]);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    /// A port as a table has it.
    fn port(port: u16) -> u32 {
        u32::from(port.to_be())
    }

    #[test]
    fn tables_of_both_versions_read() {
        let local = u32::from_le_bytes([127, 0, 0, 1]);
        let table = [
            2,
            5,
            local,
            port(80),
            local,
            port(4000),
            7,
            2,
            0,
            port(22),
            0,
            0,
            8,
            9,
            9,
        ];
        let sockets = Kind::new(true, false).read(&table);
        assert_eq!(sockets.len(), 2);
        assert_eq!(sockets[0].local.to_string(), "127.0.0.1:80");
        assert_eq!(sockets[0].remote.unwrap().to_string(), "127.0.0.1:4000");
        assert_eq!((sockets[0].state, sockets[0].pid), (5, 7));
        assert!(sockets[1].is_passive() && !sockets[0].is_passive());

        let one = u32::from_le_bytes([0, 0, 0, 1]);
        let table = [1, 0, 0, 0, one, 0, port(80), 0, 0, 0, 0, 0, 0, 2, 9];
        let sockets = Kind::new(true, true).read(&table);
        assert_eq!(sockets[0].local.to_string(), "[::1]:80");
        assert_eq!((sockets[0].state, sockets[0].pid), (2, 9));

        let sockets = Kind::new(false, false).read(&[1, 0, port(53), 4]);
        assert_eq!(sockets[0].local.to_string(), "0.0.0.0:53");
        assert_eq!((sockets[0].remote, sockets[0].pid), (None, 4));
        let sockets = Kind::new(false, true).read(&[1, 0, 0, 0, 0, 0, port(53), 4]);
        assert_eq!(sockets[0].local.to_string(), "[::]:53");
    }

    #[test]
    fn a_table_that_is_cut_short_has_fewer_rows() {
        assert_eq!(Kind::new(true, false).read(&[3, 5, 0, 0]), []);
        assert_eq!(Kind::new(false, false).read(&[]), []);
    }

    #[test]
    fn connections_are_listed_as_windows_lists_them() {
        let mut sockets = Kind::new(true, false).read(&[1, 2, 0, port(7777), 0, 0, 44]);
        sockets.extend(Kind::new(false, false).read(&[1, 0, port(53), 4]));
        assert_eq!(
            table(&sockets, true),
            "\nActive Connections\n\n\
             \x20 Proto  Local Address          Foreign Address        State           PID\n\
             \x20 TCP    0.0.0.0:7777           0.0.0.0:0              LISTENING       44\n\
             \x20 UDP    0.0.0.0:53             *:*                                    4\n"
        );
        assert!(table(&sockets, false).contains("LISTENING\n"));
    }
}
