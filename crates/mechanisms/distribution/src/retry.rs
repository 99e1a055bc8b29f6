//! Trying again what failed for a reason that may pass.

use std::time::Duration;

use crate::error::{Error, Result};
use crate::progress::Progress;
use crate::settings::Settings;

/// The longest pause between two attempts.
const MAX_PAUSE: Duration = Duration::from_secs(30);

/// How often something may still fail, and how long to wait until then.
#[derive(Debug)]
pub(crate) struct Attempts {
    left: u32,
    first: (u32, Duration),
    pause: Duration,
}

impl Attempts {
    pub(crate) fn new(settings: &Settings) -> Self {
        let left = settings.attempts.max(1) - 1;
        Self {
            left,
            first: (left, settings.pause),
            pause: settings.pause,
        }
    }

    /// Some of it was done: what fails from here on is counted anew.
    pub(crate) const fn renew(&mut self) {
        (self.left, self.pause) = self.first;
    }

    /// Waits after a failure that may pass; passes on one that cannot, or the last.
    pub(crate) async fn wait(
        &mut self,
        error: Error,
        may_pass: bool,
        progress: &dyn Progress,
    ) -> Result<()> {
        if !may_pass || self.left == 0 {
            return Err(error);
        }
        self.left -= 1;
        // Up to a quarter more, so that many clients do not come back in one moment.
        let pause = self.pause.mul_f64(1.0 + rand::random::<f64>() / 4.0);
        self.pause = (self.pause * 2).min(MAX_PAUSE);
        tracing::debug!(%error, ?pause, "trying again");
        progress.retrying(pause, &error);
        tokio::time::sleep(pause).await;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::error::ErrorKind;

    #[tokio::test]
    async fn attempts_end_and_progress_renews_them() {
        let mut attempts = Attempts::new(&Settings {
            attempts: 3,
            pause: Duration::ZERO,
            ..Settings::default()
        });
        let error = || Error::new(ErrorKind::Server, "x");
        assert!(attempts.wait(error(), false, &()).await.is_err());
        for _ in 0..2 {
            assert!(attempts.wait(error(), true, &()).await.is_ok());
        }
        assert!(attempts.wait(error(), true, &()).await.is_err());
        attempts.renew();
        assert!(attempts.wait(error(), true, &()).await.is_ok());
    }
}
