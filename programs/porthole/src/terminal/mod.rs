//! This side's terminal, and what flows between it and a program in a container.

pub(crate) mod detach_keys;
pub(crate) mod raw;
pub(crate) mod session;
pub(crate) mod signals;
