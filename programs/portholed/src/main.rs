//! The engine daemon: the Docker Engine API over the engine, on a Unix socket or, with
//! mutual TLS, on TCP.
//!
//! It owns no container: those live in the Compute Service and its supervisors, so that this
//! program may end, crash or be replaced while they run.

mod address;
mod arguments;
mod compute;
mod configuration;
mod daemon;
mod facts;
mod instance;
mod registries;
mod socket;
mod tls;

use std::io::IsTerminal;
use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
use tracing::Level;
use tracing_subscriber::EnvFilter;

use arguments::Arguments;
use configuration::Configuration;

fn main() -> ExitCode {
    match run(Arguments::parse()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("portholed: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(arguments: Arguments) -> Result<()> {
    if arguments.print_config {
        print!("{}", configuration::DEFAULT);
        return Ok(());
    }
    let configuration = Configuration::load(arguments)?;
    start_logging(&configuration.log_level)?;
    if let Err(error) = porthole_files::raise_limit() {
        tracing::warn!(%error, "cannot raise the limit of open files");
    }
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let result = runtime.block_on(daemon::run(&configuration));
    // Attached streams would otherwise keep the process until their programs end.
    runtime.shutdown_background();
    result
}

/// Logs to standard error. A bare level concerns this daemon; the libraries under it tell every
/// frame they send from `debug` on, and are heard only where a filter names them.
fn start_logging(level: &str) -> Result<()> {
    let is_bare = level.parse::<Level>().is_ok();
    let quiet = if is_bare {
        ",h2=info,hyper=info,hyper_util=info,tonic=info,tower=info"
    } else {
        ""
    };
    let filter = EnvFilter::try_new(format!("{level}{quiet}"))
        .with_context(|| format!("{level:?} is no log level"))?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .with_ansi(std::io::stderr().is_terminal())
        .init();
    Ok(())
}
