//! Which request is allowed in which phase: a pure function, so that it can be read and tested as
//! a table.

use crate::error::ErrorKind;
use crate::phase::Phase;

/// A request, as far as the policy looks at it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Request {
    /// Start the system.
    Start,
    /// Ask its processes to end.
    ShutDown,
    /// Kill it.
    Terminate,
    /// Freeze it.
    Pause,
    /// Thaw it.
    Resume,
    /// Change it.
    Modify,
    /// Read its properties.
    GetProperties,
    /// Wait for its end.
    Wait,
    /// Forget it.
    Close,
    /// Start a process in it.
    CreateProcess,
    /// Signal, resize or terminate a process in it.
    ControlProcess,
}

/// What becomes of a request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Verdict {
    /// Carry it out.
    Accept,
    /// It already is as asked: answer success and do nothing.
    Ignore,
    /// Refuse it.
    Deny(Denial),
}

/// Why a request is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Denial {
    /// The phase does not allow it.
    WrongPhase,
    /// The system has ended.
    SystemStopped,
    /// The process has ended, as its system has.
    ProcessStopped,
    /// The system was closed.
    SystemGone,
}

impl Denial {
    /// The kind of error that reports it.
    #[must_use]
    pub const fn kind(self) -> ErrorKind {
        match self {
            Self::WrongPhase => ErrorKind::InvalidState,
            Self::SystemStopped => ErrorKind::SystemAlreadyStopped,
            Self::ProcessStopped => ErrorKind::ProcessAlreadyStopped,
            Self::SystemGone => ErrorKind::SystemNotFound,
        }
    }
}

impl Request {
    /// All requests.
    pub const ALL: [Self; 11] = [
        Self::Start,
        Self::ShutDown,
        Self::Terminate,
        Self::Pause,
        Self::Resume,
        Self::Modify,
        Self::GetProperties,
        Self::Wait,
        Self::Close,
        Self::CreateProcess,
        Self::ControlProcess,
    ];

    /// HCS's own verb.
    #[must_use]
    pub const fn verb(self) -> &'static str {
        match self {
            Self::Start => "StartComputeSystem",
            Self::ShutDown => "ShutDownComputeSystem",
            Self::Terminate => "TerminateComputeSystem",
            Self::Pause => "PauseComputeSystem",
            Self::Resume => "ResumeComputeSystem",
            Self::Modify => "ModifyComputeSystem",
            Self::GetProperties => "GetComputeSystemProperties",
            Self::Wait => "WaitForComputeSystemExit",
            Self::Close => "CloseComputeSystem",
            Self::CreateProcess => "CreateProcess",
            Self::ControlProcess => "ModifyProcess",
        }
    }
}

/// What becomes of `request` in `phase`.
#[must_use]
pub const fn decide(request: Request, phase: Phase) -> Verdict {
    use Verdict::{Accept, Deny, Ignore};
    match (request, phase) {
        (Request::Close, Phase::Closed) => Ignore,
        (_, Phase::Closed) => Deny(Denial::SystemGone),

        (Request::GetProperties | Request::Wait, _)
        | (Request::Start, Phase::Created)
        | (Request::Terminate, Phase::Created | Phase::Starting | Phase::Running | Phase::Paused)
        | (
            Request::ShutDown | Request::Pause | Request::CreateProcess | Request::ControlProcess,
            Phase::Running,
        )
        | (Request::Resume, Phase::Paused)
        | (Request::Modify, Phase::Running | Phase::Paused)
        | (Request::Close, Phase::Created | Phase::Stopped) => Accept,

        (Request::ShutDown | Request::Terminate, Phase::Stopped) => Deny(Denial::SystemStopped),
        (Request::ControlProcess, Phase::Stopped) => Deny(Denial::ProcessStopped),

        (
            Request::Start
            | Request::Pause
            | Request::Resume
            | Request::Modify
            | Request::CreateProcess,
            Phase::Stopped,
        )
        | (Request::Start | Request::Close, Phase::Starting | Phase::Running | Phase::Paused)
        | (
            Request::ShutDown | Request::Pause | Request::CreateProcess | Request::ControlProcess,
            Phase::Created | Phase::Starting | Phase::Paused,
        )
        | (Request::Resume, Phase::Created | Phase::Starting | Phase::Running)
        | (Request::Modify, Phase::Created | Phase::Starting) => Deny(Denial::WrongPhase),
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn request() -> impl Strategy<Value = Request> {
        proptest::sample::select(Request::ALL.to_vec())
    }

    #[test]
    fn the_table_of_accepted_requests() {
        let accepted = |phase| {
            Request::ALL
                .into_iter()
                .filter(|request| decide(*request, phase) == Verdict::Accept)
                .collect::<Vec<_>>()
        };
        use Request::{
            Close, ControlProcess, CreateProcess, GetProperties, Modify, Pause, Resume, ShutDown,
            Start, Terminate, Wait,
        };
        assert_eq!(
            accepted(Phase::Created),
            [Start, Terminate, GetProperties, Wait, Close]
        );
        assert_eq!(accepted(Phase::Starting), [Terminate, GetProperties, Wait]);
        assert_eq!(
            accepted(Phase::Running),
            [
                ShutDown,
                Terminate,
                Pause,
                Modify,
                GetProperties,
                Wait,
                CreateProcess,
                ControlProcess
            ]
        );
        assert_eq!(
            accepted(Phase::Paused),
            [Terminate, Resume, Modify, GetProperties, Wait]
        );
        assert_eq!(accepted(Phase::Stopped), [GetProperties, Wait, Close]);
        assert_eq!(accepted(Phase::Closed), []);
    }

    #[test]
    fn a_stopped_system_says_so() {
        for request in [Request::ShutDown, Request::Terminate] {
            let verdict = decide(request, Phase::Stopped);
            assert_eq!(verdict, Verdict::Deny(Denial::SystemStopped), "{request:?}");
        }
    }

    proptest! {
        #[test]
        fn a_closed_system_is_not_found(request in request()) {
            let expected = match request {
                Request::Close => Verdict::Ignore,
                _ => Verdict::Deny(Denial::SystemGone),
            };
            prop_assert_eq!(decide(request, Phase::Closed), expected);
        }

        #[test]
        fn what_is_alive_can_always_be_terminated(
            phase in proptest::sample::select(Phase::ALL.to_vec())
        ) {
            let accepted = decide(Request::Terminate, phase) == Verdict::Accept;
            prop_assert_eq!(accepted, !phase.is_over());
        }
    }
}
