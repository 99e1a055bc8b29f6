//! Porthole's own command line: a thin client of the daemon, and the builder of base OS images.

// `println!` panics when the reader of a pipe has gone: see `output`.
#![deny(clippy::print_stdout, clippy::print_stderr)]

mod arguments;
mod client;
mod commands;
mod complete;
mod failure;
mod moment;
mod output;
mod request;
mod table;
mod template;
mod terminal;
mod wait;

use std::process::ExitCode;

use clap::Parser;

use arguments::{Arguments, Command};

fn main() -> ExitCode {
    complete::answer_shell();
    let arguments = match Arguments::try_parse() {
        Ok(arguments) => arguments,
        Err(error) => {
            // A terminal that is gone takes no message.
            let _ = error.print();
            // Help and version are no failures.
            return if error.use_stderr() {
                ExitCode::from(failure::NOT_CARRIED_OUT)
            } else {
                ExitCode::SUCCESS
            };
        }
    };
    let runs_program = matches!(arguments.command, Command::Run(_) | Command::Create(_));
    match carry_out(arguments) {
        Ok(code) => code,
        Err(error) => {
            // Nobody reads on: there is nothing to tell.
            if failure::is_reader_gone(&error) {
                return ExitCode::FAILURE;
            }
            failure::tell(&error);
            if runs_program {
                ExitCode::from(failure::code_of_run(&error))
            } else {
                ExitCode::FAILURE
            }
        }
    }
}

fn carry_out(arguments: Arguments) -> anyhow::Result<ExitCode> {
    let Arguments {
        host,
        json,
        command,
    } = arguments;
    if json && !command.has_json() {
        anyhow::bail!(
            "--json is for commands that list or tell something: ps, images, history, inspect, top, port, stats, events, prune, system, info, base, doctor, setup, version"
        );
    }
    let asks_daemon = match command {
        Command::Base(base) => return commands::base::carry_out(&base, json),
        Command::Completion { shell } => {
            complete::print_script(shell)?;
            return Ok(ExitCode::SUCCESS);
        }
        Command::Doctor(doctor) => return commands::doctor::carry_out(&doctor, json),
        Command::Setup(setup) => return commands::setup::carry_out(&setup, &host, json),
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
