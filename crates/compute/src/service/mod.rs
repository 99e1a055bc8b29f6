//! The service over a back end: a table of systems, one task per system that owns its phase, and
//! the handles that implement the traits of [`crate::system`].
//!
//! Reading order: [`backend`] (what a back end must bring), `snapshot` (what is known of a
//! system), `driver` (the task), `system` and `process` (the handles), [`systems`] (the table).

pub mod backend;
pub(crate) mod call;
pub(crate) mod creation;
mod driver;
pub(crate) mod process;
mod recovery;
mod snapshot;
mod system;
pub mod systems;

pub use backend::{Backend, Note, Recovered, Supervised};
pub use systems::{StdioEndpoint, Systems};
