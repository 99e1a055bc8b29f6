//! Listing containers.

use std::sync::Arc;

use crate::container::record::Container;
use crate::filter::Filters;

/// Which containers are wanted.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct ListContainers {
    /// Also those that do not run.
    pub all: bool,
    /// At most so many of the newest, running or not.
    pub limit: Option<usize>,
    /// Filters.
    pub filters: Filters,
}

/// A container in a list.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ContainerSummary {
    /// The container.
    pub container: Arc<Container>,
    /// The image as it is best named now: what the client gave, or the ID when that name has moved.
    pub image: String,
    /// Docker's sentence, for example `Exited (3) 5 minutes ago`.
    pub status: String,
}
