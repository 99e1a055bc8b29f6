//! The command line.

use std::path::PathBuf;

use clap::Parser;

/// The daemon of Porthole: Windows containers for Docker clients, on Linux.
#[derive(Debug, Default, Parser)]
#[command(name = "portholed", version)]
pub(crate) struct Arguments {
    /// Where to listen, `unix:///path`; may be given more than once.
    #[arg(short = 'H', long = "host", value_name = "ADDRESS")]
    pub(crate) hosts: Vec<String>,
    /// Where images and containers are kept [default: /var/lib/porthole].
    #[arg(long, value_name = "DIRECTORY")]
    pub(crate) data_root: Option<PathBuf>,
    /// Where run-time state is kept [default: /run/porthole].
    #[arg(long, value_name = "DIRECTORY")]
    pub(crate) exec_root: Option<PathBuf>,
    /// The configuration file [default: /etc/porthole/porthole.toml, if it is there].
    #[arg(long, value_name = "FILE")]
    pub(crate) config: Option<PathBuf>,
    /// What to log: error, warn, info, debug or trace [default: info].
    #[arg(long, value_name = "LEVEL")]
    pub(crate) log_level: Option<String>,
    /// Print a configuration file with every key explained, and end.
    #[arg(long)]
    pub(crate) print_config: bool,
}
