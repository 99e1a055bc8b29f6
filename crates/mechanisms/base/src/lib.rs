//! Builds kernel packages and base OS images from Debian's Wine packages.
//!
//! ```text
//! mirror, release, packages, pins   which packages there are, and that Debian signed them
//! download, deb                     fetching and unpacking them
//! pe, nls, patch                    what is changed in them
//! stage                             Wine's PE side, stripped
//! kernel, kernel_list               the kernel package: Wine's Unix side and what it needs
//! throwaway, prefix                 Wine's boot program, run once for the registry
//! template                          the finished registry as hives
//! image_list, layout                drive C:
//! archive, image                    the layer and its image
//! cache, builder                    all of it in order, each step kept
//! manifest, verify                  what was built, byte for byte
//! ```

mod builder;
mod cache;
mod deb;
mod digest;
mod download;
mod error;
mod image;
mod image_list;
mod kernel;
mod kernel_list;
mod layout;
mod manifest;
mod mirror;
mod nls;
mod options;
mod packages;
mod patch;
mod pe;
mod pins;
mod prefix;
mod progress;
mod release;
mod sources;
mod stage;
mod template;
mod throwaway;
mod verify;

pub use builder::{BuildReport, build};
pub use error::{Error, ErrorKind, Result};
pub use manifest::{Difference, DifferenceKind};
pub use options::{BaseKind, BuildOptions, UnknownBase};
pub use porthole_wine::version::{BadOsVersion, OsVersion};
pub use progress::{Progress, Silent};
pub use verify::{InstalledBase, Verified, list, verify};
