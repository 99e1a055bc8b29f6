//! What every part of the engine works with.

use std::sync::Arc;

use porthole_compute_service::system::ComputeService;

use crate::event::log::EventLog;
use crate::facts::{Facts, Installation};
use crate::file_watch::FileWatches;
use crate::image::pull::sharing::Fetches;
use crate::image::registry::Registries;
use crate::network::Network;
use crate::records::Records;
use crate::registry::Registry;

/// What every part of the engine works with.
pub(crate) struct Context {
    pub(crate) records: Records,
    pub(crate) compute: Arc<dyn ComputeService>,
    pub(crate) network: Arc<dyn Network>,
    pub(crate) registries: Registries,
    pub(crate) facts: Facts,
    pub(crate) installation: Arc<dyn Installation>,
    pub(crate) events: EventLog,
    pub(crate) containers: Registry,
    /// Layers that are fetched.
    pub(crate) fetches: Fetches,
    /// Directories of logs that are followed.
    pub(crate) watches: FileWatches,
}

impl std::fmt::Debug for Context {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Context")
            .field("facts", &self.facts)
            .finish_non_exhaustive()
    }
}
