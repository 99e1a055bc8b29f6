//! The client against Debian's registry, against `skopeo`, and against servers that lie.

#![allow(clippy::unwrap_used, clippy::needless_pass_by_value)]

mod access;
mod authentication;
mod debian;
mod downloads;
mod hostile;
mod mirrors;
mod proxy;
mod registry;
mod search;
mod server;
mod support;
mod transfers;
