//! `setx`: sets a variable for programs that start later. Wine's does nothing.

use std::process::ExitCode;

use porthole_tools::arguments::Arguments;

const HELP: &str = "SETX var value [/M]

    Creates or changes a variable of the user's environment, or with /M of the machine's.
    Programs that start from now on see it.";

fn main() -> ExitCode {
    let arguments = Arguments::of_process();
    if arguments.asks_for_help() {
        println!("{HELP}");
        return ExitCode::SUCCESS;
    }
    let ([name, value], true) = (
        &arguments.operands[..],
        arguments.switches.iter().all(|(name, _)| name == "m"),
    ) else {
        eprintln!("ERROR: Invalid syntax.\nType \"SETX /?\" for usage.");
        return ExitCode::FAILURE;
    };
    match set(name, value, arguments.has("m")) {
        Ok(()) => {
            println!("\nSUCCESS: Specified value was saved.");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("ERROR: {error}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(windows)]
use porthole_tools::windows::set_variable as set;

#[cfg(not(windows))]
fn set(_: &str, _: &str, _: bool) -> std::io::Result<()> {
    Err(std::io::ErrorKind::Unsupported.into())
}
