//! What end-to-end tests and `cargo xtask` share: a server of this build, the docker client that
//! is there, a registry of images, and the state of the host.

pub mod certificates;
pub mod docker;
pub mod host;
pub mod registry;
pub mod server;
