//! What a client hears of a layer that is on its way.

use std::time::Duration;

use crate::image::progress::{Meter, Reporter};

/// Tells of a layer's bytes, and of attempts that failed.
#[derive(Debug)]
pub(crate) struct Watch {
    meter: Meter,
    id: String,
    reporter: Reporter,
}

impl Watch {
    /// Of a layer of so many bytes; `status` is `Downloading` or `Pushing`.
    pub(crate) fn new(reporter: &Reporter, id: &str, status: &'static str, size: u64) -> Self {
        Self {
            meter: reporter.meter(id, status, Some(size)),
            id: id.to_owned(),
            reporter: reporter.clone(),
        }
    }
}

impl porthole_distribution::Progress for Watch {
    fn moved(&self, total: u64) {
        self.meter.set(total);
    }

    fn retrying(&self, delay: Duration, error: &porthole_distribution::Error) {
        tracing::info!(layer = self.id, %error, "a transfer is tried again");
        let seconds = delay.as_secs().max(1);
        self.reporter
            .layer_now(&self.id, format!("Retrying in {seconds} seconds"));
    }
}
