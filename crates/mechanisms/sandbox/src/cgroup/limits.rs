//! What a silo may use at most.

use crate::error::{Result, SandboxError};

/// The accounting period of limits of processor time, in microseconds.
pub(super) const PERIOD_US: u64 = 100_000;

/// The least memory in bytes that a silo can be limited to: init, wineserver and agent need this.
pub const LEAST_MEMORY: u64 = 6 << 20;

/// Limits; `None` is unlimited.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct Limits {
    /// Bytes of memory.
    pub memory: Option<u64>,
    /// Processor time in seconds per second.
    pub processors: Option<f64>,
    /// Relative weight, 1 to 10000, of processor time under contention; 100 is usual.
    pub processor_weight: Option<u32>,
    /// Tasks.
    pub pids: Option<u64>,
}

impl Limits {
    pub(super) fn check(&self) -> Result<()> {
        let refuse = |what: &str, reason: &str| Err(SandboxError::invalid("limit", what, reason));
        match self {
            Self {
                memory: Some(bytes),
                ..
            } if *bytes < LEAST_MEMORY => refuse("memory", "a silo needs at least 6 MiB"),
            Self {
                processors: Some(share),
                ..
            } if !share.is_finite() || *share < 0.01 || *share > 100_000.0 => {
                refuse("processor time", "not between 0.01 and 100000 processors")
            }
            Self {
                processor_weight: Some(weight),
                ..
            } if !(1..=10_000).contains(weight) => {
                refuse("processor weight", "not between 1 and 10000")
            }
            Self { pids: Some(0), .. } => refuse("tasks", "there must be at least one"),
            _ => Ok(()),
        }
    }
}

/// Microseconds of each period for a share of processor time.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_sign_loss,
    reason = "checked limits"
)]
pub(super) fn quota_us(share: f64) -> String {
    ((share * 100_000.0).round() as u64).max(1000).to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn impossible_limits_are_refused_by_name() {
        for (limits, name) in [
            (
                Limits {
                    memory: Some(4096),
                    ..Limits::default()
                },
                "memory",
            ),
            (
                Limits {
                    processors: Some(f64::NAN),
                    ..Limits::default()
                },
                "processor time",
            ),
            (
                Limits {
                    processor_weight: Some(0),
                    ..Limits::default()
                },
                "processor weight",
            ),
            (
                Limits {
                    pids: Some(0),
                    ..Limits::default()
                },
                "tasks",
            ),
        ] {
            let error = limits.check().unwrap_err();
            assert_eq!(error.to_string(), format!("cannot limit {name}"));
        }
    }
}
