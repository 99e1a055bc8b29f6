//! Choosing a subnet and giving out its addresses.

use std::collections::BTreeSet;
use std::net::Ipv4Addr;

use ipnet::Ipv4Net;

/// The first subnet that overlaps none of `taken`, or none.
///
/// Docker hands out 172.17.0.0/16 and up, so the search begins near the end of that range.
pub(crate) fn choose_subnet(taken: &[Ipv4Net]) -> Option<Ipv4Net> {
    let class_b = [
        30, 31, 29, 28, 27, 26, 25, 24, 23, 22, 21, 20, 19, 18, 17, 16,
    ];
    let candidates = class_b
        .into_iter()
        .map(|second| (Ipv4Addr::new(172, second, 0, 0), 16))
        .chain(
            (200..=255)
                .rev()
                .map(|second| (Ipv4Addr::new(10, second, 0, 0), 16)),
        )
        .chain(
            (0..=255)
                .rev()
                .map(|third| (Ipv4Addr::new(192, 168, third, 0), 24)),
        );
    let overlaps = |subnet: &Ipv4Net| {
        taken
            .iter()
            .any(|other| subnet.contains(&other.network()) || other.contains(&subnet.network()))
    };
    candidates
        .filter_map(|(address, length)| Ipv4Net::new(address, length).ok())
        .find(|subnet| !overlaps(subnet))
}

/// The first address of a subnet: the bridge's.
pub(crate) fn gateway(subnet: Ipv4Net) -> Ipv4Addr {
    Ipv4Addr::from(u32::from(subnet.network()) + 1)
}

/// A hardware address that follows from the address, so that neighbours' caches stay right when an
/// address is used again; locally administered.
pub(crate) fn mac_of(address: Ipv4Addr) -> [u8; 6] {
    let [a, b, c, d] = address.octets();
    [0x02, 0x50, a, b, c, d]
}

/// Which addresses of a subnet are in use.
#[derive(Debug)]
pub(crate) struct Leases {
    subnet: Ipv4Net,
    used: BTreeSet<Ipv4Addr>,
    last: Ipv4Addr,
}

impl Leases {
    pub(crate) fn new(subnet: Ipv4Net, used: impl IntoIterator<Item = Ipv4Addr>) -> Self {
        let used: BTreeSet<_> = used.into_iter().collect();
        let last = used.last().copied().unwrap_or_else(|| gateway(subnet));
        Self { subnet, used, last }
    }

    pub(crate) const fn subnet(&self) -> Ipv4Net {
        self.subnet
    }

    /// Gives out an address: the one after the last given, so that an address rests as long as
    /// possible before its next use.
    pub(crate) fn take(&mut self) -> Option<Ipv4Addr> {
        let gateway = u32::from(gateway(self.subnet));
        let end = u32::from(self.subnet.broadcast());
        if end <= gateway {
            return None;
        }
        let last = u32::from(self.last).clamp(gateway, end - 1);
        let address = (last + 1..end)
            .chain(gateway + 1..=last)
            .map(Ipv4Addr::from)
            .find(|address| !self.used.contains(address))?;
        self.used.insert(address);
        self.last = address;
        Some(address)
    }

    pub(crate) fn give_back(&mut self, address: Ipv4Addr) {
        self.used.remove(&address);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn net(text: &str) -> Ipv4Net {
        text.parse().unwrap()
    }

    #[test]
    fn chooses_a_subnet_that_overlaps_nothing() {
        assert_eq!(choose_subnet(&[]), Some(net("172.30.0.0/16")));
        assert_eq!(
            choose_subnet(&[net("172.30.5.0/24")]),
            Some(net("172.31.0.0/16"))
        );
        assert_eq!(
            choose_subnet(&[net("172.16.0.0/12")]),
            Some(net("10.255.0.0/16"))
        );
        assert_eq!(
            choose_subnet(&[net("172.16.0.0/12"), net("10.0.0.0/8")]),
            Some(net("192.168.255.0/24"))
        );
        assert_eq!(choose_subnet(&[net("0.0.0.0/0")]), None);
    }

    #[test]
    fn gives_out_every_address_once_and_the_last_freed_last() {
        let mut leases = Leases::new(net("10.0.0.0/29"), []);
        let taken: Vec<_> = std::iter::from_fn(|| leases.take()).collect();
        let expected: Vec<_> = (2..7).map(|last| Ipv4Addr::new(10, 0, 0, last)).collect();
        assert_eq!(taken, expected);
        leases.give_back(Ipv4Addr::new(10, 0, 0, 3));
        leases.give_back(Ipv4Addr::new(10, 0, 0, 6));
        assert_eq!(leases.take(), Some(Ipv4Addr::new(10, 0, 0, 3)));
        assert_eq!(leases.take(), Some(Ipv4Addr::new(10, 0, 0, 6)));
        assert_eq!(leases.take(), None);
    }

    #[test]
    fn a_subnet_without_room_has_no_address() {
        assert!(Leases::new(net("10.0.0.0/30"), []).take().is_some());
        for small in ["10.0.0.0/31", "10.0.0.1/32"] {
            assert_eq!(Leases::new(net(small), []).take(), None);
        }
    }

    #[test]
    fn continues_after_what_is_in_use() {
        let mut leases = Leases::new(net("10.0.0.0/24"), [Ipv4Addr::new(10, 0, 0, 9)]);
        assert_eq!(leases.take(), Some(Ipv4Addr::new(10, 0, 0, 10)));
    }
}
