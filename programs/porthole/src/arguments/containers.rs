//! The arguments of commands about containers that are there.

use clap::Args;

/// Containers.
#[derive(Debug, Args)]
pub(crate) struct Containers {
    /// Names or IDs.
    #[arg(required = true, value_name = "CONTAINER")]
    pub(crate) containers: Vec<String>,
}

/// A container.
#[derive(Debug, Args)]
pub(crate) struct Container {
    /// Its name or ID.
    pub(crate) container: String,
}

/// End what runs in containers.
#[derive(Debug, Args)]
pub(crate) struct Stop {
    /// Seconds that the program is waited for before it is ended; a negative number is for ever.
    #[arg(short, long, value_name = "SECONDS", allow_negative_numbers = true)]
    pub(crate) timeout: Option<i32>,
    /// What is sent first: CTRL_C, CTRL_BREAK, SIGTERM (shutdown) or SIGKILL.
    #[arg(short, long)]
    pub(crate) signal: Option<String>,
    #[command(flatten)]
    pub(crate) named: Containers,
}

/// Send containers a signal.
#[derive(Debug, Args)]
pub(crate) struct Kill {
    /// SIGKILL ends it, SIGINT is Ctrl-C, SIGQUIT Ctrl-Break, all others are the shutdown event.
    #[arg(short, long, default_value = "SIGKILL")]
    pub(crate) signal: String,
    #[command(flatten)]
    pub(crate) named: Containers,
}

/// Give a container another name.
#[derive(Debug, Args)]
pub(crate) struct Rename {
    /// The container's name or ID.
    pub(crate) container: String,
    /// Its new name.
    pub(crate) name: String,
}

/// Show what containers use.
#[derive(Debug, Args)]
pub(crate) struct Stats {
    /// Measure once, and do not go on.
    #[arg(long)]
    pub(crate) no_stream: bool,
    /// Names or IDs; all that run if there are none.
    #[arg(value_name = "CONTAINER")]
    pub(crate) containers: Vec<String>,
}

/// Show what happens.
#[derive(Debug, Args)]
pub(crate) struct Events {
    /// Only what the filter lets through, for example `type=container` or `event=die`.
    #[arg(short, long, value_name = "NAME=VALUE", value_parser = filter)]
    pub(crate) filter: Vec<(String, String)>,
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

fn filter(text: &str) -> Result<(String, String), String> {
    match text.split_once('=') {
        Some((name, value)) if !name.is_empty() => Ok((name.to_owned(), value.to_owned())),
        _ => Err("a filter is NAME=VALUE".to_owned()),
    }
}
