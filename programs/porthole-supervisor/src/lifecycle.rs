//! The states of a silo.
//!
//! ```text
//! Waiting ──Start──▶ Starting ──Ready──▶ Running ◀──Pause/Resume──▶ Paused
//!    │                  │                   │                         │
//!    └──────────────────┴────────End────────┴─────────────────────────┘
//!                                 ▼
//!                              Ending ──Kill──▶ Dying ──Gone──▶ Ended
//!                                 └──────────Gone─────────────────▲
//! ```
//!
//! `End` is whatever ends a silo: its main process's exit, a request, a failure. A silo that loses
//! its first process is gone without having been killed.

/// A state.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum State {
    /// Nothing has been built yet.
    Waiting,
    /// Init builds, or the agent has not answered yet.
    Starting,
    /// Processes can be created.
    Running,
    /// Nothing runs.
    Paused,
    /// The registry is written.
    Ending,
    /// Everything has been killed.
    Dying,
    /// Nothing is left; the exit record is written.
    Ended,
}

/// What happens to a silo.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Change {
    Start,
    Ready,
    Pause,
    Resume,
    End,
    Kill,
    Gone,
}

impl State {
    /// The state after a change, if that can happen now.
    pub(crate) fn after(self, change: Change) -> Option<Self> {
        match (self, change) {
            (Self::Waiting, Change::Start) => Some(Self::Starting),
            (Self::Starting, Change::Ready) => Some(Self::Running),
            (Self::Running, Change::Pause) => Some(Self::Paused),
            (Self::Paused, Change::Resume) => Some(Self::Running),
            (Self::Waiting | Self::Starting | Self::Running | Self::Paused, Change::End) => {
                Some(Self::Ending)
            }
            (Self::Ending, Change::Kill) => Some(Self::Dying),
            (Self::Ending | Self::Dying, Change::Gone) => Some(Self::Ended),
            _ => None,
        }
    }

    /// The word for "the silo is …".
    pub(crate) fn describe(self) -> &'static str {
        match self {
            Self::Waiting => "not started",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Ending | Self::Dying => "ending",
            Self::Ended => "ended",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::{Change, State};

    #[test]
    fn the_transition_table_is_the_diagram() {
        use Change::{End, Gone, Kill, Pause, Ready, Resume, Start};
        use State::{Dying, Ended, Ending, Paused, Running, Starting, Waiting};
        let states = [Waiting, Starting, Running, Paused, Ending, Dying, Ended];
        let changes = [Start, Ready, Pause, Resume, End, Kill, Gone];
        let allowed = [
            (Waiting, Start, Starting),
            (Waiting, End, Ending),
            (Starting, Ready, Running),
            (Starting, End, Ending),
            (Running, Pause, Paused),
            (Running, End, Ending),
            (Paused, Resume, Running),
            (Paused, End, Ending),
            (Ending, Kill, Dying),
            (Ending, Gone, Ended),
            (Dying, Gone, Ended),
        ];
        for state in states {
            for change in changes {
                let expected = allowed
                    .iter()
                    .find(|(from, by, _)| (*from, *by) == (state, change))
                    .map(|(_, _, to)| *to);
                assert_eq!(state.after(change), expected, "{state:?} {change:?}");
            }
        }
    }
}
