//! The arguments of commands about the daemon as a whole.

use clap::{Args, Subcommand};

/// Show or clean up.
#[derive(Debug, Args)]
pub(crate) struct System {
    #[command(subcommand)]
    pub(crate) command: SystemCommand,
}

/// What to show or clean up.
#[derive(Debug, Subcommand)]
pub(crate) enum SystemCommand {
    /// Show what images and containers take on the disk.
    Df(Df),
    /// Show what the daemon is and has.
    Info(Info),
    /// Show what happens, as it happens.
    Events(Events),
    /// Remove containers that do not run, networks and images that nobody uses.
    Prune(SystemPrune),
}

/// Show what is taken on the disk.
#[derive(Debug, Args)]
pub(crate) struct Df {
    /// Show each object.
    #[arg(short, long, conflicts_with = "format")]
    pub(crate) verbose: bool,
    /// `json`, `table …` or a template such as `{{.Type}} {{.Size}}`.
    #[arg(long)]
    pub(crate) format: Option<String>,
}

/// Show what the daemon is and has.
#[derive(Debug, Args)]
pub(crate) struct Info {
    /// `json` or a template such as `{{.ServerVersion}}`.
    #[arg(short, long)]
    pub(crate) format: Option<String>,
}

/// Show what happens.
#[derive(Debug, Args)]
pub(crate) struct Events {
    /// Begin with what happened since then: a time, or how long ago (10m).
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// End with what happens until then.
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<String>,
    /// Only what the filter lets through, for example `type=container` or `event=die`.
    #[arg(short, long, value_name = "NAME=VALUE", value_parser = filter)]
    pub(crate) filter: Vec<(String, String)>,
    /// `json` or a template such as `{{.Type}} {{.Action}} {{.Actor.ID}}`.
    #[arg(long)]
    pub(crate) format: Option<String>,
}

/// Remove all containers that do not run.
#[derive(Debug, Args)]
pub(crate) struct Prune {
    /// Do not ask.
    #[arg(short, long)]
    pub(crate) force: bool,
    /// Only what the filter lets through, for example `until=24h` or `label=tier=test`.
    #[arg(long, value_name = "NAME=VALUE", value_parser = filter)]
    pub(crate) filter: Vec<(String, String)>,
}

/// Remove everything that nobody uses.
#[derive(Debug, Args)]
pub(crate) struct SystemPrune {
    /// Also images that have a name.
    #[arg(short, long)]
    pub(crate) all: bool,
    /// Also volumes.
    #[arg(long)]
    pub(crate) volumes: bool,
    #[command(flatten)]
    pub(crate) prune: Prune,
}

pub(super) fn filter(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("a filter is NAME=VALUE".to_owned()),
    }
}
