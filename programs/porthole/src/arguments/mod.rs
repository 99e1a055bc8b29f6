//! The command line.

mod containers;

use std::path::PathBuf;

pub(crate) use containers::{Container, Containers, Events, Kill, Prune, Rename, Stats, Stop};

use clap::{Args, Parser, Subcommand, ValueEnum};

/// Windows containers on Linux, without Windows.
///
/// Everything here is also open to docker: `docker --host unix:///run/porthole/docker.sock …`.
#[derive(Debug, Parser)]
#[command(name = "porthole", version, propagate_version = true, after_help = EXAMPLES)]
pub(crate) struct Arguments {
    /// The daemon's socket.
    #[arg(
        short = 'H',
        long,
        global = true,
        env = "PORTHOLE_HOST",
        default_value = "unix:///run/porthole/docker.sock"
    )]
    pub(crate) host: String,
    /// Print JSON, for programs to read (what lists and tells has it; `events` and `stats` print a line each).
    #[arg(long, global = true)]
    pub(crate) json: bool,
    #[command(subcommand)]
    pub(crate) command: Command,
}

const EXAMPLES: &str = "\
Examples:
  porthole doctor                                        see whether this host can run containers
  porthole base build nanoserver                         make the small base image, once
  porthole run --rm porthole/nanoserver cmd /c ver       run a program and see its output
  porthole run -it --rm porthole/servercore cmd          work in a console; ctrl-p ctrl-q leaves it
  porthole run --rm -v \"$PWD:C:/app\" -p 8080:8080 porthole/servercore 'C:\\app\\server.exe'";

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a program in a new container.
    Run(Run),
    /// Run a further program in a running container.
    Exec(Exec),
    /// List containers.
    Ps(Ps),
    /// Show a container's output.
    Logs(Logs),
    /// Start containers that do not run.
    Start(Containers),
    /// End what runs in containers: asked to first, then made to.
    Stop(Stop),
    /// Stop containers, then start them.
    Restart(Stop),
    /// Send containers a signal; without one, end them at once.
    Kill(Kill),
    /// Hold everything in containers where it is.
    Pause(Containers),
    /// Let everything in paused containers go on.
    Unpause(Containers),
    /// Wait until containers have ended, and print their exit codes.
    Wait(Containers),
    /// Give a container another name.
    Rename(Rename),
    /// Show all that is known of containers or images, as JSON.
    Inspect(Containers),
    /// List a container's processes.
    Top(Container),
    /// Show what running containers use.
    Stats(Stats),
    /// Show what happens, as it happens.
    Events(Events),
    /// Remove containers.
    Rm(Rm),
    /// Remove all containers that do not run.
    Prune(Prune),
    /// List images, or remove some.
    Images(Images),
    /// Build, verify and list base OS images (needs no daemon).
    Base(Base),
    /// Check whether this host can run containers, and say what to do if not.
    Doctor(Doctor),
    /// Show the versions of this program and of the daemon.
    Version,
    /// Print a script that completes this program's commands in a shell.
    Completion {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

impl Command {
    /// Whether its answer can be told in JSON.
    pub(crate) const fn has_json(&self) -> bool {
        match self {
            Self::Ps(_) | Self::Base(_) | Self::Doctor(_) | Self::Version => true,
            Self::Images(images) => !matches!(images.command, Some(ImagesCommand::Rm(_))),
            Self::Inspect(_) | Self::Top(_) | Self::Stats(_) | Self::Events(_) | Self::Prune(_) => {
                true
            }
            _ => false,
        }
    }
}

/// How a program in a container is set up; `run` and `exec` have these in common.
#[derive(Debug, Args)]
pub(crate) struct Process {
    /// Keep the program's input open and pass this terminal's on.
    #[arg(short, long)]
    pub(crate) interactive: bool,
    /// Give the program a console.
    #[arg(short, long)]
    pub(crate) tty: bool,
    /// Leave the program to itself (`run` prints the container's ID).
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

/// Run a program in a new container.
#[derive(Debug, Args)]
pub(crate) struct Run {
    #[command(flatten)]
    pub(crate) process: Process,
    /// Name the container.
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Remove the container when its program ends.
    #[arg(long)]
    pub(crate) rm: bool,
    /// Show a directory of this host inside, for example `/srv/app:C:\app:ro`.
    #[arg(short, long, value_name = "SOURCE:TARGET[:ro]")]
    pub(crate) volume: Vec<String>,
    /// Let a port of this host lead into the container.
    #[arg(short, long, value_name = "[ADDRESS:]HOST:CONTAINER")]
    pub(crate) publish: Vec<String>,
    /// The network: nat or none.
    #[arg(long)]
    pub(crate) network: Option<String>,
    /// The isolation.
    #[arg(long)]
    pub(crate) isolation: Option<Isolation>,
    /// The program, in place of the image's entry point.
    #[arg(long)]
    pub(crate) entrypoint: Option<String>,
    /// The container's host name.
    #[arg(long)]
    pub(crate) hostname: Option<String>,
    /// Attach a label.
    #[arg(short, long, value_name = "NAME[=VALUE]")]
    pub(crate) label: Vec<String>,
    /// Seconds that `stop` waits for the program.
    #[arg(long, value_name = "SECONDS")]
    pub(crate) stop_timeout: Option<i64>,
    /// The image, for example porthole/nanoserver.
    pub(crate) image: String,
    /// The command; the image's if there is none.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true)]
    pub(crate) command: Vec<String>,
}

/// Isolation of a container.
#[derive(Debug, Clone, Copy, ValueEnum)]
pub(crate) enum Isolation {
    /// What the daemon takes by default.
    Default,
    /// A silo on this host's kernel package.
    Process,
    /// A virtual machine of its own.
    Hyperv,
}

/// Run a further program in a running container.
#[derive(Debug, Args)]
pub(crate) struct Exec {
    #[command(flatten)]
    pub(crate) process: Process,
    /// The container's name or ID.
    pub(crate) container: String,
    /// The command.
    #[arg(trailing_var_arg = true, allow_hyphen_values = true, required = true)]
    pub(crate) command: Vec<String>,
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
    /// The container's name or ID.
    pub(crate) container: String,
}

/// Remove containers.
#[derive(Debug, Args)]
pub(crate) struct Rm {
    /// End those that run first.
    #[arg(short, long)]
    pub(crate) force: bool,
    /// Names or IDs.
    #[arg(required = true)]
    pub(crate) containers: Vec<String>,
}

/// List images, or remove some.
#[derive(Debug, Args)]
pub(crate) struct Images {
    #[command(subcommand)]
    pub(crate) command: Option<ImagesCommand>,
}

/// What to do with images.
#[derive(Debug, Subcommand)]
pub(crate) enum ImagesCommand {
    /// List them.
    Ls,
    /// Remove images.
    Rm(ImagesRm),
}

/// Remove images.
#[derive(Debug, Args)]
pub(crate) struct ImagesRm {
    /// Also those that stopped containers use.
    #[arg(short, long)]
    pub(crate) force: bool,
    /// Names or IDs.
    #[arg(required = true)]
    pub(crate) images: Vec<String>,
}

/// Check this host.
#[derive(Debug, Args)]
pub(crate) struct Doctor {
    /// Where images and containers are kept, or will be.
    #[arg(long, default_value = "/var/lib/porthole", value_name = "DIRECTORY")]
    pub(crate) data_root: PathBuf,
}

/// Build, verify and list base OS images.
#[derive(Debug, Args)]
pub(crate) struct Base {
    /// Where images are kept.
    #[arg(
        long,
        global = true,
        default_value = "/var/lib/porthole",
        value_name = "DIRECTORY"
    )]
    pub(crate) data_root: PathBuf,
    #[command(subcommand)]
    pub(crate) command: BaseCommand,
}

/// What to do with base OS images.
#[derive(Debug, Subcommand)]
pub(crate) enum BaseCommand {
    /// Make a base OS image from Debian's Wine packages; does nothing when it is up to date.
    Build(BaseBuild),
    /// Check every byte of the base OS images and of the kernel package.
    Verify,
    /// List the base OS images that are there.
    Ls,
}

/// Make a base OS image.
#[derive(Debug, Args)]
pub(crate) struct BaseBuild {
    /// nanoserver (small, no windows) or servercore (complete).
    pub(crate) base: BaseName,
    /// The Debian mirror; the one apt is set up with if not given.
    #[arg(long, value_name = "URL")]
    pub(crate) mirror: Option<String>,
    /// Look for newer packages than those of the last build.
    #[arg(long)]
    pub(crate) refresh: bool,
    /// The version of Windows that programs see.
    #[arg(long, default_value = "10.0.20348.2700", value_name = "VERSION")]
    pub(crate) os_version: String,
    /// Where the programs stand that go into System32; beside this program if not given.
    #[arg(long, value_name = "DIRECTORY")]
    pub(crate) guest_programs: Option<PathBuf>,
}

/// A base OS image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum BaseName {
    /// Console programs, small.
    Nanoserver,
    /// Everything that Wine has.
    Servercore,
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_definition_is_sound() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn the_program_in_the_container_keeps_its_flags() {
        let arguments = Arguments::try_parse_from([
            "porthole", "run", "--rm", "-it", "x", "cmd", "/c", "dir", "--help", "-v",
        ]);
        let Ok(Arguments {
            command: Command::Run(run),
            ..
        }) = arguments
        else {
            panic!("{arguments:?}")
        };
        assert!(run.rm && run.process.tty && run.process.interactive);
        assert_eq!(run.command, ["cmd", "/c", "dir", "--help", "-v"]);
    }

    #[test]
    fn short_flags_stand_together_as_in_docker() {
        for flags in ["-dit", "-itd", "-tdi"] {
            let arguments = Arguments::try_parse_from(["porthole", "run", flags, "x"]);
            let Ok(Arguments {
                command: Command::Run(Run { process, .. }),
                ..
            }) = arguments
            else {
                panic!("{arguments:?}")
            };
            assert!(
                process.detach && process.interactive && process.tty,
                "{flags}"
            );
        }
    }

    #[test]
    fn json_is_for_what_lists_and_tells() {
        let has_json = |words: &[&str]| {
            let arguments = Arguments::try_parse_from([&["porthole"], words].concat());
            arguments.expect("a command").command.has_json()
        };
        assert!(has_json(&["ps"]) && has_json(&["images"]) && has_json(&["base", "ls"]));
        assert!(!has_json(&["rm", "x"]) && !has_json(&["images", "rm", "x"]));
    }
}
