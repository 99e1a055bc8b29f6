//! The service over a back end: a table of systems, one task per system that owns its phase, and
//! the handles that implement the traits of [`crate::system`].
//!
//! Reading order: [`backend`] (what a back end must bring), `snapshot` (what is known of a
//! system), `order` and `driver` (the task), `listener` (what it hears of the supervisor),
//! `creation` (starting processes), `system` and `process` (the handles), `recovery` (taking over
//! from an earlier service process), [`systems`] (the table).

pub mod backend;
pub(crate) mod call;
pub(crate) mod creation;
mod driver;
mod failure;
mod listener;
mod order;
pub(crate) mod process;
mod recovery;
mod snapshot;
#[cfg(test)]
mod stub;
mod system;
pub mod systems;

pub use backend::{Backend, Note, Recovered, Supervised};
pub use systems::{StdioEndpoint, Systems};
