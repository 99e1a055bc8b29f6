//! Wall times of repeated commands: medians and ninth deciles, never a mean.

use std::time::{Duration, Instant};

use anyhow::Result;

/// Wall times of one command.
#[derive(Debug, Clone, Default)]
pub(crate) struct Times(Vec<Duration>);

/// Runs `work` `runs` times back to back, after one run that warms the page cache.
pub(crate) fn repeat(runs: usize, mut work: impl FnMut() -> Result<()>) -> Result<Times> {
    work()?;
    let mut times = Times::default();
    for _ in 0..runs {
        let start = Instant::now();
        work()?;
        times.push(start.elapsed());
    }
    Ok(times)
}

impl Times {
    pub(crate) fn push(&mut self, time: Duration) {
        self.0.push(time);
        self.0.sort();
    }

    /// The time that this share of the runs did not exceed.
    fn quantile(&self, share: f64) -> Duration {
        let last = self.0.len().saturating_sub(1);
        let index = (0..=last).find(|&index| (index + 1) as f64 >= share * self.0.len() as f64);
        index
            .and_then(|index| self.0.get(index))
            .copied()
            .unwrap_or_default()
    }

    /// Median and ninth decile, as two cells of a table, in milliseconds.
    pub(crate) fn cells(&self) -> String {
        format!(
            "{:.0} ms | {:.0} ms",
            self.quantile(0.5).as_secs_f64() * 1e3,
            self.quantile(0.9).as_secs_f64() * 1e3
        )
    }

    /// How many times as long this takes as `other`.
    pub(crate) fn median_ratio(&self, other: &Self) -> f64 {
        self.quantile(0.5).as_secs_f64() / other.quantile(0.5).as_secs_f64()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn quantiles_of_known_times() {
        let mut times = Times::default();
        for milliseconds in [10, 50, 20, 40, 30, 60, 70, 80, 90, 100] {
            times.push(Duration::from_millis(milliseconds));
        }
        assert_eq!(times.cells(), "50 ms | 90 ms");
        assert!((times.median_ratio(&times) - 1.0).abs() < 1e-9);
    }
}
