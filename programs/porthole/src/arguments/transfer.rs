//! The arguments of commands that move images: to and from registries and archives.

use std::path::PathBuf;

use clap::{Args, Subcommand};
use clap_complete::engine::ArgValueCompleter;

use super::system::filter;
use crate::complete;

/// Send an image to its registry.
#[derive(Debug, Args)]
pub(crate) struct Pushed {
    /// All tags that the repository has here.
    #[arg(short, long)]
    pub(crate) all_tags: bool,
    /// Show no progress.
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// The image, by a name that begins with its registry; Docker Hub if none.
    #[arg(add = ArgValueCompleter::new(complete::images))]
    pub(crate) image: String,
}

/// Write images to an archive.
#[derive(Debug, Args)]
pub(crate) struct Save {
    /// The file; standard output without one.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// Names or IDs.
    #[arg(required = true, value_name = "IMAGE", add = ArgValueCompleter::new(complete::images))]
    pub(crate) images: Vec<String>,
}

/// Take in the images of an archive.
#[derive(Debug, Args)]
pub(crate) struct Load {
    /// The file; standard input without one.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) input: Option<PathBuf>,
    /// Tell only what was loaded.
    #[arg(short, long)]
    pub(crate) quiet: bool,
}

/// Make an image of an archive of files.
#[derive(Debug, Args)]
pub(crate) struct Import {
    /// An instruction of a Dockerfile that says what the image runs.
    #[arg(short, long, value_name = "INSTRUCTION")]
    pub(crate) change: Vec<String>,
    /// What was done, in words.
    #[arg(short, long, value_name = "TEXT")]
    pub(crate) message: Option<String>,
    /// A file, an address, or - for standard input.
    #[arg(value_name = "FILE|URL|-")]
    pub(crate) source: String,
    /// The image's name.
    #[arg(value_name = "REPOSITORY[:TAG]")]
    pub(crate) name: Option<String>,
}

/// Write a container's drive C: to an archive.
#[derive(Debug, Args)]
pub(crate) struct Export {
    /// The file; standard output without one.
    #[arg(short, long, value_name = "FILE")]
    pub(crate) output: Option<PathBuf>,
    /// The container.
    #[arg(add = ArgValueCompleter::new(complete::containers))]
    pub(crate) container: String,
}

/// Make an image of a container.
#[derive(Debug, Args)]
pub(crate) struct Commit {
    /// Who makes it.
    #[arg(short, long, value_name = "NAME")]
    pub(crate) author: Option<String>,
    /// What was done, in words.
    #[arg(short, long, value_name = "TEXT")]
    pub(crate) message: Option<String>,
    /// An instruction of a Dockerfile that changes what the image runs.
    #[arg(short, long, value_name = "INSTRUCTION")]
    pub(crate) change: Vec<String>,
    /// Pause the container meanwhile, which is the default.
    #[arg(short, long, overrides_with = "no_pause")]
    pub(crate) pause: bool,
    /// Let the container go on meanwhile.
    #[arg(long, overrides_with = "pause")]
    pub(crate) no_pause: bool,
    /// The container.
    #[arg(add = ArgValueCompleter::new(complete::containers))]
    pub(crate) container: String,
    /// The image's name.
    #[arg(value_name = "REPOSITORY[:TAG]")]
    pub(crate) name: Option<String>,
}

/// Show what a container changed.
#[derive(Debug, Args)]
pub(crate) struct Diff {
    /// Keys and values of the registry in place of files; also of images.
    #[arg(long)]
    pub(crate) registry: bool,
    /// The container; with --registry also an image.
    #[arg(value_name = "CONTAINER|IMAGE", add = ArgValueCompleter::new(complete::containers))]
    pub(crate) name: String,
    /// With --registry, the image that an image is compared with; that from which it was made if not
    /// given.
    #[arg(value_name = "IMAGE", add = ArgValueCompleter::new(complete::images))]
    pub(crate) over: Option<String>,
}

/// Tell a registry who you are, and remember it.
#[derive(Debug, Args)]
pub(crate) struct Login {
    /// The account.
    #[arg(short, long, value_name = "NAME")]
    pub(crate) username: Option<String>,
    /// Its password, for everybody on this host to see; --password-stdin shows it to nobody.
    #[arg(short, long, value_name = "PASSWORD")]
    pub(crate) password: Option<String>,
    /// Read the password from standard input.
    #[arg(long)]
    pub(crate) password_stdin: bool,
    /// The registry; Docker Hub if not given.
    pub(crate) server: Option<String>,
}

/// Forget who you are to a registry.
#[derive(Debug, Args)]
pub(crate) struct Logout {
    /// The registry; Docker Hub if not given.
    pub(crate) server: Option<String>,
}

/// Search a registry for images.
#[derive(Debug, Args)]
pub(crate) struct Search {
    /// Only what the filter lets through: `is-official=true`, `stars=3`.
    #[arg(short, long, value_name = "NAME=VALUE", value_parser = filter)]
    pub(crate) filter: Vec<(String, String)>,
    /// Results at most.
    #[arg(long, value_name = "N")]
    pub(crate) limit: Option<u32>,
    /// Cut nothing short.
    #[arg(long)]
    pub(crate) no_trunc: bool,
    /// What to look for on Docker Hub; or a registry, a slash, and what to look for there.
    pub(crate) term: String,
}

/// Look at the data root (needs no daemon).
#[derive(Debug, Args)]
pub(crate) struct StoreArguments {
    /// Where images and containers are kept.
    #[arg(
        long,
        global = true,
        default_value = "/var/lib/porthole",
        value_name = "DIRECTORY"
    )]
    pub(crate) data_root: PathBuf,
    #[command(subcommand)]
    pub(crate) command: StoreCommand,
}

/// What to do with the data root.
#[derive(Debug, Clone, Copy, Subcommand)]
pub(crate) enum StoreCommand {
    /// Compare records and files, and say what does not agree.
    Check {
        /// Also read every byte of every archive.
        #[arg(long)]
        content: bool,
    },
}
