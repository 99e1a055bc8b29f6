//! The other end of a connection: whether it is still there.

use std::io;
use std::os::fd::{AsFd, OwnedFd};
use std::sync::Arc;

use tokio::io::Interest;
use tokio::net::UnixStream;
use tokio::sync::OwnedSemaphorePermit;

/// What shows that a client has left.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Departure {
    /// Both halves are closed: one alone may be the end of its input.
    BothHalves,
    /// The sending half is closed: TLS ends an input by a message of its own.
    FirstHalf,
}

/// A client's end. HTTP hides the socket of an upgraded connection, and a client that has closed
/// its sending half looks there as one that has gone away does.
#[derive(Debug, Clone)]
pub(crate) struct Peer {
    socket: Arc<OwnedFd>,
    departure: Departure,
    /// Over TCP, its place among the connections that are counted: streams outlast their HTTP.
    place: Option<Arc<OwnedSemaphorePermit>>,
}

impl Peer {
    /// The peer of a connection.
    pub(crate) fn new(stream: &impl AsFd, departure: Departure) -> io::Result<Self> {
        let socket = Arc::new(stream.as_fd().try_clone_to_owned()?);
        Ok(Self {
            socket,
            departure,
            place: None,
        })
    }

    /// Takes a place among the connections for as long as anybody knows this peer.
    pub(crate) fn holding(mut self, place: OwnedSemaphorePermit) -> Self {
        self.place = Some(Arc::new(place));
        self
    }

    /// Whether it comes over TCP, where a web page can send it.
    pub(crate) const fn is_over_tcp(&self) -> bool {
        self.place.is_some()
    }

    /// Waits until the peer has left.
    pub(crate) async fn gone(self) {
        if self.watch().await.is_err() {
            // Without a watch, the next output finds out.
            std::future::pending::<()>().await;
        }
    }

    async fn watch(self) -> io::Result<()> {
        let interest = match self.departure {
            Departure::BothHalves => Interest::WRITABLE,
            Departure::FirstHalf => Interest::READABLE,
        };
        // A descriptor of its own, for the runtime watches the connection's already. Whatever kind
        // of socket it is: nothing but its readiness is asked for.
        let socket = UnixStream::from_std(self.socket.try_clone()?.into())?;
        loop {
            let ready = socket.ready(interest).await?;
            let closed = match self.departure {
                Departure::BothHalves => ready.is_write_closed(),
                Departure::FirstHalf => ready.is_read_closed(),
            };
            if closed {
                return Ok(());
            }
            // Nothing is read or written here: this only asks to be woken by the next change.
            let again = socket.try_io(interest, || -> io::Result<()> {
                Err(io::ErrorKind::WouldBlock.into())
            });
            debug_assert!(again.is_err());
        }
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use tokio::io::AsyncWriteExt;

    use super::*;

    #[tokio::test]
    async fn a_closed_half_is_no_going_away() {
        let (ours, mut theirs) = UnixStream::pair().expect("a pair of sockets");
        let peer = Peer::new(&ours, Departure::BothHalves).expect("a peer");
        let gone = peer.gone();
        tokio::pin!(gone);
        theirs.shutdown().await.expect("a half to close");
        let early = tokio::time::timeout(Duration::from_millis(50), &mut gone).await;
        assert!(early.is_err(), "the other half is open");
        drop(theirs);
        tokio::time::timeout(Duration::from_secs(5), gone)
            .await
            .expect("both halves are closed");
    }

    #[tokio::test]
    async fn over_tls_a_closed_half_is_a_going_away() {
        let (ours, mut theirs) = UnixStream::pair().expect("a pair of sockets");
        theirs.write_all(b"unread").await.expect("room");
        let peer = Peer::new(&ours, Departure::FirstHalf).expect("a peer");
        let gone = peer.gone();
        tokio::pin!(gone);
        let early = tokio::time::timeout(Duration::from_millis(50), &mut gone).await;
        assert!(early.is_err(), "nothing is closed");
        theirs.shutdown().await.expect("a half to close");
        tokio::time::timeout(Duration::from_secs(5), gone)
            .await
            .expect("the sending half is closed");
    }
}
