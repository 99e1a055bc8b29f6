//! The streams of processes: FIFOs in the silo's run directory, moved to and from clients and
//! into logs.
//!
//! Back-pressure is passed on, as in Docker: when an attached client does not read, its queue
//! fills up to [`QUEUE_LIMIT`], then the process's streams are read no further, the FIFO fills, and
//! the program's writes wait. A process that has exited no longer waits for anybody: what is left
//! in its FIFOs, at most their capacity, is read regardless.

mod fifo;
mod input;
mod output;
mod pump;
mod recorder;

pub(crate) use fifo::Fifos;
pub(crate) use input::Input;
pub(crate) use output::Output;
pub(crate) use pump::PumpBuffer;
pub(crate) use recorder::Recorder;

/// Bytes that wait for one client, or for one program's input, before the sender has to wait.
pub(crate) const QUEUE_LIMIT: usize = 256 * 1024;

/// Bytes that may wait for a client at most: far beyond [`QUEUE_LIMIT`] and what all pipes of an
/// ending process hold.
pub(crate) const HOPELESS: usize = 16 << 20;
