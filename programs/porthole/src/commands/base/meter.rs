//! A build's progress on the terminal; plain lines where there is none.

use std::io::IsTerminal;
use std::sync::{Mutex, PoisonError};

use indicatif::{ProgressBar, ProgressStyle};
use porthole_base::Progress;

use crate::output::remark;

/// Shows steps one after the other.
#[derive(Debug)]
pub(super) struct Meter {
    is_terminal: bool,
    current: Mutex<Option<ProgressBar>>,
}

impl Meter {
    /// One that has shown nothing.
    pub(super) fn new() -> Self {
        Self {
            is_terminal: std::io::stderr().is_terminal(),
            current: Mutex::new(None),
        }
    }

    /// Ends the last step.
    pub(super) fn finish(&self) {
        self.replace(None);
    }

    fn replace(&self, next: Option<ProgressBar>) {
        let mut current = self.current.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(before) = std::mem::replace(&mut *current, next) {
            before.finish();
        }
    }
}

impl Progress for Meter {
    fn begin(&self, step: &str, total: u64) {
        if !self.is_terminal {
            remark!("{step}");
            return;
        }
        let bar = if total == 0 {
            ProgressBar::new_spinner()
        } else {
            ProgressBar::new(total)
        };
        let template = if total == 0 {
            "{spinner} {msg}"
        } else {
            "{spinner} {msg:40} {bar:30} {bytes}/{total_bytes}"
        };
        // The templates are constant and sound; the default style would do otherwise.
        if let Ok(style) = ProgressStyle::with_template(template) {
            bar.set_style(style);
        }
        bar.set_message(step.to_owned());
        bar.enable_steady_tick(std::time::Duration::from_millis(120));
        self.replace(Some(bar));
    }

    fn advance(&self, amount: u64) {
        if let Some(bar) = &*self.current.lock().unwrap_or_else(PoisonError::into_inner) {
            bar.inc(amount);
        }
    }

    fn note(&self, message: &str) {
        match &*self.current.lock().unwrap_or_else(PoisonError::into_inner) {
            Some(bar) => bar.println(message),
            None => remark!("{message}"),
        }
    }
}
