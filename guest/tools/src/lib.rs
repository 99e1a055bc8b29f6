//! What the tools share, free of Windows so that it is tested where it is built.
//!
//! The programs themselves are in `src/bin`, one each; `docs/base_images.md` lists them.

pub mod arguments;
#[cfg(windows)]
pub mod certificate_store;
pub mod certificates;
pub mod connections;
pub mod dns;
#[cfg(windows)]
pub mod echo;
pub mod pattern;
#[cfg(windows)]
pub mod service_control;
pub mod service_text;
#[cfg(windows)]
pub mod services;
pub mod text;
pub mod wildcard;
#[cfg(windows)]
pub mod windows;
