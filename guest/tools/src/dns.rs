//! DNS messages for `nslookup`: one question out, the answers in.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

/// Record types that are asked for and read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// An IPv4 address.
    A,
    /// An alias.
    Cname,
    /// The name of an address.
    Ptr,
    /// An IPv6 address.
    Aaaa,
}

impl Kind {
    const fn code(self) -> u16 {
        match self {
            Self::A => 1,
            Self::Cname => 5,
            Self::Ptr => 12,
            Self::Aaaa => 28,
        }
    }
}

/// What a server answered.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Answer {
    /// The response code: 0 is success, 3 that there is no such name.
    pub code: u8,
    /// Whether the server is authoritative.
    pub authoritative: bool,
    /// Addresses, in order.
    pub addresses: Vec<IpAddr>,
    /// Names: aliases and pointers.
    pub names: Vec<String>,
}

/// A query for `name`. `None` when it is no valid name.
#[must_use]
pub fn query(id: u16, name: &str, kind: Kind) -> Option<Vec<u8>> {
    let mut message = Vec::with_capacity(32 + name.len());
    message.extend(id.to_be_bytes());
    message.extend([1, 0, 0, 1, 0, 0, 0, 0, 0, 0]);
    for label in name.trim_end_matches('.').split('.') {
        let length = u8::try_from(label.len())
            .ok()
            .filter(|length| (1..64).contains(length))?;
        message.push(length);
        message.extend(label.bytes());
    }
    message.push(0);
    message.extend(kind.code().to_be_bytes());
    message.extend([0, 1]);
    (message.len() <= 12 + 255 + 4).then_some(message)
}

/// The name under which an address is looked up.
#[must_use]
pub fn reverse_name(address: IpAddr) -> String {
    match address {
        IpAddr::V4(address) => {
            let [a, b, c, d] = address.octets();
            format!("{d}.{c}.{b}.{a}.in-addr.arpa")
        }
        IpAddr::V6(address) => {
            let mut name = String::new();
            for byte in address.octets().iter().rev() {
                name.push_str(&format!("{:x}.{:x}.", byte & 15, byte >> 4));
            }
            name + "ip6.arpa"
        }
    }
}

/// Reads a response to the query `id`. `None` when it is malformed or another's.
#[must_use]
pub fn read(message: &[u8], id: u16) -> Option<Answer> {
    let half = |at: usize| {
        Some(u16::from_be_bytes([
            *message.get(at)?,
            *message.get(at + 1)?,
        ]))
    };
    if half(0)? != id || message.get(2)? & 0x80 == 0 {
        return None;
    }
    let mut answer = Answer {
        code: message.get(3)? & 15,
        authoritative: message[2] & 4 != 0,
        addresses: Vec::new(),
        names: Vec::new(),
    };
    let mut at = 12;
    for _ in 0..half(4)? {
        at = name(message, at)?.1 + 4;
    }
    for _ in 0..half(6)? {
        at = name(message, at)?.1;
        let (kind, length) = (half(at)?, usize::from(half(at + 8)?));
        let data = message.get(at + 10..at + 10 + length)?;
        match kind {
            1 => answer
                .addresses
                .push(IpAddr::V4(Ipv4Addr::from(<[u8; 4]>::try_from(data).ok()?))),
            28 => answer
                .addresses
                .push(IpAddr::V6(Ipv6Addr::from(<[u8; 16]>::try_from(data).ok()?))),
            5 | 12 => answer.names.push(name(message, at + 10)?.0),
            _ => {}
        }
        at += 10 + length;
    }
    Some(answer)
}

/// The name at `at`, and where what follows it begins. Pointers may lead back at most 32 times.
fn name(message: &[u8], mut at: usize) -> Option<(String, usize)> {
    let mut labels = Vec::new();
    let mut after = None;
    for _ in 0..128 {
        let length = usize::from(*message.get(at)?);
        if length == 0 {
            return Some((labels.join("."), after.unwrap_or(at + 1)));
        }
        if length & 0xc0 == 0xc0 {
            after.get_or_insert(at + 2);
            at = (length & 0x3f) << 8 | usize::from(*message.get(at + 1)?);
        } else {
            let label = message.get(at + 1..at + 1 + length)?;
            labels.push(String::from_utf8_lossy(label).into_owned());
            at += 1 + length;
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_answer_with_a_pointer_reads() {
        let mut message = query(7, "a.example", Kind::A).expect("a valid name");
        message[2] |= 0x80;
        message[7] = 2;
        message.extend([0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 1, 0, 4, 1, b'b', 0xc0, 14]);
        message.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4, 192, 0, 2, 1]);
        let answer = read(&message, 7).expect("an answer");
        assert_eq!(answer.names, ["b.example"]);
        assert_eq!(answer.addresses, [IpAddr::from([192, 0, 2, 1])]);
        assert_eq!(read(&message, 8), None);
    }

    #[test]
    fn hostile_messages_are_refused() {
        let mut looped = query(1, "a", Kind::A).expect("a valid name");
        looped[2] |= 0x80;
        looped[7] = 1;
        let at = looped.len();
        looped.extend([0xc0, u8::try_from(at).expect("short")]);
        assert_eq!(read(&looped, 1), None);
        for length in 0..looped.len() {
            let _ = read(&looped[..length], 1);
        }
        assert_eq!(query(1, "..", Kind::A), None);
        assert_eq!(query(1, &"a.".repeat(200), Kind::A), None);
    }

    #[test]
    fn addresses_reverse() {
        assert_eq!(
            reverse_name(IpAddr::from([192, 0, 2, 1])),
            "1.2.0.192.in-addr.arpa"
        );
        assert!(reverse_name("::1".parse().expect("an address")).starts_with("1.0.0."));
    }
}
