//! The command line.

use std::path::PathBuf;

use clap::Parser;

/// The daemon of Porthole: Windows containers for Docker clients, on Linux.
#[derive(Debug, Default, Parser)]
#[command(name = "portholed", version)]
pub(crate) struct Arguments {
    /// Where to listen, `unix:///path` or `tcp://host:port`; may be given more than once.
    #[arg(short = 'H', long = "host", value_name = "ADDRESS")]
    pub(crate) hosts: Vec<String>,
    /// Speak TLS over TCP, with clients alone whose certificate the CA has signed.
    #[arg(long, value_name = "BOOL", num_args = 0..=1, require_equals = true, default_missing_value = "true")]
    pub(crate) tlsverify: Option<bool>,
    /// The CA of the clients' certificates [default: /etc/porthole/ca.pem].
    #[arg(long, value_name = "FILE")]
    pub(crate) tlscacert: Option<PathBuf>,
    /// The server's certificate [default: /etc/porthole/cert.pem].
    #[arg(long, value_name = "FILE")]
    pub(crate) tlscert: Option<PathBuf>,
    /// Its private key [default: /etc/porthole/key.pem].
    #[arg(long, value_name = "FILE")]
    pub(crate) tlskey: Option<PathBuf>,
    /// Listen on TCP without TLS: whoever reaches the port becomes root on this host.
    #[arg(long)]
    pub(crate) insecure_tcp_without_authentication: bool,
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
