//! `hostname`: the host's name as it was given. Wine's prints the NetBIOS name: upper case, and at
//! most 15 characters of it.

use std::process::ExitCode;

#[cfg(windows)]
fn main() -> ExitCode {
    if std::env::args().len() > 1 {
        eprintln!("sethostname: Use the Network Control Panel Applet to set hostname.");
        eprintln!("hostname -s is not supported.");
        return ExitCode::FAILURE;
    }
    match porthole_tools::windows::host_name() {
        Ok(name) => {
            println!("{name}");
            ExitCode::SUCCESS
        }
        Err(error) => {
            eprintln!("hostname: {error}");
            ExitCode::FAILURE
        }
    }
}

#[cfg(not(windows))]
fn main() -> ExitCode {
    ExitCode::FAILURE
}
