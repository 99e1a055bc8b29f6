//! Porthole's own command line: a thin client of the daemon, and the builder of base OS images.

mod arguments;
mod client;
mod commands;
mod failure;
mod table;
mod terminal;

use std::process::ExitCode;

use clap::Parser;

use arguments::{Arguments, Command};

fn main() -> ExitCode {
    let arguments = Arguments::parse();
    match carry_out(arguments) {
        Ok(code) => code,
        Err(error) => {
            failure::tell(&error);
            ExitCode::from(failure::exit_code(&error))
        }
    }
}

fn carry_out(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let Arguments {
        host,
        json,
        command,
    } = arguments;
    let asks_daemon = match command {
        Command::Base(base) => return commands::base::carry_out(&base, json),
        Command::Doctor(doctor) => return commands::doctor::carry_out(&doctor, json),
        other => other,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let code = runtime.block_on(commands::ask_daemon(&host, json, asks_daemon))?;
    // Reading standard input blocks a thread that nothing can wake: it is left behind.
    runtime.shutdown_background();
    Ok(code)
}
