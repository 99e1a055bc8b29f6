//! The Compute Service (HCS): compute systems, their processes, states, errors and events.
//!
//! Reading order: [`system`] (the traits that the engine programs against), [`settings`] (what HCS
//! documents have no field for), [`error`] (HCS's own error codes).

pub mod error;
pub mod settings;
pub mod system;

pub use error::{Error, ErrorKind, Result};
