//! The engine's values as Docker's JSON.
//!
//! Members that dockerd gives as null or empty are there too: clients index into them. The tests
//! read each answer back into the models of the published API.

pub(crate) mod changes;
pub(crate) mod container;
pub(crate) mod event;
pub(crate) mod exec;
mod host_config;
pub(crate) mod image;
mod mount;
mod network;
pub(crate) mod network_details;
pub(crate) mod path_stat;
pub(crate) mod progress;
pub(crate) mod registry;
pub(crate) mod stats;
pub(crate) mod summary;
pub(crate) mod system;
pub(crate) mod usage;
