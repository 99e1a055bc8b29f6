//! `container`, `image`, `volume` and `network`: docker's names for commands by their object.

use clap::{Args, Subcommand};

use super::system::filter;
use super::{
    Attach, Command, Commit, Container, Containers, Cp, Create, Diff, Exec, Export, Images,
    ImagesLs, ImagesPrune, Import, Inspect, InspectOf, Kill, Load, Logs, Named, Port, Prune, Ps,
    Pulled, Pushed, Rename, Rm, Rmi, Run, Save, Start, Stats, Stop, Tag, Update, examples,
};

/// What to do with containers.
#[derive(Debug, Subcommand)]
pub(crate) enum ContainerCommand {
    /// Run a program in a new container.
    #[command(disable_help_flag = true, after_long_help = examples::RUN,
        override_usage = "porthole container run [OPTIONS] IMAGE [COMMAND] [ARG...]")]
    Run(Box<Run>),
    /// Make a container and do not start it.
    #[command(disable_help_flag = true, after_long_help = examples::CREATE,
        override_usage = "porthole container create [OPTIONS] IMAGE [COMMAND] [ARG...]")]
    Create(Box<Create>),
    /// Run a further program in a running container.
    #[command(after_long_help = examples::EXEC,
        override_usage = "porthole container exec [OPTIONS] CONTAINER COMMAND [ARG...]")]
    Exec(Exec),
    /// Stay with the program of a running container.
    Attach(Attach),
    /// List containers.
    #[command(visible_aliases = ["ps", "list"])]
    Ls(Ps),
    /// Show a container's output.
    Logs(Logs),
    /// Copy files and directories into a container or out of it.
    #[command(after_long_help = examples::CP)]
    Cp(Cp),
    /// Show what a container changed: files, or the registry.
    #[command(after_long_help = examples::DIFF)]
    Diff(Diff),
    /// Make an image of a container, with all that it changed.
    #[command(after_long_help = examples::COMMIT)]
    Commit(Commit),
    /// Write a container's drive C: to a tar archive.
    #[command(after_long_help = examples::EXPORT)]
    Export(Export),
    /// Start containers that do not run.
    Start(Start),
    /// End what runs in containers.
    Stop(Stop),
    /// Stop containers, then start them.
    Restart(Stop),
    /// Send containers a signal.
    Kill(Kill),
    /// Hold everything in containers where it is.
    Pause(Containers),
    /// Let everything in paused containers go on.
    Unpause(Containers),
    /// Wait until containers have ended, and print their exit codes.
    Wait(Containers),
    /// Change limits and restart policies.
    Update(Update),
    /// Give a container another name.
    Rename(Rename),
    /// Show all that is known of containers.
    Inspect(InspectOf),
    /// List a container's processes.
    Top(Container),
    /// List the ports of this host that lead into a container.
    Port(Port),
    /// Show what running containers use.
    Stats(Stats),
    /// Remove containers.
    #[command(visible_alias = "remove")]
    Rm(Rm),
    /// Remove all containers that do not run.
    Prune(Prune),
}

impl From<ContainerCommand> for Command {
    fn from(command: ContainerCommand) -> Self {
        use ContainerCommand as Of;
        match command {
            Of::Run(run) => Self::Run(run),
            Of::Create(create) => Self::Create(create),
            Of::Exec(exec) => Self::Exec(exec),
            Of::Attach(attach) => Self::Attach(attach),
            Of::Ls(ps) => Self::Ps(ps),
            Of::Logs(logs) => Self::Logs(logs),
            Of::Cp(cp) => Self::Cp(cp),
            Of::Diff(diff) => Self::Diff(diff),
            Of::Commit(commit) => Self::Commit(commit),
            Of::Export(export) => Self::Export(export),
            Of::Start(start) => Self::Start(start),
            Of::Stop(stop) => Self::Stop(stop),
            Of::Restart(stop) => Self::Restart(stop),
            Of::Kill(kill) => Self::Kill(kill),
            Of::Pause(containers) => Self::Pause(containers),
            Of::Unpause(containers) => Self::Unpause(containers),
            Of::Wait(containers) => Self::Wait(containers),
            Of::Update(update) => Self::Update(update),
            Of::Rename(rename) => Self::Rename(rename),
            Of::Inspect(of) => Self::Inspect(inspect("container", of)),
            Of::Top(container) => Self::Top(container),
            Of::Port(port) => Self::Port(port),
            Of::Stats(stats) => Self::Stats(stats),
            Of::Rm(rm) => Self::Rm(rm),
            Of::Prune(prune) => Self::Prune(prune),
        }
    }
}

/// What to do with images.
#[derive(Debug, Subcommand)]
pub(crate) enum ImageCommand {
    /// List them.
    #[command(visible_alias = "list")]
    Ls(ImagesLs),
    /// Remove images, or names of them.
    #[command(visible_alias = "remove")]
    Rm(Rmi),
    /// Remove images that have no name and that no container is made from.
    Prune(ImagesPrune),
    /// Give an image a further name.
    Tag(Tag),
    /// Show all that is known of images.
    Inspect(InspectOf),
    /// Show how an image was made.
    History(Named),
    /// Get an image from its registry.
    #[command(after_long_help = examples::PULL)]
    Pull(Pulled),
    /// Send an image to its registry.
    #[command(after_long_help = examples::PUSH)]
    Push(Pushed),
    /// Write images to an archive.
    #[command(after_long_help = examples::SAVE)]
    Save(Save),
    /// Take in the images of an archive.
    #[command(after_long_help = examples::LOAD)]
    Load(Load),
    /// Make an image of an archive of files.
    #[command(after_long_help = examples::IMPORT)]
    Import(Import),
}

impl From<ImageCommand> for Command {
    fn from(command: ImageCommand) -> Self {
        use ImageCommand as Of;
        match command {
            Of::Ls(list) => Self::Images(Images {
                command: None,
                list,
            }),
            Of::Rm(rmi) => Self::Rmi(rmi),
            Of::Prune(prune) => Self::ImagesPrune(prune),
            Of::Tag(tag) => Self::Tag(tag),
            Of::Inspect(of) => Self::Inspect(inspect("image", of)),
            Of::History(named) => Self::History(named),
            Of::Pull(pulled) => Self::Pull(pulled),
            Of::Push(pushed) => Self::Push(pushed),
            Of::Save(save) => Self::Save(save),
            Of::Load(load) => Self::Load(load),
            Of::Import(import) => Self::Import(import),
        }
    }
}

fn inspect(kind: &str, of: InspectOf) -> Inspect {
    Inspect {
        kind: Some(kind.to_owned()),
        size: false,
        of,
    }
}

/// What to do with volumes or networks.
#[derive(Debug, Subcommand)]
pub(crate) enum ObjectCommand {
    /// List them.
    #[command(visible_alias = "list")]
    Ls(ObjectLs),
    /// Show all that is known of some.
    Inspect(InspectOf),
}

/// List volumes or networks.
#[derive(Debug, Args)]
pub(crate) struct ObjectLs {
    /// Print names (of volumes) or IDs (of networks) alone.
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// Cut nothing short.
    #[arg(long)]
    pub(crate) no_trunc: bool,
    /// Only what the filter lets through, for example `driver=nat` or `name=web`.
    #[arg(short, long, value_name = "NAME=VALUE", value_parser = filter)]
    pub(crate) filter: Vec<(String, String)>,
    /// `json`, `table …` or a template such as `{{.Name}} {{.Driver}}`.
    #[arg(long)]
    pub(crate) format: Option<String>,
}
