//! The Docker Engine REST API, versions 1.24 to 1.50, over the engine.
//!
//! Reading order: `routes` (every endpoint), `server` (connections and versions), `handlers` (one
//! file a resource), `create` (the body of container create), `render` (the engine's values as
//! Docker's JSON), `hijack` (attached streams). Only this crate knows HTTP's status codes, in one
//! table in `error`. `docs/api.md` lists what works; a test holds it to the router.

mod body;
mod create;
mod detach_keys;
mod download;
mod error;
mod fields;
mod go_json;
mod handlers;
mod handshakes;
mod hijack;
mod listener;
mod multiplex;
mod parameters;
mod path;
mod peer;
mod platform;
mod query;
mod registry_auth;
mod remainder;
mod render;
mod routes;
mod server;
mod timestamp;
mod version;
mod web_socket;

pub use listener::Listener;
pub use server::{Api, bind};
pub use version::ApiVersion;
