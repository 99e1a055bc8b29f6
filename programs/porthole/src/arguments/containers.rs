//! The arguments of commands about containers.

use std::path::PathBuf;

use clap::{ArgAction, Args};
use clap_complete::engine::ArgValueCompleter;

use super::options::Options;
use super::resources::Resources;
use super::system::filter;
use super::units;
use crate::complete;

/// Run a program in a new container.
#[derive(Debug, Args)]
pub(crate) struct Run {
    /// Leave the program to itself, and print the container's ID.
    #[arg(short, long)]
    pub(crate) detach: bool,
    /// Remove the container when its program has ended.
    #[arg(long)]
    pub(crate) rm: bool,
    /// Pass signals to this process on to the program.
    #[arg(long, default_value_t = true, action = ArgAction::SetTrue)]
    pub(crate) sig_proxy: bool,
    #[command(flatten)]
    pub(crate) options: Options,
}

/// Make a container.
#[derive(Debug, Args)]
pub(crate) struct Create {
    /// Remove the container when its program has ended.
    #[arg(long)]
    pub(crate) rm: bool,
    #[command(flatten)]
    pub(crate) options: Options,
}

/// Containers.
#[derive(Debug, Args)]
pub(crate) struct Containers {
    /// Names or IDs.
    #[arg(required = true, value_name = "CONTAINER", add = ArgValueCompleter::new(complete::containers))]
    pub(crate) containers: Vec<String>,
}

/// A container.
#[derive(Debug, Args)]
pub(crate) struct Container {
    /// Its name or ID.
    #[arg(add = ArgValueCompleter::new(complete::containers))]
    pub(crate) container: String,
}

/// How a further program in a container is set up.
#[derive(Debug, Args)]
pub(crate) struct Process {
    /// Keep the program's input open and pass this terminal's on.
    #[arg(short, long)]
    pub(crate) interactive: bool,
    /// Give the program a console.
    #[arg(short, long)]
    pub(crate) tty: bool,
    /// Leave the program to itself.
    #[arg(short, long)]
    pub(crate) detach: bool,
    /// Set an environment variable (NAME alone takes this shell's value).
    #[arg(short, long, value_name = "NAME[=VALUE]")]
    pub(crate) env: Vec<String>,
    /// The directory to start in, for example `C:\app`.
    #[arg(short, long, value_name = "PATH")]
    pub(crate) workdir: Option<String>,
    /// The account: ContainerAdministrator or ContainerUser.
    #[arg(short, long)]
    pub(crate) user: Option<String>,
}

/// Run a further program in a running container.
#[derive(Debug, Args)]
pub(crate) struct Exec {
    #[command(flatten)]
    pub(crate) process: Process,
    /// Read environment variables from a file, one a line.
    #[arg(long, value_name = "FILE")]
    pub(crate) env_file: Vec<PathBuf>,
    /// The keys that leave a console.
    #[arg(long, value_name = "KEYS")]
    pub(crate) detach_keys: Option<String>,
    /// Give the program all privileges (Linux).
    #[arg(long)]
    pub(crate) privileged: bool,
    /// The container's name or ID, and the command.
    // One list: clap reads options between two, and docker does not.
    #[arg(required = true, num_args = 2.., trailing_var_arg = true, value_name = "CONTAINER COMMAND",
        hide = true)]
    words: Vec<String>,
}

impl Exec {
    /// The container's name or ID.
    pub(crate) fn container(&self) -> &str {
        self.words.first().map_or("", String::as_str)
    }

    /// The command.
    pub(crate) fn command(&self) -> &[String] {
        self.words.get(1..).unwrap_or_default()
    }
}

/// Stay with a program that runs.
#[derive(Debug, Args)]
pub(crate) struct Attach {
    /// Pass no input on.
    #[arg(long)]
    pub(crate) no_stdin: bool,
    /// Pass signals to this process on to the program.
    #[arg(long, default_value_t = true, action = ArgAction::SetTrue)]
    pub(crate) sig_proxy: bool,
    /// The keys that leave a console.
    #[arg(long, value_name = "KEYS")]
    pub(crate) detach_keys: Option<String>,
    /// The container's name or ID.
    #[arg(add = ArgValueCompleter::new(complete::containers))]
    pub(crate) container: String,
}

/// Start containers.
#[derive(Debug, Args)]
pub(crate) struct Start {
    /// Stay with the program: show its output and exit with its code.
    #[arg(short, long)]
    pub(crate) attach: bool,
    /// Pass this terminal's input on too.
    #[arg(short, long)]
    pub(crate) interactive: bool,
    /// Pass signals to this process on to the program.
    #[arg(long, default_value_t = true, action = ArgAction::SetTrue)]
    pub(crate) sig_proxy: bool,
    /// The keys that leave a console.
    #[arg(long, value_name = "KEYS")]
    pub(crate) detach_keys: Option<String>,
    /// Names or IDs.
    #[arg(required = true, value_name = "CONTAINER", add = ArgValueCompleter::new(complete::containers))]
    pub(crate) containers: Vec<String>,
}

/// Copy files.
#[derive(Debug, Args)]
pub(crate) struct Cp {
    /// Keep user and group (files in a Windows container have neither: no effect).
    #[arg(short, long)]
    pub(crate) archive: bool,
    /// Copy what a link leads to that is the source.
    #[arg(short = 'L', long)]
    pub(crate) follow_link: bool,
    /// Say nothing of how far it has come.
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// CONTAINER:PATH, a path of this host, or - for an archive on standard input.
    #[arg(add = ArgValueCompleter::new(complete::containers))]
    pub(crate) source: String,
    /// CONTAINER:PATH, a path of this host, or - for an archive on standard output.
    #[arg(add = ArgValueCompleter::new(complete::containers))]
    pub(crate) destination: String,
}

/// List containers.
#[derive(Debug, Args)]
pub(crate) struct Ps {
    /// Also those that do not run.
    #[arg(short, long)]
    pub(crate) all: bool,
    /// Print IDs alone.
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// The last ones that were made, whether they run or not.
    #[arg(short = 'n', long, value_name = "NUMBER")]
    pub(crate) last: Option<u32>,
    /// The last one that was made.
    #[arg(short, long)]
    pub(crate) latest: bool,
    /// Show what their files take.
    #[arg(short, long)]
    pub(crate) size: bool,
    /// Cut nothing short.
    #[arg(long)]
    pub(crate) no_trunc: bool,
    /// Only what the filter lets through, for example `status=exited` or `label=tier=test`.
    #[arg(short, long, value_name = "NAME=VALUE", value_parser = filter)]
    pub(crate) filter: Vec<(String, String)>,
    /// `json`, `table …` or a template such as `{{.ID}} {{.Names}}`.
    #[arg(long)]
    pub(crate) format: Option<String>,
}

/// Show a container's output.
#[derive(Debug, Args)]
pub(crate) struct Logs {
    /// Go on with what comes.
    #[arg(short, long)]
    pub(crate) follow: bool,
    /// So many last lines, or `all`.
    #[arg(short = 'n', long, default_value = "all")]
    pub(crate) tail: String,
    /// Show when each line was written.
    #[arg(short, long)]
    pub(crate) timestamps: bool,
    /// Only from then on: a time, or how long ago (10m).
    #[arg(long, value_name = "TIME")]
    pub(crate) since: Option<String>,
    /// Only until then.
    #[arg(long, value_name = "TIME")]
    pub(crate) until: Option<String>,
    /// Show what the log's options add to each line.
    #[arg(long)]
    pub(crate) details: bool,
    /// The container's name or ID.
    #[arg(add = ArgValueCompleter::new(complete::containers))]
    pub(crate) container: String,
}

/// Remove containers.
#[derive(Debug, Args)]
pub(crate) struct Rm {
    /// End those that run first.
    #[arg(short, long)]
    pub(crate) force: bool,
    /// Remove their anonymous volumes too.
    #[arg(short, long)]
    pub(crate) volumes: bool,
    /// Names or IDs.
    #[arg(required = true, add = ArgValueCompleter::new(complete::containers))]
    pub(crate) containers: Vec<String>,
}

/// End what runs in containers.
#[derive(Debug, Args)]
pub(crate) struct Stop {
    /// Seconds that the program is waited for before it is ended; a negative number is for ever.
    #[arg(
        short,
        long,
        visible_alias = "time",
        value_name = "SECONDS",
        value_parser = units::seconds,
        allow_negative_numbers = true
    )]
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
    #[arg(add = ArgValueCompleter::new(complete::containers))]
    pub(crate) container: String,
    /// Its new name.
    pub(crate) name: String,
}

/// Change containers.
#[derive(Debug, Args)]
pub(crate) struct Update {
    #[command(flatten)]
    pub(crate) resources: Resources,
    /// Names or IDs.
    #[arg(required = true, value_name = "CONTAINER", add = ArgValueCompleter::new(complete::containers))]
    pub(crate) containers: Vec<String>,
}

/// Show all that is known.
#[derive(Debug, Args)]
pub(crate) struct Inspect {
    /// What to look for: container or image; any if not given.
    #[arg(long = "type", value_name = "KIND", value_parser = ["container", "image"])]
    pub(crate) kind: Option<String>,
    /// Show what a container's files take.
    #[arg(short, long)]
    pub(crate) size: bool,
    #[command(flatten)]
    pub(crate) of: InspectOf,
}

/// What to inspect, and how to show it.
#[derive(Debug, Args)]
pub(crate) struct InspectOf {
    /// `json` or a template such as `{{.State.Status}}`.
    #[arg(short, long)]
    pub(crate) format: Option<String>,
    /// Names or IDs.
    #[arg(required = true, value_name = "NAME", add = ArgValueCompleter::new(complete::containers))]
    pub(crate) names: Vec<String>,
}

/// List a container's ports.
#[derive(Debug, Args)]
pub(crate) struct Port {
    /// The container's name or ID.
    #[arg(add = ArgValueCompleter::new(complete::containers))]
    pub(crate) container: String,
    /// Only this port of the container.
    #[arg(value_name = "PORT[/tcp]")]
    pub(crate) port: Option<String>,
}

/// Show what containers use.
#[derive(Debug, Args)]
pub(crate) struct Stats {
    /// Measure once, and do not go on.
    #[arg(long)]
    pub(crate) no_stream: bool,
    /// Also those that do not run.
    #[arg(short, long)]
    pub(crate) all: bool,
    /// Cut nothing short.
    #[arg(long)]
    pub(crate) no_trunc: bool,
    /// `json`, `table …` or a template such as `{{.Name}} {{.CPUPerc}}`.
    #[arg(long)]
    pub(crate) format: Option<String>,
    /// Names or IDs; all that run if there are none.
    #[arg(value_name = "CONTAINER", add = ArgValueCompleter::new(complete::containers))]
    pub(crate) containers: Vec<String>,
}
