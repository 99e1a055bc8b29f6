//! Execs: further processes in a running container.

pub mod record;
