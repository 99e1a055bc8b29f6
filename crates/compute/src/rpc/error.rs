//! Errors on the wire: HCS's code, the message and the causes in the status's details.

use std::fmt;

use prost::Message;
use tonic::{Code, Status};

use super::v1::ResultError;
use crate::error::{Error, ErrorKind};

/// The kinds with a code of their own.
const KINDS: [ErrorKind; 14] = [
    ErrorKind::SystemNotFound,
    ErrorKind::SystemAlreadyExists,
    ErrorKind::SystemAlreadyStopped,
    ErrorKind::InvalidState,
    ErrorKind::InvalidDocument,
    ErrorKind::InvalidLayer,
    ErrorKind::ImageMismatch,
    ErrorKind::IsolationNotAvailable,
    ErrorKind::ProcessAlreadyStopped,
    ErrorKind::ProcessNotFound,
    ErrorKind::UnexpectedExit,
    ErrorKind::ServiceNotAvailable,
    ErrorKind::NotSupported,
    ErrorKind::Host,
];

/// The status that reports `error`.
pub(super) fn into_status(error: &Error) -> Status {
    let windows_code = match error.kind() {
        ErrorKind::Windows(code) => Some(code),
        _ => None,
    };
    let detail = ResultError {
        hresult: error.kind().hresult(),
        operation: error.operation().to_owned(),
        message: error.message().to_owned(),
        causes: causes(error),
        windows_code,
    };
    let details = detail.encode_to_vec().into();
    Status::with_details(code(error.kind()), error.to_string(), details)
}

/// The error that `status` reports; one without details comes from the connection.
pub(super) fn from_status(operation: &str, status: Status) -> Error {
    match ResultError::decode(status.details()) {
        Ok(detail) if detail.hresult != 0 => {
            let kind = kind(&detail);
            let error = Error::new(kind, detail.operation, detail.message);
            match Cause::chain(detail.causes) {
                Some(cause) => error.with_source(cause),
                None => error,
            }
        }
        _ => {
            let kind = match status.code() {
                Code::InvalidArgument => ErrorKind::InvalidDocument,
                _ => ErrorKind::ServiceNotAvailable,
            };
            let message = "the compute service cannot be reached or broke off";
            Error::new(kind, operation, message).with_source(status)
        }
    }
}

fn kind(detail: &ResultError) -> ErrorKind {
    match detail.windows_code {
        Some(code) => ErrorKind::Windows(code),
        None => KINDS
            .into_iter()
            .find(|kind| kind.hresult() == detail.hresult)
            .unwrap_or(ErrorKind::Host),
    }
}

const fn code(kind: ErrorKind) -> Code {
    match kind {
        ErrorKind::SystemNotFound | ErrorKind::ProcessNotFound => Code::NotFound,
        ErrorKind::SystemAlreadyExists => Code::AlreadyExists,
        ErrorKind::SystemAlreadyStopped
        | ErrorKind::ProcessAlreadyStopped
        | ErrorKind::InvalidState
        | ErrorKind::ImageMismatch
        | ErrorKind::IsolationNotAvailable => Code::FailedPrecondition,
        ErrorKind::InvalidDocument | ErrorKind::InvalidLayer => Code::InvalidArgument,
        ErrorKind::UnexpectedExit => Code::Aborted,
        ErrorKind::ServiceNotAvailable => Code::Unavailable,
        ErrorKind::NotSupported => Code::Unimplemented,
        ErrorKind::Windows(_) => Code::Unknown,
        ErrorKind::Host => Code::Internal,
    }
}

fn causes(error: &Error) -> Vec<String> {
    let mut causes = Vec::new();
    let mut next = std::error::Error::source(error);
    while let Some(cause) = next {
        causes.push(cause.to_string());
        next = cause.source();
    }
    causes
}

/// A cause on the other side of the wire.
#[derive(Debug)]
struct Cause {
    message: String,
    source: Option<Box<Self>>,
}

impl Cause {
    fn chain(messages: Vec<String>) -> Option<Self> {
        messages.into_iter().rev().fold(None, |source, message| {
            Some(Self {
                message,
                source: source.map(Box::new),
            })
        })
    }
}

impl fmt::Display for Cause {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.message)
    }
}

impl std::error::Error for Cause {
    fn source(&self) -> Option<&(dyn std::error::Error + 'static)> {
        self.source.as_deref().map(|cause| cause as _)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_comes_back() {
        let windows = [2, 5, 50, 1168].map(ErrorKind::Windows);
        for kind in KINDS.into_iter().chain(windows) {
            let error = Error::new(kind, "Verb id", "why").with_source(Error::new(
                ErrorKind::Host,
                "inner",
                "cause",
            ));
            let back = from_status("other", into_status(&error));
            assert_eq!(back.kind(), kind);
            assert_eq!((back.operation(), back.message()), ("Verb id", "why"));
            let source = std::error::Error::source(&back).unwrap().to_string();
            assert!(source.contains("inner: cause"), "{source}");
        }
    }

    #[test]
    fn a_status_of_the_connection_is_an_unavailable_service() {
        let error = from_status("Verb", Status::unavailable("gone"));
        assert_eq!(error.kind(), ErrorKind::ServiceNotAvailable);
    }
}
