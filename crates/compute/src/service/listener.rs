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

/// Passes the supervisor's events on until it says the last one, or is gone. A connection that
/// merely breaks is made again; what is then said twice does no harm.
pub(crate) async fn listen(shared: Arc<Shared>, outbox: mpsc::UnboundedSender<Message>) {
    loop {
        let connected = tokio::time::timeout(timeout::SUPERVISOR_APPEARS, watch(&shared)).await;
        let mut events = match connected {
            Ok(Ok(events)) => events,
            Ok(Err(error)) => {
                let error: &dyn std::error::Error = &error;
                tracing::debug!(system = shared.id, error, "no supervisor");
                break;
            }
            Err(_) => {
                tracing::warn!(system = shared.id, "the supervisor does not answer");
                break;
            }
        };
        while let Some(Ok(event)) = events.next().await {
            let last = matches!(event, Event::SystemExited(_));
            // Fails when the system was closed.
            if outbox.send(Message::Event(event)).is_err() || last {
                return;
            }
        }
        tokio::time::sleep(timeout::POLL).await;
    }
    let _ = outbox.send(Message::Lost);
}

async fn watch(
    shared: &Shared,
) -> Result<impl Stream<Item = io::Result<Event>> + Unpin, WireError> {
    Connection::open(shared.supervised.connect().await?)
        .await?
        .watch()
        .await
}
