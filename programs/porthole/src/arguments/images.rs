//! The arguments of commands about images.

use clap::Args;
use clap_complete::engine::ArgValueCompleter;

use super::management::ImageCommand;
use super::system::{Prune, filter};
use crate::complete;

/// List images, or remove some.
#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Images {
    #[command(subcommand)]
    pub(crate) command: Option<ImageCommand>,
    #[command(flatten)]
    pub(crate) list: ImagesLs,
}

/// List images.
#[derive(Debug, Default, Args)]
pub(crate) struct ImagesLs {
    /// As docker has it; none is hidden here without it.
    #[arg(short, long)]
    pub(crate) all: bool,
    /// Print IDs alone.
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Show digests.
    #[arg(long)]
    pub(crate) digests: bool,
    /// Cut nothing short.
    #[arg(long)]
    pub(crate) no_trunc: bool,
    /// Only what the filter lets through, for example `dangling=true` or `reference=porthole/*`.
    #[arg(short, long, value_name = "NAME=VALUE", value_parser = filter)]
    pub(crate) filter: Vec<(String, String)>,
    /// `json`, `table …` or a template such as `{{.Repository}}:{{.Tag}}`.
    #[arg(long)]
    pub(crate) format: Option<String>,
    /// Only images of that name; `*` stands for anything.
    #[arg(value_name = "REPOSITORY[:TAG]", add = ArgValueCompleter::new(complete::images))]
    pub(crate) name: Option<String>,
}

/// Remove images that nobody uses.
#[derive(Debug, Args)]
pub(crate) struct ImagesPrune {
    /// Also those that have a name.
    #[arg(short, long)]
    pub(crate) all: bool,
    #[command(flatten)]
    pub(crate) prune: Prune,
}

/// Remove images.
#[derive(Debug, Args)]
pub(crate) struct Rmi {
    /// Also those that stopped containers use.
    #[arg(short, long)]
    pub(crate) force: bool,
    /// Keep parents that have no name, as is done anyway: 'prune' removes those.
    #[arg(long)]
    pub(crate) no_prune: bool,
    /// Names or IDs.
    #[arg(required = true, value_name = "IMAGE", add = ArgValueCompleter::new(complete::images))]
    pub(crate) images: Vec<String>,
}

/// Give an image a further name.
#[derive(Debug, Args)]
pub(crate) struct Tag {
    /// The image's name or ID.
    #[arg(add = ArgValueCompleter::new(complete::images))]
    pub(crate) image: String,
    /// The further name, `repository[:tag]`.
    pub(crate) name: String,
}

/// Get an image from its registry.
#[derive(Debug, Args)]
pub(crate) struct Pulled {
    /// The platform, windows/amd64; a version of Windows to choose by may stand in it, as in
    /// windows(10.0.17763)/amd64.
    #[arg(long)]
    pub(crate) platform: Option<String>,
    /// All tags of the repository.
    #[arg(short, long)]
    pub(crate) all_tags: bool,
    /// Show no progress.
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// The image; its registry stands before the name, a tag or a digest behind it.
    #[arg(add = ArgValueCompleter::new(complete::images))]
    pub(crate) image: String,
}

/// An image.
#[derive(Debug, Args)]
pub(crate) struct Named {
    /// Its name or ID.
    #[arg(add = ArgValueCompleter::new(complete::images))]
    pub(crate) image: String,
    /// Cut nothing short.
    #[arg(long)]
    pub(crate) no_trunc: bool,
    /// Print IDs alone.
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// `json`, `table …` or a template such as `{{.CreatedBy}}`.
    #[arg(long)]
    pub(crate) format: Option<String>,
}
