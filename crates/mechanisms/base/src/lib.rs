//! Builds kernel packages and base OS images from Debian's Wine packages

mod deb;
mod digest;
mod download;
mod error;
mod mirror;
mod nls;
mod packages;
mod pe;
mod progress;
mod release;

pub use error::{Error, ErrorKind, Result};
pub use progress::{Progress, Silent};
