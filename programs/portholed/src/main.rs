//! The engine daemon: the Docker Engine API over the engine, on a Unix socket.
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
mod socket;

use std::process::ExitCode;

use anyhow::{Context, Result};
use clap::Parser;
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
    let filter = EnvFilter::try_new(&configuration.log_level)
        .with_context(|| format!("{:?} is no log level", configuration.log_level))?;
    tracing_subscriber::fmt()
        .with_env_filter(filter)
        .with_writer(std::io::stderr)
        .init();
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .enable_all()
        .build()?;
    let result = runtime.block_on(daemon::run(&configuration));
    // Attached streams would otherwise keep the process until their programs end.
    runtime.shutdown_background();
    result
}
