//! One request to a supervisor over a connection of its own, and what its failure means.

use std::time::Duration;

use porthole_protocol::supervisor::{Failure, Request, Response};

use crate::error::{Error, ErrorKind};
use crate::policy;
use crate::service::backend::Supervised;
use crate::service::snapshot::Shared;
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

/// The service's error for a request that the supervisor of `shared` did not carry out.
pub(crate) fn failed(shared: &Shared, request: policy::Request, error: WireError) -> Error {
    match error {
        WireError::Refused(Failure::Windows(windows)) => {
            let message = windows.message.clone();
            shared
                .error(ErrorKind::Windows(windows.code), request, message)
                .with_source(windows)
        }
        WireError::Refused(Failure::Host(chain)) => shared.error(ErrorKind::Host, request, chain),
        WireError::Refused(failure @ Failure::State(_)) => {
            shared.error(ErrorKind::InvalidState, request, failure.to_string())
        }
        WireError::Refused(failure @ Failure::NoSuchProcess) => shared.error(
            ErrorKind::ProcessAlreadyStopped,
            request,
            failure.to_string(),
        ),
        WireError::Connection(_) => {
            let message = "the system ended while the operation was under way";
            shared
                .error(ErrorKind::UnexpectedExit, request, message)
                .with_source(error)
        }
        WireError::OutOfTurn | WireError::Version(_) | WireError::Timeout(_) => shared
            .error(ErrorKind::Host, request, "the system's supervisor failed")
            .with_source(error),
    }
}
