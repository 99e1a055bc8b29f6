//! What Docker means: containers, execs, images, events.
//!
//! The engine names no HTTP, no Wine and no cgroups: it programs against the Compute Service's
//! traits, the store, and the trait [`network::Network`]. Its types are its own; the API converts.
//!
//! Reading order: [`engine`] (the door), [`container`] (records, the state machine, the task that
//! owns it), [`exec`], [`image`], [`event`].

pub mod attachment;
pub mod container;
mod context;
pub mod engine;
pub mod error;
pub mod event;
pub mod exec;
pub mod facts;
pub mod fake;
mod file_watch;
pub mod filter;
pub mod image;
mod moment;
pub mod network;
mod patience;
pub mod pipe;
mod process_error;
pub mod pruned;
mod records;
mod registry;
mod signal;
mod text;
pub mod usage;

pub use engine::{Engine, Parts};
pub use error::{Error, ErrorKind, Result};
