//! A client for image registries: resolves names, fetches and uploads manifests and layers.
//!
//! It speaks the protocol of Docker's and OCI's registries (`/v2/`), as Docker does: Docker Hub by
//! its short names, `Basic` and token authentication, certificates from `certs.d`, mirrors and
//! registries without TLS where the settings say so, proxies.
//!
//! Registries are not trusted. What comes from them is bounded in size and in how long they may be
//! silent, and every byte is checked against the digest and size that named it. What tells who asks
//! goes to the registry that it is meant for and to the token server that this registry names, and
//! nowhere that either of them points to.
//!
//! Everything is async on tokio. Dropping a future or a stream ends what it does, at once.

mod answer;
mod blob;
mod certificates;
mod challenge;
mod client;
mod credentials;
mod download;
mod endpoint;
mod error;
mod failure;
mod login;
mod manifest;
mod progress;
mod recent;
mod retry;
mod search;
mod settings;
mod token;
mod transport;
mod upload;

pub use blob::BlobStream;
pub use client::Client;
pub use credentials::Credentials;
pub use error::{Error, ErrorKind, Result};
pub use login::Login;
pub use manifest::{Inspection, Resolved};
pub use progress::Progress;
pub use search::SearchResult;
pub use settings::{Proxies, Settings};
pub use upload::BlobSource;
