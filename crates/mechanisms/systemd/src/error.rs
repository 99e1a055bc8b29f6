//! What can go wrong between systemd and us.

use std::time::Duration;

/// What kind of thing went wrong.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[non_exhaustive]
pub enum ErrorKind {
    /// systemd cannot be reached.
    Unreachable,
    /// systemd refused.
    Refused,
    /// systemd took longer than this.
    TimedOut(Duration),
}

/// A request to systemd that failed.
#[derive(Debug, thiserror::Error)]
#[error("cannot {operation} {subject}: {}", self.reason())]
pub struct Error {
    kind: ErrorKind,
    operation: &'static str,
    subject: String,
    result: Option<String>,
    source: Option<zbus::Error>,
}

/// The result of a request to systemd.
pub type Result<T> = std::result::Result<T, Error>;

impl Error {
    pub(crate) fn new(
        kind: ErrorKind,
        operation: &'static str,
        subject: &str,
        source: zbus::Error,
    ) -> Self {
        Self {
            kind,
            operation,
            subject: subject.to_owned(),
            result: None,
            source: Some(source),
        }
    }

    /// A job that systemd took and that came to nothing, with systemd's word for how it ended.
    pub(crate) fn job(operation: &'static str, subject: &str, result: &str) -> Self {
        Self {
            kind: ErrorKind::Refused,
            operation,
            subject: subject.to_owned(),
            result: Some(result.to_owned()),
            source: None,
        }
    }

    pub(crate) fn late(operation: &'static str, subject: &str, patience: Duration) -> Self {
        Self {
            kind: ErrorKind::TimedOut(patience),
            operation,
            subject: subject.to_owned(),
            result: None,
            source: None,
        }
    }

    /// The kind.
    #[must_use]
    pub fn kind(&self) -> ErrorKind {
        self.kind
    }

    /// The error and what is behind it, in one line.
    #[must_use]
    pub fn chain(&self) -> String {
        match &self.source {
            Some(source) => format!("{self}: {source}"),
            None => self.to_string(),
        }
    }

    fn reason(&self) -> String {
        match (self.kind, &self.result) {
            (_, Some(result)) => format!("systemd's job ended as '{result}'"),
            (ErrorKind::TimedOut(patience), _) => {
                format!("systemd has not done it in {} s", patience.as_secs())
            }
            (ErrorKind::Unreachable, _) => "systemd cannot be reached".to_owned(),
            (ErrorKind::Refused, _) => "systemd refused".to_owned(),
        }
    }
}
