//! The time, and points in time at which something is due.

use std::time::{Duration, Instant, SystemTime, UNIX_EPOCH};

/// Nanoseconds since 1970-01-01 UTC.
pub(crate) fn nanoseconds_since_1970() -> i64 {
    let since = SystemTime::now()
        .duration_since(UNIX_EPOCH)
        .unwrap_or_default();
    i64::try_from(since.as_nanos()).unwrap_or(i64::MAX)
}

/// A time, or never.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub(crate) struct Deadline(Option<Instant>);

impl Deadline {
    /// Not ever.
    pub(crate) const NEVER: Self = Self(None);

    /// This long from now.
    pub(crate) fn after(time: Duration) -> Self {
        Self(Some(Instant::now() + time))
    }

    /// Whether the time has come.
    pub(crate) fn is_due(self) -> bool {
        self.0.is_some_and(|time| time <= Instant::now())
    }

    /// Whether there is a time.
    pub(crate) fn is_set(self) -> bool {
        self.0.is_some()
    }

    /// The earlier of two.
    pub(crate) fn or_earlier(self, other: Self) -> Self {
        match (self.0, other.0) {
            (Some(one), Some(two)) => Self(Some(one.min(two))),
            (one, two) => Self(one.or(two)),
        }
    }

    /// How long to wait for it; nothing for ever.
    pub(crate) fn timeout(self) -> Option<Duration> {
        // One tick late rather than a round too early.
        let tick = Duration::from_millis(1);
        self.0
            .map(|time| time.saturating_duration_since(Instant::now()) + tick)
    }
}
