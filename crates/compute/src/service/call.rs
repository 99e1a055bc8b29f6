//! One request to a supervisor, over a connection of its own.

use std::time::Duration;

use porthole_protocol::supervisor::{Request, Response};

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

const fn limit(request: &Request) -> Duration {
    match request {
        Request::Start | Request::CreateProcess(_) => timeout::START,
        Request::Terminate => timeout::TERMINATE,
        _ => timeout::REQUEST,
    }
}
