//! What `run` and `create` let a user say of a new container.

use std::path::PathBuf;

use clap::{ArgAction, Args, ValueEnum};

use super::resources::{LIMITS, Resources};
use super::units;

const NETWORK: &str = "Network";
const HEALTH: &str = "Health";
const STORAGE: &str = "Files";
const LOGGING: &str = "Log";
const LINUX: &str = "Options of Linux containers (the daemon says which it takes)";

/// A new container.
#[derive(Debug, Args)]
pub(crate) struct Options {
    /// Keep the program's input open and pass this terminal's on.
    #[arg(short, long)]
    pub(crate) interactive: bool,
    /// Give the program a console.
    #[arg(short, long)]
    pub(crate) tty: bool,
    /// Attach to stdin, stdout or stderr alone.
    #[arg(short, long, value_name = "STREAM", ignore_case = true)]
    pub(crate) attach: Vec<StandardStream>,
    /// The container's name.
    #[arg(long)]
    pub(crate) name: Option<String>,
    /// Write the container's ID to a file, which must not be there yet.
    #[arg(long, value_name = "FILE")]
    pub(crate) cidfile: Option<PathBuf>,
    /// When to pull the image.
    #[arg(long, value_enum, default_value = "missing", value_name = "WHEN")]
    pub(crate) pull: Pull,
    /// Show no progress of a pull.
    #[arg(short, long)]
    pub(crate) quiet: bool,
    /// The platform: windows/amd64.
    #[arg(long)]
    pub(crate) platform: Option<String>,
    /// The isolation.
    #[arg(long)]
    pub(crate) isolation: Option<Isolation>,
    /// Set an environment variable (NAME alone takes this shell's value).
    #[arg(short, long, value_name = "NAME[=VALUE]")]
    pub(crate) env: Vec<String>,
    /// Read environment variables from a file, one a line.
    #[arg(long, value_name = "FILE")]
    pub(crate) env_file: Vec<PathBuf>,
    /// The directory to start in, for example `C:\app`.
    #[arg(short, long, value_name = "PATH")]
    pub(crate) workdir: Option<String>,
    /// The account: ContainerAdministrator or ContainerUser.
    #[arg(short, long)]
    pub(crate) user: Option<String>,
    /// The program, in place of the image's entry point; "" for none.
    #[arg(long)]
    pub(crate) entrypoint: Option<String>,
    /// The container's host name.
    #[arg(short = 'h', long)]
    pub(crate) hostname: Option<String>,
    /// The container's domain name.
    #[arg(long)]
    pub(crate) domainname: Option<String>,
    /// Attach a label.
    #[arg(short, long, value_name = "NAME[=VALUE]")]
    pub(crate) label: Vec<String>,
    /// Read labels from a file, one a line.
    #[arg(long, value_name = "FILE")]
    pub(crate) label_file: Vec<PathBuf>,
    /// Attach an annotation.
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) annotation: Vec<String>,
    /// What `stop` sends first: SIGTERM (shutdown), SIGINT (Ctrl-C), SIGBREAK or SIGKILL.
    #[arg(long, value_name = "SIGNAL")]
    pub(crate) stop_signal: Option<String>,
    /// Seconds that `stop` waits for the program.
    #[arg(long, value_name = "SECONDS", allow_negative_numbers = true)]
    pub(crate) stop_timeout: Option<i64>,
    /// The keys that leave a console.
    #[arg(long, value_name = "KEYS")]
    pub(crate) detach_keys: Option<String>,
    /// A security option, for example credentialspec=file://… .
    #[arg(long, value_name = "OPTION")]
    pub(crate) security_opt: Vec<String>,
    /// Give the container a device.
    #[arg(long)]
    pub(crate) device: Vec<String>,
    /// Run an init in front of the program; every container of Porthole's has one.
    #[arg(long)]
    pub(crate) init: bool,
    /// The runtime.
    #[arg(long)]
    pub(crate) runtime: Option<String>,
    #[command(flatten)]
    pub(crate) resources: Resources,
    /// A limit, `NAME=SOFT[:HARD]`.
    #[arg(long, value_name = "NAME=SOFT[:HARD]", help_heading = LIMITS)]
    pub(crate) ulimit: Vec<String>,
    #[command(flatten)]
    pub(crate) storage: Storage,
    #[command(flatten)]
    pub(crate) network: Network,
    #[command(flatten)]
    pub(crate) health: Health,
    #[command(flatten)]
    pub(crate) log: Log,
    #[command(flatten)]
    pub(crate) linux: Linux,
    /// Print help.
    // Docker's -h is the host name.
    #[arg(long, action = ArgAction::HelpLong)]
    pub(crate) help: Option<bool>,
    /// The image, and the command.
    // One list: clap reads options between two, and docker does not.
    #[arg(required = true, num_args = 1.., trailing_var_arg = true, value_name = "IMAGE", hide = true)]
    words: Vec<String>,
}

/// Files and disks of a new container.
#[derive(Debug, Args)]
#[command(next_help_heading = STORAGE)]
pub(crate) struct Storage {
    /// Show a directory of this host, or a volume, in the container.
    #[arg(short, long, value_name = "SOURCE:TARGET[:ro]")]
    pub(crate) volume: Vec<String>,
    /// The same in words: type=bind|volume|npipe, source=…, target=…, readonly.
    #[arg(long, value_name = "NAME=VALUE,…")]
    pub(crate) mount: Vec<String>,
    /// Take another container's volumes.
    #[arg(long, value_name = "CONTAINER[:ro]")]
    pub(crate) volumes_from: Vec<String>,
    /// The driver of the volumes that are made.
    #[arg(long, value_name = "DRIVER")]
    pub(crate) volume_driver: Option<String>,
    /// Let no program write to C:.
    #[arg(long)]
    pub(crate) read_only: bool,
    /// A directory in memory, for example `C:\t:size=64m`.
    #[arg(long, value_name = "PATH[:OPTIONS]")]
    pub(crate) tmpfs: Vec<String>,
    /// An option of the storage, for example size=20G.
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) storage_opt: Vec<String>,
}

/// The network of a new container.
#[derive(Debug, Args)]
#[command(next_help_heading = NETWORK)]
pub(crate) struct Network {
    /// The network: nat, none or another.
    #[arg(long, visible_alias = "net", value_name = "NETWORK")]
    pub(crate) network: Option<String>,
    /// A further name on the network.
    #[arg(long, value_name = "NAME")]
    pub(crate) network_alias: Vec<String>,
    /// The IPv4 address.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) ip: Option<String>,
    /// The IPv6 address.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) ip6: Option<String>,
    /// The hardware address.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) mac_address: Option<String>,
    /// Let a port of this host lead into the container; both may be ranges, as in 8000-8009:8000-8009.
    #[arg(short, long, value_name = "[ADDRESS:][HOST:]CONTAINER[/tcp|udp]")]
    pub(crate) publish: Vec<String>,
    /// Publish all exposed ports, each on a free one.
    #[arg(short = 'P', long)]
    pub(crate) publish_all: bool,
    /// Say that programs listen on a port.
    #[arg(long, value_name = "PORT[-PORT][/tcp|udp]")]
    pub(crate) expose: Vec<String>,
    /// A name server.
    #[arg(long, value_name = "ADDRESS")]
    pub(crate) dns: Vec<String>,
    /// A domain that names are looked up in.
    #[arg(long, value_name = "DOMAIN")]
    pub(crate) dns_search: Vec<String>,
    /// An option of name resolution.
    #[arg(long, visible_alias = "dns-opt", value_name = "OPTION")]
    pub(crate) dns_option: Vec<String>,
    /// Let a name lead to an address.
    #[arg(long, value_name = "NAME:ADDRESS")]
    pub(crate) add_host: Vec<String>,
    /// A link to another container.
    #[arg(long, value_name = "CONTAINER[:ALIAS]")]
    pub(crate) link: Vec<String>,
}

/// How to see that a new container is well.
#[derive(Debug, Args)]
#[command(next_help_heading = HEALTH)]
pub(crate) struct Health {
    /// The command that checks health.
    #[arg(long, value_name = "COMMAND")]
    pub(crate) health_cmd: Option<String>,
    /// The time between checks, for example 30s.
    #[arg(long, value_name = "DURATION", value_parser = units::duration)]
    pub(crate) health_interval: Option<i64>,
    /// The time that a check may take.
    #[arg(long, value_name = "DURATION", value_parser = units::duration)]
    pub(crate) health_timeout: Option<i64>,
    /// Failures in a row that make it unhealthy.
    #[arg(long, value_name = "NUMBER")]
    pub(crate) health_retries: Option<i64>,
    /// The time at the start in which failures do not count.
    #[arg(long, value_name = "DURATION", value_parser = units::duration)]
    pub(crate) health_start_period: Option<i64>,
    /// The time between checks while it starts.
    #[arg(long, value_name = "DURATION", value_parser = units::duration)]
    pub(crate) health_start_interval: Option<i64>,
    /// Check no health, whatever the image says.
    #[arg(long, conflicts_with_all = ["health_cmd", "health_interval", "health_timeout",
        "health_retries", "health_start_period", "health_start_interval"])]
    pub(crate) no_healthcheck: bool,
}

/// Where the output of a new container goes.
#[derive(Debug, Args)]
#[command(next_help_heading = LOGGING)]
pub(crate) struct Log {
    /// The log driver: json-file, local, none or another.
    #[arg(long, value_name = "DRIVER")]
    pub(crate) log_driver: Option<String>,
    /// An option of the log driver, for example max-size=10m.
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) log_opt: Vec<String>,
}

/// What Docker has for Linux. All of it is sent as it is: the daemon knows what it can do.
#[derive(Debug, Args)]
#[command(next_help_heading = LINUX)]
pub(crate) struct Linux {
    /// The size of /dev/shm.
    #[arg(long, value_name = "BYTES", value_parser = units::bytes)]
    pub(crate) shm_size: Option<i64>,
    /// Give all privileges.
    #[arg(long)]
    pub(crate) privileged: bool,
    /// Add a capability.
    #[arg(long, value_name = "CAPABILITY")]
    pub(crate) cap_add: Vec<String>,
    /// Take a capability.
    #[arg(long, value_name = "CAPABILITY")]
    pub(crate) cap_drop: Vec<String>,
    /// Add a group.
    #[arg(long, value_name = "GROUP")]
    pub(crate) group_add: Vec<String>,
    /// A setting of the kernel.
    #[arg(long, value_name = "NAME=VALUE")]
    pub(crate) sysctl: Vec<String>,
    /// The parent cgroup.
    #[arg(long, value_name = "CGROUP")]
    pub(crate) cgroup_parent: Option<String>,
    /// The IPC namespace.
    #[arg(long, value_name = "MODE")]
    pub(crate) ipc: Option<String>,
    /// The PID namespace.
    #[arg(long, value_name = "MODE")]
    pub(crate) pid: Option<String>,
    /// The UTS namespace.
    #[arg(long, value_name = "MODE")]
    pub(crate) uts: Option<String>,
    /// The user namespace.
    #[arg(long, value_name = "MODE")]
    pub(crate) userns: Option<String>,
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

/// When to pull an image.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum Pull {
    /// Each time.
    Always,
    /// When it is not there.
    Missing,
    /// Never.
    Never,
}

/// A standard stream.
#[derive(Debug, Clone, Copy, PartialEq, Eq, ValueEnum)]
pub(crate) enum StandardStream {
    /// Input.
    Stdin,
    /// Output.
    Stdout,
    /// Errors.
    Stderr,
}

/// Which standard streams this program is attached to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Streams {
    /// Input.
    pub(crate) stdin: bool,
    /// Output.
    pub(crate) stdout: bool,
    /// Errors.
    pub(crate) stderr: bool,
}

impl Options {
    /// The image, for example porthole/nanoserver.
    pub(crate) fn image(&self) -> &str {
        self.words.first().map_or("", String::as_str)
    }

    /// The command; none is the image's.
    pub(crate) fn command(&self) -> &[String] {
        self.words.get(1..).unwrap_or_default()
    }

    /// The streams to attach to: those of `--attach`, or output and with `-i` input.
    pub(crate) fn streams(&self) -> Streams {
        let all = self.attach.is_empty();
        let wanted = |stream| self.attach.contains(&stream);
        Streams {
            stdin: wanted(StandardStream::Stdin) || (all && self.interactive),
            stdout: all || wanted(StandardStream::Stdout),
            stderr: all || wanted(StandardStream::Stderr),
        }
    }
}
