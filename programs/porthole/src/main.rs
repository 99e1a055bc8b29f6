//! Porthole's own command line: a thin client of the daemon, and the builder of base OS images.

// `println!` panics when the reader of a pipe has gone: see `output`.
#![deny(clippy::print_stdout, clippy::print_stderr)]

mod arguments;
mod client;
mod command_line;
mod commands;
mod complete;
mod credentials;
mod failure;
mod moment;
mod output;
mod request;
mod shown;
mod table;
mod template;
mod terminal;
mod wait;
mod whole_file;

use std::process::ExitCode;

use arguments::{Arguments, Command};

fn main() -> ExitCode {
    complete::answer_shell();
    let arguments = match command_line::read() {
        Ok(arguments) => arguments,
        Err(code) => return code,
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
        ..
    } = arguments;
    let asks_daemon = match command {
        Command::Base(base) => return commands::base::carry_out(&base, json),
        Command::Completion { shell } => {
            complete::print_script(shell)?;
            return Ok(ExitCode::SUCCESS);
        }
        Command::Logout(logout) => return commands::login::logout(&logout),
        Command::Store(store) => return commands::store::carry_out(&store, json),
        Command::Doctor(doctor) => return commands::doctor::carry_out(&doctor, json),
        Command::Setup(setup) => return commands::setup::carry_out(&setup, &host, json),
        other => other,
    };
    let runtime = tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .enable_all()
        .build()?;
    let outcome = runtime.block_on(commands::ask_daemon(&host, json, asks_daemon));
    // Reading standard input blocks a thread that nothing can wake: it is left behind, also by what
    // fails.
    runtime.shutdown_background();
    outcome
}
