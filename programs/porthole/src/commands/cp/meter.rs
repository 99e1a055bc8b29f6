//! How far a copy has come.

use std::io::IsTerminal;
use std::time::{Duration, Instant};

use indicatif::{DecimalBytes, ProgressBar, ProgressStyle};

use crate::output::remark;

/// Copies that are over sooner show nothing of themselves.
const QUIET_FOR: Duration = Duration::from_secs(1);

/// Counts bytes, and shows them on a terminal when it takes long.
pub(super) struct Meter {
    is_quiet: bool,
    bytes: u64,
    begun: Instant,
    bar: Option<ProgressBar>,
}

impl Meter {
    pub(super) fn new(is_quiet: bool) -> Self {
        Self {
            is_quiet,
            bytes: 0,
            begun: Instant::now(),
            bar: None,
        }
    }

    pub(super) fn advance(&mut self, bytes: usize) {
        self.bytes += bytes as u64;
        if self.bar.is_none()
            && !self.is_quiet
            && self.begun.elapsed() > QUIET_FOR
            && std::io::stderr().is_terminal()
        {
            let bar = ProgressBar::new_spinner();
            // The template is constant and sound; the default style would do otherwise.
            let style = "{spinner} {decimal_bytes} {decimal_bytes_per_sec}";
            if let Ok(style) = ProgressStyle::with_template(style) {
                bar.set_style(style);
            }
            self.bar = Some(bar);
        }
        if let Some(bar) = &self.bar {
            bar.set_position(self.bytes);
        }
    }

    /// Says that everything is copied, as docker does.
    pub(super) fn finish(self, to: &str) {
        if let Some(bar) = self.bar {
            bar.finish_and_clear();
        }
        if !self.is_quiet {
            let bytes = DecimalBytes(self.bytes);
            remark!("Successfully copied {bytes} to {to}");
        }
    }
}
