//! Requests that outlast the service: when the connection breaks they are made again, for the
//! service comes back with everything it knew. A request that was carried out before its answer
//! was lost is told by what the second one is answered.

use std::sync::atomic::Ordering;

use tokio::time::Instant;

use super::client::Client;
use crate::error::{Error, ErrorKind, Result};
use crate::timeout;

/// Asks, again and again while the service cannot be reached, for as long as it needs to come
/// back.
pub(super) async fn outlast<T, F>(client: &Client, ask: impl FnMut() -> F) -> Result<T>
where
    F: Future<Output = Result<T>>,
{
    ask_until_answered(client, ask).await.0
}

/// As [`outlast`]; where a *repeated* request is answered by `settled`, the first was carried out.
pub(super) async fn outlast_change<F>(
    client: &Client,
    settled: ErrorKind,
    ask: impl FnMut() -> F,
) -> Result<()>
where
    F: Future<Output = Result<()>>,
{
    match ask_until_answered(client, ask).await {
        (Err(error), true) if error.kind() == settled => Ok(()),
        (result, _) => result,
    }
}

/// As [`outlast`]; where a *repeated* request is refused in the system's state, `look` tells
/// whether that state is the one that was asked for.
pub(super) async fn outlast_transition<F, L>(
    client: &Client,
    ask: impl FnMut() -> F,
    look: impl FnOnce() -> L,
) -> Result<()>
where
    F: Future<Output = Result<()>>,
    L: Future<Output = Result<bool>>,
{
    match ask_until_answered(client, ask).await {
        (Err(error), true) if error.kind() == ErrorKind::InvalidState => match look().await {
            Ok(true) => Ok(()),
            _ => Err(error),
        },
        (result, _) => result,
    }
}

/// The answer, and whether it is to a request made again.
async fn ask_until_answered<T, F>(client: &Client, mut ask: impl FnMut() -> F) -> (Result<T>, bool)
where
    F: Future<Output = Result<T>>,
{
    let mut absence: Option<Absence> = None;
    loop {
        match ask().await {
            Err(error) if error.kind() == ErrorKind::ServiceNotAvailable => {
                let absence = absence.get_or_insert_with(|| Absence::begin(client));
                if let Err(error) = absence.go_on(client, error).await {
                    return (Err(error), true);
                }
            }
            result => return (result, absence.is_some()),
        }
    }
}

/// A time without the service.
struct Absence {
    since: Instant,
    /// How often a connection had been made before.
    connections: u64,
    pause: std::time::Duration,
}

impl Absence {
    fn begin(client: &Client) -> Self {
        let connections = client.connections.load(Ordering::Relaxed);
        Self {
            since: Instant::now(),
            connections,
            pause: timeout::POLL,
        }
    }

    /// Waits a little, or gives up with `error`. A service that came back and went again is
    /// another absence.
    async fn go_on(&mut self, client: &Client, error: Error) -> Result<()> {
        if client.connections.load(Ordering::Relaxed) != self.connections {
            *self = Self::begin(client);
        }
        if self.since.elapsed() > timeout::SERVICE_APPEARS {
            return Err(error);
        }
        tokio::time::sleep(self.pause).await;
        self.pause = (self.pause * 2).min(timeout::SERVICE_APPEARS / 10);
        Ok(())
    }
}
