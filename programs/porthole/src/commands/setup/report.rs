//! What was done, one line each.

use anyhow::{Context, Result};
use serde::Serialize;

use crate::output::say;

/// How a step ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "lowercase")]
pub(super) enum State {
    /// Something was changed.
    Done,
    /// It was as it should be.
    Unchanged,
    /// It would be changed (`--dry-run`).
    Planned,
    /// It stays, for it is not ours or has been edited.
    Kept,
    /// It cannot be done on this machine.
    Skipped,
}

/// One step.
#[derive(Debug, Clone, Serialize)]
pub(super) struct Step {
    /// What it was about.
    pub(super) what: String,
    /// How it ended.
    pub(super) state: State,
    /// Why, where that needs saying.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub(super) detail: Option<String>,
}

/// The steps, printed as they come unless they are to be JSON.
#[derive(Debug)]
pub(super) struct Report {
    dry: bool,
    silent: bool,
    without_service: bool,
    steps: Vec<Step>,
}

impl Report {
    pub(super) fn new(dry: bool, silent: bool) -> Self {
        Self {
            dry,
            silent,
            without_service: false,
            steps: Vec::new(),
        }
    }

    /// All steps so far.
    pub(super) fn steps(&self) -> &[Step] {
        &self.steps
    }

    /// Whether nothing is to be changed.
    pub(super) fn is_dry(&self) -> bool {
        self.dry
    }

    /// Does a step, or only says so. Tells whether it was done.
    pub(super) fn change(
        &mut self,
        what: impl Into<String>,
        work: impl FnOnce() -> Result<()>,
    ) -> Result<bool> {
        let what = what.into();
        if self.dry {
            self.add(what, State::Planned, None);
            return Ok(false);
        }
        work().with_context(|| format!("{what}: failed"))?;
        self.add(what, State::Done, None);
        Ok(true)
    }

    /// Does a step that may be refused: then what it is about stays, for the reason given. Tells
    /// whether it was done.
    pub(super) fn attempt(
        &mut self,
        what: impl Into<String>,
        work: impl FnOnce() -> Result<()>,
    ) -> bool {
        let what = what.into();
        if self.dry {
            self.add(what, State::Planned, None);
            return false;
        }
        let (state, detail) = match work() {
            Ok(()) => (State::Done, None),
            Err(refusal) => (State::Kept, Some(format!("{refusal:#}"))),
        };
        self.add(what, state, detail);
        state == State::Done
    }

    /// Nothing had to be done.
    pub(super) fn unchanged(&mut self, what: impl Into<String>) {
        self.add(what.into(), State::Unchanged, None);
    }

    /// Something stays, for this reason.
    pub(super) fn kept(&mut self, what: impl Into<String>, why: impl Into<String>) {
        self.add(what.into(), State::Kept, Some(why.into()));
    }

    /// Something cannot be done, for this reason.
    pub(super) fn skipped(&mut self, what: impl Into<String>, why: impl Into<String>) {
        self.add(what.into(), State::Skipped, Some(why.into()));
    }

    /// The service cannot be set up, for this reason.
    pub(super) fn no_service(&mut self, what: impl Into<String>, why: impl Into<String>) {
        self.without_service = true;
        self.skipped(what, why);
    }

    /// Whether all was done but the service.
    pub(super) fn lacks_service(&self) -> bool {
        self.without_service
    }

    fn add(&mut self, what: String, state: State, detail: Option<String>) {
        if !self.silent {
            let word = match state {
                State::Done => "done",
                State::Unchanged => "ok",
                State::Planned => "would",
                State::Kept => "kept",
                State::Skipped => "skip",
            };
            // A reader that has gone stops no set-up half way.
            let _ = match &detail {
                Some(detail) => say!("  {word:<6} {what}: {detail}"),
                None => say!("  {word:<6} {what}"),
            };
        }
        self.steps.push(Step {
            what,
            state,
            detail,
        });
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_refused_is_not_said_to_be_done() {
        let mut report = Report::new(false, true);
        assert!(report.attempt("one", || Ok(())));
        assert!(!report.attempt("two", || anyhow::bail!("it is in use")));
        let states = report.steps().iter().map(|step| step.state);
        assert!(states.eq([State::Done, State::Kept]));
        let mut dry = Report::new(true, true);
        assert!(!dry.attempt("three", || anyhow::bail!("it was tried")));
        assert_eq!(dry.steps()[0].state, State::Planned);
    }
}
