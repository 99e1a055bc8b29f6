//! Who copies files into or out of a container, and what must not happen meanwhile.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{OwnedRwLockReadGuard, OwnedRwLockWriteGuard, RwLock, watch};

/// The copies of a container that are under way.
#[derive(Debug, Default)]
pub(crate) struct Copies {
    lock: Arc<RwLock<()>>,
    /// Whether somebody who ended them by [`Copies::end`] waits no longer.
    revoked: watch::Sender<bool>,
}

/// A copy that is under way; over when it is dropped.
#[derive(Debug)]
pub(crate) struct Copy {
    _lock: OwnedRwLockReadGuard<()>,
    revoked: watch::Receiver<bool>,
}

/// Nothing is copied until this is dropped.
#[derive(Debug)]
pub(crate) struct Alone(#[expect(dead_code, reason = "held")] OwnedRwLockWriteGuard<()>);

impl Copies {
    /// Begins to copy; waits for whoever is alone.
    pub(crate) async fn begin(&self) -> Copy {
        let lock = Arc::clone(&self.lock).read_owned().await;
        Copy {
            _lock: lock,
            revoked: self.revoked.subscribe(),
        }
    }

    /// Waits until nothing is copied; what still is after `patience` is told to break off.
    pub(crate) async fn end(&self, patience: Duration) -> Alone {
        let lock = Arc::clone(&self.lock).write_owned();
        tokio::pin!(lock);
        let in_time = tokio::time::timeout(patience, &mut lock).await;
        let lock = match in_time {
            Ok(lock) => lock,
            Err(_) => {
                self.revoked.send_replace(true);
                let lock = lock.await;
                // Before the next copy can begin.
                self.revoked.send_replace(false);
                lock
            }
        };
        Alone(lock)
    }
}

impl Copy {
    /// Resolves when the copy is to break off.
    pub(crate) async fn revoked(&mut self) {
        if self.revoked.wait_for(|revoked| *revoked).await.is_err() {
            // The container is gone, and with it whoever could wait.
            std::future::pending::<()>().await;
        }
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;

    use super::*;

    #[tokio::test]
    async fn who_does_not_end_in_time_is_told_to() {
        let copies = Arc::new(Copies::default());
        let (quick, mut slow) = (copies.begin().await, copies.begin().await);
        let ending = tokio::spawn({
            let copies = Arc::clone(&copies);
            async move { copies.end(Duration::ZERO).await }
        });
        drop(quick);
        slow.revoked().await;
        assert!(!ending.is_finished());
        drop(slow);
        let alone = ending.await.unwrap();
        let mut begin = Box::pin(copies.begin());
        assert!(begin.as_mut().now_or_never().is_none());
        drop(alone);
        // The next one is nobody's to end.
        assert!(begin.await.revoked().now_or_never().is_none());
    }
}
