//! Kernel packages, and the registry that a silo's wineserver reads.
//!
//! | module | job |
//! |---|---|
//! | [`build`] | which Wine builds fit each other |
//! | [`kernel`] | the installed kernel packages, and which one is current |
//! | [`environment`] | variables, paths and accounts of a silo, as seen from its Unix side |
//! | [`registry`] | the registry of an image's layers, merged once and cloned for each container; what a container changed in it |
//! | [`version`] | the version of Windows that programs see |

pub mod build;
pub mod environment;
mod error;
pub mod kernel;
pub mod registry;
pub mod version;

pub use build::{Variant, WineBuild, WineBuildMismatch};
pub use error::{Error, ErrorKind, Result};
pub use kernel::{KernelDescription, KernelPackage};
pub use registry::{CachedRegistry, Chain, RegistryCache};
pub use version::OsVersion;
