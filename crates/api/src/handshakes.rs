//! Who is at the door: connections that have not shown yet who they are. Strangers hold no more of
//! this host than these few places, and nobody can keep others out by holding them: where there is
//! no place left, the oldest connection gives way, that of the same source first.

use std::collections::BTreeMap;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::oneshot;

/// Handshakes at once.
const MAX: usize = 1024;

/// Those of one source.
const MAX_PER_SOURCE: usize = 256;

/// The handshakes that are under way.
#[derive(Debug, Default)]
pub(crate) struct Handshakes {
    places: Mutex<Places>,
}

#[derive(Debug, Default)]
struct Places {
    next: u64,
    /// By age.
    taken: BTreeMap<u64, Taken>,
    sources: BTreeMap<IpAddr, usize>,
}

#[derive(Debug)]
struct Taken {
    source: IpAddr,
    /// Its end tells the connection to go.
    _stays: oneshot::Sender<()>,
}

/// A place at the door, for as long as it is kept.
#[derive(Debug)]
pub(crate) struct Handshake {
    handshakes: Arc<Handshakes>,
    number: u64,
    stays: oneshot::Receiver<()>,
}

impl Handshakes {
    /// Takes a place for a connection from `address`; another one may lose its.
    pub(crate) fn begin(self: &Arc<Self>, address: IpAddr) -> Handshake {
        let source = source(address);
        let (sender, stays) = oneshot::channel();
        let mut places = self.lock();
        if places
            .sources
            .get(&source)
            .is_some_and(|count| *count >= MAX_PER_SOURCE)
        {
            places.remove_oldest(|taken| taken.source == source);
        } else if places.taken.len() >= MAX {
            places.remove_oldest(|_| true);
        }
        let number = places.next;
        places.next += 1;
        *places.sources.entry(source).or_default() += 1;
        let taken = Taken {
            source,
            _stays: sender,
        };
        places.taken.insert(number, taken);
        Handshake {
            handshakes: Arc::clone(self),
            number,
            stays,
        }
    }

    fn lock(&self) -> MutexGuard<'_, Places> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Places {
    fn remove_oldest(&mut self, of: impl Fn(&Taken) -> bool) {
        let oldest = self.taken.iter().find(|(_, taken)| of(taken));
        if let Some(number) = oldest.map(|(number, _)| *number) {
            self.remove(number);
        }
    }

    fn remove(&mut self, number: u64) {
        let Some(taken) = self.taken.remove(&number) else {
            return;
        };
        if let Some(count) = self.sources.get_mut(&taken.source) {
            *count -= 1;
            if *count == 0 {
                self.sources.remove(&taken.source);
            }
        }
    }
}

impl Handshake {
    /// Completes when the place is another connection's.
    pub(crate) async fn given_way(&mut self) {
        // Nothing is ever sent.
        let _ = (&mut self.stays).await;
    }
}

impl Drop for Handshake {
    fn drop(&mut self) {
        self.handshakes.lock().remove(self.number);
    }
}

/// Who an address counts as: a subscriber has 2^64 addresses of IPv6.
fn source(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V4(address) => address.into(),
        IpAddr::V6(address) => {
            Ipv6Addr::from_bits(address.to_bits() & !u128::from(u64::MAX)).into()
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[test]
    fn who_has_too_many_loses_his_own_oldest() {
        let handshakes = Arc::new(Handshakes::default());
        let mut other = handshakes.begin([192, 0, 2, 1].into());
        let mut many: Vec<_> = (0..=MAX_PER_SOURCE)
            .map(|_| handshakes.begin([192, 0, 2, 2].into()))
            .collect();
        assert!(many[0].given_way().now_or_never().is_some());
        assert!(many[1].given_way().now_or_never().is_none());
        assert!(other.given_way().now_or_never().is_none());
        drop(many);
        let places = handshakes.lock();
        assert_eq!((places.taken.len(), places.sources.len()), (1, 1));
    }

    #[test]
    fn when_all_places_are_taken_the_oldest_gives_way() {
        let handshakes = Arc::new(Handshakes::default());
        let places = u32::try_from(MAX).unwrap_or_default();
        let mut all: Vec<_> = (0..=places)
            .map(|number| handshakes.begin(std::net::Ipv4Addr::from_bits(number).into()))
            .collect();
        assert!(all[0].given_way().now_or_never().is_some());
        assert!(all[1].given_way().now_or_never().is_none());
    }

    #[test]
    fn a_network_of_ipv6_is_one_source() {
        let of = |text: &str| text.parse().map(source);
        assert_eq!(of("2001:db8::1"), of("2001:db8::ffff:1"));
        assert_ne!(of("2001:db8::1"), of("2001:db8:0:1::1"));
        assert_eq!(of("::ffff:192.0.2.1"), of("192.0.2.1"));
        assert_ne!(of("192.0.2.1"), of("192.0.2.2"));
    }
}
