//! The service over gRPC, on a Unix socket.
//!
//! [`server`] serves any [`Systems`](crate::service::Systems); [`client`] implements the traits of
//! [`crate::system`]. Streams of processes bypass the service: the client connects to the
//! supervisor's socket itself, so that it stays attached while the service is replaced.

pub mod client;
mod convert;
mod convert_registry;
mod error;
mod outlast;
mod remote;
pub mod server;
mod stdio;

/// The messages and stubs made from `proto/porthole/compute/v1/compute.proto`.
#[allow(
    missing_docs,
    unreachable_pub,
    reason = "generated; the documentation stands in the proto file"
)]
#[allow(
    clippy::all,
    clippy::wildcard_imports,
    clippy::semicolon_if_nothing_returned
)]
pub mod v1 {
    tonic::include_proto!("porthole.compute.v1");
}

pub use client::Client;
