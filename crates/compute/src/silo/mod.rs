//! Process isolation: a silo on the current kernel package, built and owned by a supervisor of its
//! own.
//!
//! What is kept of a system lies in its run directory, so that a service process that takes over
//! finds everything there (see [`directory`]); the supervisor lives on meanwhile.
//!
//! | module | job |
//! |---|---|
//! | [`directory`] | the run directory's files |
//! | `image` | kernel package, layers and registry, checked and made ready |
//! | `place` | where the cgroup is |
//! | `registry` | the container's registry, and what it changed in it |
//! | `spec` | from the plan to what the supervisor is told |
//! | `spawn` | starts the supervisor |
//! | `files` | starts the program that copies files |
//! | `supervised` | one system |
//! | `leftovers` | ends what has lost its supervisor |

mod backend;
pub mod directory;
mod files;
mod image;
mod leftovers;
mod place;
mod registry;
mod root_certificates;
mod spawn;
mod spec;
mod supervised;

pub use backend::{SiloBackend, SiloConfig};
