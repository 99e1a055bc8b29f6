//! Execs: further processes in a running container.

pub(crate) mod adopt;
pub(crate) mod create;
pub mod record;
pub(crate) mod start;
