//! Docker's log drivers that send a container's output away: syslog, journald, GELF and Fluentd.
//!
//! A container's supervisor writes its log to files, whatever its driver is; a [`Forwarder`] reads
//! them from where it was, also after a crash, and sends each record. Reading order: `driver` (the
//! options, checked as dockerd checks them), one file a protocol with its messages as pure
//! functions, `transport` (connections), `forward` (from the files to the destination).

#![forbid(unsafe_code)]

mod address;
mod driver;
mod error;
mod fluentd;
mod forward;
mod gelf;
mod journald;
mod message;
mod options;
mod syslog;
mod transport;

pub use driver::{DRIVERS, Driver};
pub use error::{Error, Result};
pub use forward::{Forwarder, Round};
pub use message::{Host, Source};
