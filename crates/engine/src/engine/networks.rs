//! What clients ask about networks.

use crate::engine::Engine;
use crate::error::Result;
use crate::filter::Filters;
use crate::network::NetworkRecord;
use crate::network::directory::{self, NetworkDetails};

impl Engine {
    /// Networks.
    ///
    /// # Errors
    /// `InvalidParameter` for a filter.
    pub fn list_networks(&self, filters: &Filters) -> Result<Vec<NetworkRecord>> {
        directory::list(&self.context, filters)
    }

    /// A network and the containers in it.
    ///
    /// # Errors
    /// `NotFound`; `InvalidParameter` when several IDs begin so.
    pub fn inspect_network(&self, name: &str) -> Result<NetworkDetails> {
        directory::details(&self.context, name)
    }

    /// Removes a network.
    ///
    /// # Errors
    /// `NotFound`; `Forbidden` for `nat` and `none`, which are all there are.
    pub fn remove_network(&self, name: &str) -> Result<()> {
        directory::remove(&self.context, name)
    }
}
