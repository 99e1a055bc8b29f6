//! Errors of requests to a system.

use porthole_protocol::supervisor::Failure;

use crate::error::{Error, ErrorKind};
use crate::phase::Phase;
use crate::policy::Request;
use crate::service::snapshot::Shared;
use crate::wire::WireError;

/// The service's error for a request that the supervisor of `shared` did not carry out.
pub(crate) fn failed(shared: &Shared, request: Request, error: WireError) -> Error {
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
        error if error.is_an_end() => {
            let message = "the system ended while the operation was under way";
            shared
                .error(ErrorKind::UnexpectedExit, request, message)
                .with_source(error)
        }
        WireError::Connection(_)
        | WireError::OutOfTurn
        | WireError::Version(_)
        | WireError::Timeout(_) => shared
            .error(
                ErrorKind::Host,
                request,
                "the system's supervisor cannot be reached or failed",
            )
            .with_source(error),
    }
}

/// The error of a request that the phase does not allow.
pub(crate) fn denied(shared: &Shared, request: Request, kind: ErrorKind, phase: Phase) -> Error {
    shared.error(kind, request, format!("the system is {}", phase.name()))
}

pub(crate) fn overtaken(shared: &Shared, request: Request) -> Error {
    let phase = shared.phase();
    if phase.is_over() {
        ended_meanwhile(shared, request)
    } else {
        denied(shared, request, ErrorKind::InvalidState, phase)
    }
}

pub(crate) fn ended_meanwhile(shared: &Shared, request: Request) -> Error {
    let message = "the system ended while the operation was under way";
    shared.error(ErrorKind::UnexpectedExit, request, message)
}

pub(crate) fn not_written(shared: &Shared, request: Request, error: std::io::Error) -> Error {
    shared
        .error(
            ErrorKind::Host,
            request,
            "cannot write the service's own records",
        )
        .with_source(error)
}
