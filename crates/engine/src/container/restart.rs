//! Restart policies: whether a container that has ended is started again, and after what pause.

use std::pin::Pin;
use std::time::Duration;

use time::OffsetDateTime;
use tokio::time::Sleep;

use crate::container::config::RestartPolicy;
use crate::container::record::Container;
use crate::container::state::Step;
use crate::container::task::Task;
use crate::error::{Error, ErrorKind, Result};

/// The first pause. It and the other two are moby's (`restartmanager`).
const FIRST: Duration = Duration::from_millis(100);

/// The longest pause.
const LONGEST: Duration = Duration::from_secs(60);

/// A run of this length was a good one: the next pause is the first again.
const GOOD_RUN: Duration = Duration::from_secs(10);

/// The pauses between runs, each twice as long as the one before.
#[derive(Debug, Default)]
pub(crate) struct Backoff(Option<Duration>);

impl Backoff {
    /// The pause after a run.
    fn after(&mut self, run: Duration) -> Duration {
        let next = match self.0.filter(|_| run < GOOD_RUN) {
            Some(last) => (last * 2).min(LONGEST),
            None => FIRST,
        };
        self.0 = Some(next);
        next
    }
}

/// A start that is to come.
#[derive(Debug)]
pub(crate) struct NextStart {
    pause: Pin<Box<Sleep>>,
    /// How often the policy has then started the container.
    restarts: u32,
}

impl NextStart {
    fn after(pause: Duration, restarts: u32) -> Self {
        Self {
            pause: Box::pin(tokio::time::sleep(pause)),
            restarts,
        }
    }
}

/// Waits until a start is due; gives how often the policy has then started the container.
pub(crate) async fn is_due(start: &mut Option<NextStart>) -> u32 {
    match start {
        Some(start) => {
            start.pause.as_mut().await;
            start.restarts
        }
        None => std::future::pending().await,
    }
}

/// Whether a container that has ended with this exit code is started again.
pub(crate) fn is_wanted(container: &Container, exit_code: u32) -> bool {
    if container.ended_by_client {
        return false;
    }
    match container.host.restart {
        RestartPolicy::No => false,
        RestartPolicy::Always | RestartPolicy::UnlessStopped => true,
        RestartPolicy::OnFailure(most) => {
            exit_code != 0 && (most == 0 || container.restarts < most)
        }
    }
}

/// Whether a container that does not run is started with the engine.
pub(crate) fn is_wanted_at_start(container: &Container) -> bool {
    let always = container.host.restart == RestartPolicy::Always;
    let state = &container.state;
    state.started_at.is_some() && (always || is_wanted(container, state.exit_code))
}

impl Task {
    /// Has the container started again, after a pause that grows with each bad run.
    pub(super) fn start_again_after(&mut self, container: &Container) {
        let state = &container.state;
        let ran = match (state.started_at, state.finished_at) {
            (Some(start), Some(end)) => Duration::try_from(end - start).unwrap_or_default(),
            _ => Duration::ZERO,
        };
        let pause = self.backoff.after(ran);
        self.again = Some(NextStart::after(pause, container.restarts + 1));
    }

    /// Has a container that an earlier engine left started at once.
    pub(super) async fn start_with_the_engine(&mut self) {
        if !self.read().state.is_restarting() {
            self.handle.ledger.record(Step::ExitAgain, |_| ()).await;
        }
        // It counts from the beginning, as under moby: reboots are no failures of the program.
        self.again = Some(NextStart::after(Duration::ZERO, 0));
    }

    /// The pause is over.
    pub(super) async fn start_again(&mut self, restarts: u32) {
        self.again = None;
        let started = self.begin(|container| container.restarts = restarts).await;
        if let Err(error) = started {
            tracing::error!(container = self.handle.id, %error, "cannot start the container again");
            // A start that could not even be recorded is no last word: the disk may have room again.
            let container = self.read();
            if container.state.is_restarting() {
                self.start_again_after(&container);
            }
        }
    }

    /// A client does not want the container that is about to be started again.
    pub(super) async fn give_up_restart(&mut self) -> Result<()> {
        if !self.read().state.is_restarting() {
            return Err(Error::new(
                ErrorKind::NotModified,
                "container is not restarting",
            ));
        }
        self.again = None;
        let end = |container: &mut Container| {
            container.ended_by_client = true;
            container.state.finished_at = Some(OffsetDateTime::now_utc());
        };
        self.handle.ledger.record(Step::GiveUp, end).await;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_a_minute_and_begin_anew_after_a_good_run() {
        let mut backoff = Backoff::default();
        let pauses: Vec<_> = (0..12)
            .map(|_| backoff.after(Duration::from_secs(1)).as_millis())
            .collect();
        assert_eq!(
            pauses,
            [
                100, 200, 400, 800, 1600, 3200, 6400, 12800, 25600, 51200, 60000, 60000
            ]
        );
        assert_eq!(backoff.after(GOOD_RUN), FIRST);
    }
}
