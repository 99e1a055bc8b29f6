//! What an operation or an event reports.

use serde::{Deserialize, Serialize};

use crate::properties::ExitType;

/// Why an operation failed: the document that HCS gives beside its `HRESULT`.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct ResultError {
    /// The `HRESULT`, as the signed number that Windows writes.
    pub error: i32,
    /// In words.
    pub error_message: String,
    /// Details, the innermost last.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub error_events: Vec<ErrorEvent>,
}

impl ResultError {
    /// A result for an `HRESULT` as it is usually written, for example `0x8037010e`.
    #[must_use]
    pub fn new(hresult: u32, message: impl Into<String>) -> Self {
        Self {
            error: hresult.cast_signed(),
            error_message: message.into(),
            error_events: Vec::new(),
        }
    }

    /// The `HRESULT` as it is usually written.
    #[must_use]
    pub const fn hresult(&self) -> u32 {
        self.error.cast_unsigned()
    }
}

/// A detail of a failure.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields, default)]
pub struct ErrorEvent {
    /// In words.
    pub message: String,
    /// The GUID of who reports it.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub provider: Option<String>,
    /// Its number for this kind of event.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub event_id: Option<u16>,
    /// Flags.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub flags: Option<u32>,
    /// Where it comes from.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub source: Option<String>,
}

/// How a system ended: the data of [`EventType::SystemExited`].
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub struct SystemExitStatus {
    /// The `HRESULT`, 0 for an orderly end.
    pub status: i32,
    /// How.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub exit_type: Option<ExitType>,
}

/// What an event reports (`HCS_EVENT_TYPE`).
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[non_exhaustive]
pub enum EventType {
    /// A system ended; the data is a [`SystemExitStatus`].
    SystemExited,
    /// A guest crashes.
    SystemCrashInitiated,
    /// A guest crashed.
    SystemCrashReport,
    /// A remote desktop's mode changed.
    SystemRdpEnhancedModeStateChanged,
    /// A silo's job is there.
    SystemSiloJobCreated,
    /// The connection to a guest is closed.
    SystemGuestConnectionClosed,
    /// A process ended; the data is a [`ProcessStatus`](crate::ProcessStatus).
    ProcessExited,
    /// An operation is over.
    OperationCallback,
    /// The service is gone.
    ServiceDisconnect,
}

impl EventType {
    /// All of them.
    pub const ALL: [Self; 9] = [
        Self::SystemExited,
        Self::SystemCrashInitiated,
        Self::SystemCrashReport,
        Self::SystemRdpEnhancedModeStateChanged,
        Self::SystemSiloJobCreated,
        Self::SystemGuestConnectionClosed,
        Self::ProcessExited,
        Self::OperationCallback,
        Self::ServiceDisconnect,
    ];

    /// Its number in HCS's interface.
    #[must_use]
    pub const fn number(self) -> u32 {
        match self {
            Self::SystemExited => 1,
            Self::SystemCrashInitiated => 2,
            Self::SystemCrashReport => 3,
            Self::SystemRdpEnhancedModeStateChanged => 4,
            Self::SystemSiloJobCreated => 5,
            Self::SystemGuestConnectionClosed => 6,
            Self::ProcessExited => 0x1_0000,
            Self::OperationCallback => 0x100_0000,
            Self::ServiceDisconnect => 0x200_0000,
        }
    }

    /// Its name in HCS's interface.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::SystemExited => "HcsEventSystemExited",
            Self::SystemCrashInitiated => "HcsEventSystemCrashInitiated",
            Self::SystemCrashReport => "HcsEventSystemCrashReport",
            Self::SystemRdpEnhancedModeStateChanged => "HcsEventSystemRdpEnhancedModeStateChanged",
            Self::SystemSiloJobCreated => "HcsEventSystemSiloJobCreated",
            Self::SystemGuestConnectionClosed => "HcsEventSystemGuestConnectionClosed",
            Self::ProcessExited => "HcsEventProcessExited",
            Self::OperationCallback => "HcsEventOperationCallback",
            Self::ServiceDisconnect => "HcsEventServiceDisconnect",
        }
    }

    /// The event of a number.
    #[must_use]
    pub fn from_number(number: u32) -> Option<Self> {
        Self::ALL.into_iter().find(|event| event.number() == number)
    }
}

#[cfg(test)]
mod tests {
    use super::{EventType, ResultError};

    #[test]
    fn results_are_written_as_windows_writes_them() {
        let result = ResultError::new(0x8037_010e, "no such system");
        let json = serde_json::to_string(&result).expect("plain data");
        assert_eq!(
            json,
            r#"{"Error":-2143878898,"ErrorMessage":"no such system"}"#
        );
        assert_eq!(result.hresult(), 0x8037_010e);
    }

    #[test]
    fn events_are_known_by_number() {
        for event in EventType::ALL {
            assert_eq!(EventType::from_number(event.number()), Some(event));
        }
        assert_eq!(EventType::from_number(7), None);
    }
}
