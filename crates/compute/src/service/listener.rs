//! Listens to a system's supervisor on behalf of its driver.

use std::io;
use std::sync::Arc;

use futures::{Stream, StreamExt};
use porthole_protocol::supervisor::Event;
use tokio::sync::mpsc;

use crate::service::order::Message;
use crate::service::snapshot::Shared;
use crate::timeout;
use crate::wire::{Connection, WireError};

/// Passes the supervisor's events on until it says the last one, or is dead. A connection that
/// merely breaks is made again, and one that cannot be made is tried again for as long as the
/// supervisor lives: a container does not end because this service cannot hear of it. What is said
/// twice does no harm.
pub(crate) async fn listen(shared: Arc<Shared>, outbox: mpsc::UnboundedSender<Message>) {
    let mut pause = timeout::POLL;
    while !outbox.is_closed() {
        match watch(&shared).await {
            Ok(mut events) => {
                while let Some(Ok(event)) = events.next().await {
                    pause = timeout::POLL;
                    let last = matches!(event, Event::SystemExited(_));
                    // Fails when the system was closed.
                    if outbox.send(Message::Event(event)).is_err() || last {
                        return;
                    }
                }
            }
            Err(_) if is_dead(&shared).await => {
                let _ = outbox.send(Message::Lost);
                return;
            }
            Err(error) => {
                let error: &dyn std::error::Error = &error;
                tracing::debug!(system = shared.id, error, "cannot listen to the supervisor");
            }
        }
        tokio::time::sleep(pause).await;
        if pause < timeout::LISTEN_AGAIN {
            pause = (pause * 2).min(timeout::LISTEN_AGAIN);
            if pause == timeout::LISTEN_AGAIN {
                tracing::warn!(system = shared.id, "the supervisor cannot be listened to");
            }
        }
    }
}

/// Whether there is certainly no supervisor any more.
async fn is_dead(shared: &Shared) -> bool {
    match shared.supervised.is_supervised().await {
        Ok(lives) => !lives,
        Err(error) => {
            tracing::warn!(system = shared.id, %error, "cannot tell whether the supervisor lives");
            false
        }
    }
}

async fn watch(
    shared: &Shared,
) -> Result<impl Stream<Item = io::Result<Event>> + Unpin, WireError> {
    let limit = timeout::SUPERVISOR_APPEARS;
    let watch = async {
        Connection::open(shared.supervised.connect().await?)
            .await?
            .watch()
            .await
    };
    tokio::time::timeout(limit, watch)
        .await
        .unwrap_or(Err(WireError::Timeout(limit.as_secs())))
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU32, Ordering};

    use porthole_protocol::supervisor::SiloUser;
    use tokio::sync::watch;

    use super::*;
    use crate::phase::Phase;
    use crate::service::snapshot::Snapshot;
    use crate::service::stub::Stub;

    #[tokio::test(start_paused = true)]
    async fn a_supervisor_that_cannot_be_reached_is_lost_only_when_it_is_dead() {
        let supervised = Arc::new(Stub {
            out_of_reach: AtomicU32::new(20),
            dies: true,
            ..Stub::default()
        });
        let shared = Arc::new(Shared {
            id: "c1".into(),
            owner: String::new(),
            user: SiloUser::ContainerUser,
            processors: 1,
            supervised: supervised.clone(),
            state: watch::Sender::new(Snapshot::new(Phase::Running)),
            next_key: AtomicU32::new(1),
        });
        let (outbox, mut inbox) = mpsc::unbounded_channel();
        tokio::spawn(listen(shared, outbox));
        assert!(matches!(inbox.recv().await, Some(Message::Lost)));
        assert_eq!(supervised.out_of_reach.load(Ordering::Relaxed), 0);
    }
}
