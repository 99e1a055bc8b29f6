//! One request to a supervisor, over a connection of its own.

use std::time::Duration;

use porthole_protocol::supervisor::{Request, Response};
use tokio::time::Instant;

use crate::service::backend::Supervised;
use crate::timeout;
use crate::wire::{Connection, WireError};

/// Sends `request` and waits for its answer, at most as long as requests of its kind may take.
pub(crate) async fn call(
    supervised: &dyn Supervised,
    request: &Request,
) -> Result<Response, WireError> {
    let limit = limit(request);
    let exchange = async {
        let mut connection = Connection::open(supervised.connect().await?).await?;
        connection.request(request).await
    };
    match tokio::time::timeout(limit, exchange).await {
        Ok(result) => result,
        Err(_) => Err(WireError::Timeout(limit.as_secs())),
    }
}

/// Has the supervisor terminate its silo; asks again for as long as one lives that cannot be
/// reached, because nobody else is told to.
pub(crate) async fn terminate(supervised: &dyn Supervised) -> Result<(), WireError> {
    let limit = timeout::TERMINATE;
    let deadline = Instant::now() + limit;
    loop {
        let outcome = call(supervised, &Request::Terminate).await;
        let is_out_of_reach = matches!(outcome, Err(WireError::Connection(_)))
            && supervised.is_supervised().await.unwrap_or(true);
        if !is_out_of_reach {
            return outcome.map(drop);
        }
        if Instant::now() >= deadline {
            return Err(WireError::Timeout(limit.as_secs()));
        }
        tokio::time::sleep(timeout::POLL * 10).await;
    }
}

const fn limit(request: &Request) -> Duration {
    match request {
        Request::Start | Request::CreateProcess(_) => timeout::START,
        Request::Terminate => timeout::TERMINATE,
        _ => timeout::REQUEST,
    }
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::AtomicU32;

    use super::*;
    use crate::service::stub::Stub;

    #[tokio::test(start_paused = true)]
    async fn a_supervisor_that_cannot_be_reached_is_asked_again_to_terminate() {
        let supervised = Stub {
            out_of_reach: AtomicU32::new(3),
            ..Stub::default()
        };
        let outcome = terminate(&supervised).await;
        assert!(matches!(outcome, Err(WireError::Timeout(_))));
        assert_eq!(*supervised.asked.lock().unwrap(), [Request::Terminate]);
    }
}
