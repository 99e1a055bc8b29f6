//! How fast a silo's questions are answered.

use std::time::{Duration, Instant};

/// The stretch of time in which questions are counted.
const STRETCH: Duration = Duration::from_millis(100);

/// How many are answered in it: more than programs can start and ask in that time. The answers
/// are no part of the silo's share of the processors, so a program that did nothing but ask would
/// otherwise have a share of its supervisor's.
const MOST: u32 = 50;

/// Counts answers.
#[derive(Debug)]
pub(super) struct Pace {
    since: Instant,
    answered: u32,
}

impl Pace {
    pub(super) fn new(now: Instant) -> Self {
        Self {
            since: now,
            answered: 0,
        }
    }

    /// Counts an answer given at `now`. How long to leave the next question alone.
    pub(super) fn answered(&mut self, now: Instant) -> Duration {
        if now.duration_since(self.since) >= STRETCH {
            *self = Self::new(now);
        }
        self.answered += 1;
        if self.answered < MOST {
            Duration::ZERO
        } else {
            (self.since + STRETCH).duration_since(now)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn who_asks_without_end_waits_and_who_asks_at_times_does_not() {
        let start = Instant::now();
        let mut pace = Pace::new(start);
        for _ in 1..MOST {
            assert_eq!(pace.answered(start), Duration::ZERO);
        }
        let later = start + Duration::from_millis(40);
        assert_eq!(pace.answered(later), Duration::from_millis(60));
        assert_eq!(pace.answered(start + STRETCH), Duration::ZERO);
        let mut pace = Pace::new(start);
        for round in 0..10 * MOST {
            assert_eq!(pace.answered(start + STRETCH * round), Duration::ZERO);
        }
    }
}
