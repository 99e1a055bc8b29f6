//! The other end of a connection: whether it is still there.

use std::io;
use std::os::fd::AsFd;
use std::sync::Arc;

use tokio::io::Interest;
use tokio::net::UnixStream;

/// A client's end. HTTP hides the socket of an upgraded connection, and a client that has closed
/// its sending half looks there as one that has gone away does.
#[derive(Debug, Clone)]
pub(crate) struct Peer(Arc<std::os::unix::net::UnixStream>);

impl Peer {
    /// The peer of a connection.
    pub(crate) fn of(stream: &UnixStream) -> io::Result<Self> {
        let socket = stream.as_fd().try_clone_to_owned()?;
        Ok(Self(Arc::new(socket.into())))
    }

    /// Waits until the peer has closed both halves.
    pub(crate) async fn gone(self) {
        if self.watch().await.is_err() {
            // Without a watch, the next output finds out.
            std::future::pending::<()>().await;
        }
    }

    async fn watch(self) -> io::Result<()> {
        let socket = UnixStream::from_std(self.0.try_clone()?)?;
        while !socket.ready(Interest::WRITABLE).await?.is_write_closed() {
            // Nothing is written here: this only asks to be woken by the next change.
            let again = socket.try_io(Interest::WRITABLE, || -> io::Result<()> {
                Err(io::ErrorKind::WouldBlock.into())
            });
            debug_assert!(again.is_err());
        }
        Ok(())
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
        let gone = Peer::of(&ours).expect("a peer").gone();
        tokio::pin!(gone);
        theirs.shutdown().await.expect("a half to close");
        let early = tokio::time::timeout(Duration::from_millis(50), &mut gone).await;
        assert!(early.is_err(), "the other half is open");
        drop(theirs);
        tokio::time::timeout(Duration::from_secs(5), gone)
            .await
            .expect("both halves are closed");
    }
}
