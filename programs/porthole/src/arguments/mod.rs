//! The command line.

mod containers;
mod examples;
mod images;
mod management;
pub(crate) mod options;
pub(crate) mod resources;
mod setup;
mod system;
mod transfer;
pub(crate) mod units;

use std::path::PathBuf;

pub(crate) use containers::{
    Attach, Container, Containers, Cp, Create, Exec, Inspect, InspectOf, Kill, Logs, Port, Ps,
    Rename, Rm, Run, Start, Stats, Stop, Update,
};
pub(crate) use images::{Images, ImagesLs, ImagesPrune, Named, Pulled, Rmi, Tag};
pub(crate) use management::{ContainerCommand, ImageCommand, ObjectCommand, ObjectLs};
pub(crate) use setup::Setup;
pub(crate) use system::{Df, Events, Info, Prune, System, SystemCommand, SystemPrune};
pub(crate) use transfer::{
    Commit, Diff, Export, Import, Load, Login, Logout, Pushed, Save, Search, StoreArguments,
    StoreCommand,
};

use clap::{ArgAction, Args, Parser, Subcommand, ValueEnum};

/// The variable that names the daemon's socket.
pub(crate) const HOST_VARIABLE: &str = "PORTHOLE_HOST";

/// The daemon's socket when nothing names it.
pub(crate) const DEFAULT_HOST: &str = "unix:///run/porthole/docker.sock";

/// Over the options that each command has.
const GLOBAL: &str = "Global options";

/// Windows containers on Linux, without Windows.
///
/// Everything here is also open to docker: `docker --host unix:///run/porthole/docker.sock …`.
#[derive(Debug, Parser)]
#[command(name = "porthole", version, disable_version_flag = true, after_help = examples::ALL)]
pub(crate) struct Arguments {
    /// The daemon's socket.
    #[arg(
        short = 'H',
        long,
        global = true,
        env = HOST_VARIABLE,
        default_value = DEFAULT_HOST,
        help_heading = GLOBAL
    )]
    pub(crate) host: String,
    /// Print JSON, for programs to read.
    #[arg(long, global = true, help_heading = GLOBAL)]
    pub(crate) json: bool,
    /// Print the version.
    // Docker's letter, and clap's.
    #[arg(short = 'v', short_alias = 'V', long, action = ArgAction::Version)]
    version: Option<bool>,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// What to do.
#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Run a program in a new container.
    #[command(disable_help_flag = true, after_long_help = examples::RUN,
        override_usage = "porthole run [OPTIONS] IMAGE [COMMAND] [ARG...]")]
    Run(Box<Run>),
    /// Make a container and do not start it.
    #[command(disable_help_flag = true, after_long_help = examples::CREATE,
        override_usage = "porthole create [OPTIONS] IMAGE [COMMAND] [ARG...]")]
    Create(Box<Create>),
    /// Run a further program in a running container.
    #[command(after_long_help = examples::EXEC,
        override_usage = "porthole exec [OPTIONS] CONTAINER COMMAND [ARG...]")]
    Exec(Exec),
    /// Stay with the program of a running container, as if it had been started from here.
    #[command(after_long_help = examples::ATTACH)]
    Attach(Attach),
    /// Copy files and directories into a container, or out of it, whether it runs or not.
    #[command(after_long_help = examples::CP)]
    Cp(Cp),
    /// List containers.
    #[command(after_long_help = examples::PS)]
    Ps(Ps),
    /// Show a container's output.
    #[command(after_long_help = examples::LOGS)]
    Logs(Logs),
    /// Start containers that do not run.
    #[command(after_long_help = examples::START)]
    Start(Start),
    /// End what runs in containers: asked to first, then made to.
    #[command(after_long_help = examples::STOP)]
    Stop(Stop),
    /// Stop containers, then start them.
    Restart(Stop),
    /// Send containers a signal; without one, end them at once.
    #[command(after_long_help = examples::KILL)]
    Kill(Kill),
    /// Hold everything in containers where it is.
    Pause(Containers),
    /// Let everything in paused containers go on.
    Unpause(Containers),
    /// Wait until containers have ended, and print their exit codes.
    Wait(Containers),
    /// Change the limits and the restart policy of containers, also of those that run.
    #[command(after_long_help = examples::UPDATE)]
    Update(Update),
    /// Give a container another name.
    Rename(Rename),
    /// Show all that is known of containers or images, as JSON.
    #[command(after_long_help = examples::INSPECT)]
    Inspect(Inspect),
    /// List a container's processes.
    Top(Container),
    /// List the ports of this host that lead into a container.
    #[command(after_long_help = examples::PORT)]
    Port(Port),
    /// Show what running containers use.
    #[command(after_long_help = examples::STATS)]
    Stats(Stats),
    /// Show what happens, as it happens.
    #[command(after_long_help = examples::EVENTS)]
    Events(Events),
    /// Remove containers.
    #[command(after_long_help = examples::RM)]
    Rm(Rm),
    /// Remove all containers that do not run.
    #[command(after_long_help = examples::PRUNE)]
    Prune(Prune),
    /// List images, or remove some.
    #[command(after_long_help = examples::IMAGES)]
    Images(Images),
    /// Show what a container changed: files, or the registry.
    #[command(after_long_help = examples::DIFF)]
    Diff(Diff),
    /// Make an image of a container, with all that it changed.
    #[command(after_long_help = examples::COMMIT)]
    Commit(Commit),
    /// Write a container's drive C: to a tar archive.
    #[command(after_long_help = examples::EXPORT)]
    Export(Export),
    /// Get an image from its registry.
    #[command(after_long_help = examples::PULL)]
    Pull(Pulled),
    /// Send an image to its registry.
    #[command(after_long_help = examples::PUSH)]
    Push(Pushed),
    /// Tell a registry who you are, and remember it as docker does.
    #[command(after_long_help = examples::LOGIN)]
    Login(Login),
    /// Forget who you are to a registry (needs no daemon).
    Logout(Logout),
    /// Search a registry for images.
    #[command(after_long_help = examples::SEARCH)]
    Search(Search),
    /// Write images to an archive.
    #[command(after_long_help = examples::SAVE)]
    Save(Save),
    /// Take in the images of an archive.
    #[command(after_long_help = examples::LOAD)]
    Load(Load),
    /// Make an image of an archive of files.
    #[command(after_long_help = examples::IMPORT)]
    Import(Import),
    /// Give an image a further name.
    #[command(after_long_help = examples::TAG)]
    Tag(Tag),
    /// Remove images, or names of them.
    #[command(after_long_help = examples::RMI)]
    Rmi(Rmi),
    /// Show how an image was made.
    History(Named),
    /// Show what the daemon uses and has, or remove what nobody uses.
    #[command(after_long_help = examples::SYSTEM)]
    System(System),
    /// Show what the daemon is and has.
    Info(Info),
    /// Containers: the commands above, under the names that docker also has for them.
    Container {
        #[command(subcommand)]
        command: ContainerCommand,
    },
    /// Images, likewise.
    Image {
        #[command(subcommand)]
        command: ImageCommand,
    },
    #[command(skip)]
    ImagesPrune(ImagesPrune),
    /// List volumes.
    Volume {
        #[command(subcommand)]
        command: ObjectCommand,
    },
    /// List networks.
    Network {
        #[command(subcommand)]
        command: ObjectCommand,
    },
    /// Build, verify and list base OS images (needs no daemon).
    Base(Base),
    /// Check what is kept on disk (needs no daemon).
    Store(StoreArguments),
    /// Check whether this host can run containers, and say what to do if not.
    Doctor(Doctor),
    Setup(Setup),
    /// Show the versions of this program and of the daemon.
    Version,
    /// Print a script that completes this program's commands in a shell.
    Completion {
        /// The shell.
        shell: clap_complete::Shell,
    },
}

impl Command {
    /// The command itself, for what `container`, `image` and `images` only lead to.
    pub(crate) fn plain(self) -> Self {
        match self {
            Self::Container { command } => command.into(),
            Self::Image { command }
            | Self::Images(Images {
                command: Some(command),
                ..
            }) => command.into(),
            plain => plain,
        }
    }
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
