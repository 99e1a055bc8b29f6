//! Safe faces of the system calls that the agent makes, one module a facility.
//!
//! Only the modules below contain `unsafe`.

pub(crate) mod console;
pub(crate) mod cpu;
pub(crate) mod environment;
pub(crate) mod event;
pub(crate) mod file;
pub(crate) mod job;
pub(crate) mod nt;
pub(crate) mod overlapped;
pub(crate) mod pipe;
pub(crate) mod process;
pub(crate) mod registry;
pub(crate) mod save;
pub(crate) mod shared_data;
pub(crate) mod snapshot;
pub(crate) mod stack;
pub(crate) mod text;
pub(crate) mod wineserver;
mod wow64;
