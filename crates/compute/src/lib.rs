//! The Compute Service (HCS): compute systems, their processes, states, errors and events.
//!
//! Reading order: [`system`] (the traits that the engine programs against), [`settings`] (what HCS
//! documents have no field for), [`error`] (HCS's own error codes), [`phase`] and [`policy`] (the
//! states, and which request is allowed in which), [`document`] (what is supported), [`service`]
//! (the service over a back end), [`rpc`] (the same over gRPC), [`silo`] and [`fake`] (the back
//! ends).

pub mod document;
pub mod error;
pub mod fake;
pub mod files;
pub mod launch;
pub mod limits;
pub mod phase;
pub mod policy;
mod process_document;
mod properties;
pub mod registry;
pub mod rpc;
pub mod service;
pub mod settings;
pub mod silo;
mod socket;
pub mod system;
mod timeout;
pub mod wire;

pub use error::{Error, ErrorKind, Result};
