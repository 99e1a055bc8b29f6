//! The API over a real Unix socket, with the engine over the fake compute service: status codes,
//! JSON, streams, and the real docker client.
#![allow(clippy::unwrap_used, reason = "a test that cannot go on has failed")]

mod archives;
mod containers;
mod docker_cli;
mod images;
mod networks;
mod streams;
mod support;
mod system;
mod tls;
mod web_sockets;
