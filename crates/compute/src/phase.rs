//! The states a compute system passes through.
//!
//! ```text
//!   Created ──begin──▶ Starting ──started──▶ Running ◀──froze/thawed──▶ Paused
//!      │ │                │                     │                          │
//!      │ └──────end───────┴─────────end─────────┴───────────end────────────┤
//!      │                                                                   ▼
//!      └───────────────────────────close──────▶ Closed ◀──────close───── Stopped
//! ```
//! `Starting` shows as HCS's `Created`: HCS has no state for it. `Closed` is not seen from outside:
//! the system is no longer found.

use porthole_hcs::State;

/// Where a system is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Phase {
    /// Made, not started.
    Created,
    /// Its silo is being built.
    Starting,
    /// Processes can be created.
    Running,
    /// Frozen.
    Paused,
    /// Ended; its exit is recorded.
    Stopped,
    /// Forgotten.
    Closed,
}

/// What moves a system from one phase to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Change {
    /// Building has begun.
    Begin,
    /// The silo runs.
    Started,
    /// Every process is stopped from running.
    Froze,
    /// They run again.
    Thawed,
    /// The silo is gone, whatever the reason.
    End,
    /// The system is forgotten.
    Close,
}

impl Phase {
    /// All phases.
    pub const ALL: [Self; 6] = [
        Self::Created,
        Self::Starting,
        Self::Running,
        Self::Paused,
        Self::Stopped,
        Self::Closed,
    ];

    /// The phase after `change`, or none where the change cannot happen.
    #[must_use]
    pub const fn after(self, change: Change) -> Option<Self> {
        match (self, change) {
            (Self::Created, Change::Begin) => Some(Self::Starting),
            (Self::Starting, Change::Started) | (Self::Paused, Change::Thawed) => {
                Some(Self::Running)
            }
            (Self::Running, Change::Froze) => Some(Self::Paused),
            (Self::Created | Self::Starting | Self::Running | Self::Paused, Change::End) => {
                Some(Self::Stopped)
            }
            (Self::Created | Self::Stopped, Change::Close) => Some(Self::Closed),
            _ => None,
        }
    }

    /// The state as HCS names it.
    #[must_use]
    pub const fn hcs(self) -> State {
        match self {
            Self::Created | Self::Starting => State::Created,
            Self::Running => State::Running,
            Self::Paused => State::Paused,
            Self::Stopped => State::Stopped,
            Self::Closed => State::Unknown,
        }
    }

    /// The phase as messages name it.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Created => "created",
            Self::Starting => "starting",
            Self::Running => "running",
            Self::Paused => "paused",
            Self::Stopped => "stopped",
            Self::Closed => "closed",
        }
    }

    /// Whether the system has ended.
    #[must_use]
    pub const fn is_over(self) -> bool {
        matches!(self, Self::Stopped | Self::Closed)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_transition_is_the_drawn_one() {
        use Change::{Begin, Close, End, Froze, Started, Thawed};
        use Phase::{Closed, Created, Paused, Running, Starting, Stopped};
        let drawn = [
            (Created, Begin, Starting),
            (Created, End, Stopped),
            (Created, Close, Closed),
            (Starting, Started, Running),
            (Starting, End, Stopped),
            (Running, Froze, Paused),
            (Running, End, Stopped),
            (Paused, Thawed, Running),
            (Paused, End, Stopped),
            (Stopped, Close, Closed),
        ];
        for phase in Phase::ALL {
            for change in [Begin, Started, Froze, Thawed, End, Close] {
                let expected = drawn
                    .iter()
                    .find(|(from, by, _)| (*from, *by) == (phase, change))
                    .map(|(_, _, to)| *to);
                assert_eq!(phase.after(change), expected, "{phase:?} after {change:?}");
            }
        }
    }
}
