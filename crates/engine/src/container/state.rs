//! The state machine of a container.
//!
//! ```text
//!             start            main process runs          main process or system ends
//!   Created ────────▶ Starting ─────────────────▶ Running ───────────────────────────▶ Exited
//!    │  ▲                │ │  ▲                                                        │ │
//!    │  └─ failed, never ┘ │  └───────────────────────── start ────────────────────────┘ │
//!    │     ran before      └── failed, ran before ──────────▶ Exited                      │
//!    │ remove                                                                     remove │
//!    └──────────────────────────────▶ Removing ◀─────────────────────────────────────────┘
//!                                     │ failed ▲ remove
//!                                     ▼        │
//!                                      Dead ───┘                     (done: the record is gone)
//!
//!               pause                 unpause
//!   Running ──────────────▶ Paused ──────────────▶ Running
//!                             │ main process or system ends
//!                             └──────────────────────────────▶ Exited
//!
//!              to be started again                 start
//!   Running, ──────────────────────▶ Restarting ──────────▶ Starting
//!   Paused,                            │ stop
//!   Exited                             └──────────────────▶ Exited
//! ```
//! A container that is to be removed while it runs is killed first: `Removing` begins only when
//! nothing runs.

use serde::{Deserialize, Serialize};
use time::OffsetDateTime;

use crate::container::health::Health;

/// Where a container is in its life.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Phase {
    /// Made, never ran.
    Created,
    /// Being started; a client sees what it was before.
    Starting,
    /// Its main process runs.
    Running,
    /// Everything in it is stopped from running for a while.
    Paused,
    /// It ended, and its restart policy will start it again in a moment.
    Restarting,
    /// It ran and ended.
    Exited,
    /// Being removed.
    Removing,
    /// Its removal failed; only another removal is possible.
    Dead,
}

/// What moves a container from one phase to another.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    /// A start begins.
    Start,
    /// The main process runs.
    Started,
    /// The start failed and everything it made is undone.
    StartFailed,
    /// Everything in it is stopped from running.
    Pause,
    /// Everything in it runs again.
    Unpause,
    /// Nothing runs any more.
    Exit,
    /// Nothing runs any more, and it is to be started again.
    ExitAgain,
    /// It is not to be started again after all.
    GiveUp,
    /// A removal begins.
    Remove,
    /// The removal failed half-way.
    RemoveFailed,
}

/// A container's state.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct State {
    /// Where it is in its life.
    pub phase: Phase,
    /// The Windows process ID of the main process; 0 unless it runs.
    pub pid: u32,
    /// The last exit code, all 32 bits; after a failed start, 126, 127 or 128.
    pub exit_code: u32,
    /// Why the last start failed, or why it ended otherwise than by its main process.
    pub error: String,
    /// Whether the kernel killed a process for want of memory.
    pub oom_killed: bool,
    /// When it was last started.
    #[serde(with = "time::serde::rfc3339::option")]
    pub started_at: Option<OffsetDateTime>,
    /// When it last ended.
    #[serde(with = "time::serde::rfc3339::option")]
    pub finished_at: Option<OffsetDateTime>,
    /// How often it has ended; tells one run's end from the next.
    pub exits: u64,
    /// The compute service's ID of the main process while it runs.
    pub main_process: Option<u32>,
    /// Its health, once it has been started and if that is checked.
    #[serde(default)]
    pub health: Option<Health>,
}

impl State {
    /// The state of a new container.
    pub(crate) const fn created() -> Self {
        Self {
            phase: Phase::Created,
            pid: 0,
            exit_code: 0,
            error: String::new(),
            oom_killed: false,
            started_at: None,
            finished_at: None,
            exits: 0,
            main_process: None,
            health: None,
        }
    }

    /// Docker's word: `created`, `running`, `paused`, `restarting`, `exited`,
    /// `removing` or `dead`.
    #[must_use]
    pub const fn status(&self) -> &'static str {
        match self.phase {
            Phase::Created => "created",
            Phase::Starting if self.started_at.is_none() => "created",
            Phase::Starting | Phase::Exited => "exited",
            Phase::Running => "running",
            Phase::Paused => "paused",
            Phase::Restarting => "restarting",
            Phase::Removing => "removing",
            Phase::Dead => "dead",
        }
    }

    /// Docker's word for its health: `none`, `starting`, `healthy` or `unhealthy`.
    #[must_use]
    pub fn health_name(&self) -> &'static str {
        self.health
            .as_ref()
            .map_or("none", |health| health.status.name())
    }

    /// Whether it has a main process, paused or not.
    #[must_use]
    pub const fn is_running(&self) -> bool {
        matches!(self.phase, Phase::Running | Phase::Paused)
    }

    /// Whether it is paused.
    #[must_use]
    pub const fn is_paused(&self) -> bool {
        matches!(self.phase, Phase::Paused)
    }

    /// Whether its restart policy will start it in a moment.
    #[must_use]
    pub const fn is_restarting(&self) -> bool {
        matches!(self.phase, Phase::Restarting)
    }

    /// Whether clients see it as running: Docker says so of one between two runs, too.
    #[must_use]
    pub const fn is_up(&self) -> bool {
        self.is_running() || self.is_restarting()
    }

    /// Whether something of it runs, or is about to.
    #[must_use]
    pub const fn is_active(&self) -> bool {
        self.is_up() || matches!(self.phase, Phase::Starting)
    }

    /// The phase after `step`, or none where the step is not allowed.
    pub(crate) const fn after(&self, step: Step) -> Option<Phase> {
        match (self.phase, step) {
            (Phase::Created | Phase::Exited | Phase::Restarting, Step::Start) => {
                Some(Phase::Starting)
            }
            (Phase::Running | Phase::Paused | Phase::Exited, Step::ExitAgain) => {
                Some(Phase::Restarting)
            }
            (Phase::Starting, Step::Started) | (Phase::Paused, Step::Unpause) => {
                Some(Phase::Running)
            }
            (Phase::Running, Step::Pause) => Some(Phase::Paused),
            (Phase::Starting, Step::StartFailed) if self.started_at.is_none() => {
                Some(Phase::Created)
            }
            (Phase::Starting, Step::StartFailed)
            | (Phase::Running | Phase::Paused, Step::Exit)
            | (Phase::Restarting, Step::GiveUp) => Some(Phase::Exited),
            (Phase::Created | Phase::Exited | Phase::Dead, Step::Remove) => Some(Phase::Removing),
            (Phase::Removing, Step::RemoveFailed) => Some(Phase::Dead),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PHASES: [Phase; 8] = [
        Phase::Created,
        Phase::Starting,
        Phase::Running,
        Phase::Paused,
        Phase::Restarting,
        Phase::Exited,
        Phase::Removing,
        Phase::Dead,
    ];
    const STEPS: [Step; 10] = [
        Step::Start,
        Step::Started,
        Step::StartFailed,
        Step::Pause,
        Step::Unpause,
        Step::Exit,
        Step::ExitAgain,
        Step::GiveUp,
        Step::Remove,
        Step::RemoveFailed,
    ];

    fn state(phase: Phase, ran_before: bool) -> State {
        let started_at = ran_before.then_some(OffsetDateTime::UNIX_EPOCH);
        State {
            phase,
            started_at,
            ..State::created()
        }
    }

    #[test]
    fn the_transition_table_is_the_diagram() {
        // One row a phase, one column a step in the order of `STEPS`.
        let (c, s, r, p, a, e, m, d) = (
            Some(Phase::Created),
            Some(Phase::Starting),
            Some(Phase::Running),
            Some(Phase::Paused),
            Some(Phase::Restarting),
            Some(Phase::Exited),
            Some(Phase::Removing),
            Some(Phase::Dead),
        );
        let table = [
            [s, None, None, None, None, None, None, None, m, None],
            [None, r, c, None, None, None, None, None, None, None],
            [None, None, None, p, None, e, a, None, None, None],
            [None, None, None, None, r, e, a, None, None, None],
            [s, None, None, None, None, None, None, e, None, None],
            [s, None, None, None, None, None, a, None, m, None],
            [None, None, None, None, None, None, None, None, None, d],
            [None, None, None, None, None, None, None, None, m, None],
        ];
        for (phase, row) in PHASES.into_iter().zip(table) {
            for (step, expected) in STEPS.into_iter().zip(row) {
                assert_eq!(
                    state(phase, false).after(step),
                    expected,
                    "{phase:?} {step:?}"
                );
            }
        }
    }

    #[test]
    fn a_failed_start_goes_back_to_where_it_came_from() {
        assert_eq!(
            state(Phase::Starting, false).after(Step::StartFailed),
            Some(Phase::Created)
        );
        assert_eq!(
            state(Phase::Starting, true).after(Step::StartFailed),
            Some(Phase::Exited)
        );
    }

    #[test]
    fn a_starting_container_shows_what_it_was_before() {
        assert_eq!(state(Phase::Starting, false).status(), "created");
        assert_eq!(state(Phase::Starting, true).status(), "exited");
    }
}
