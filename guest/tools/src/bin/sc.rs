//! `sc`: services, as Windows' own shows and changes them. Wine's has no `query` and no `config`, and
//! its `failure` reports success and changes nothing.

use std::process::ExitCode;

#[cfg(windows)]
fn main() -> ExitCode {
    porthole_tools::service_control::run()
}

#[cfg(not(windows))]
fn main() -> ExitCode {
    ExitCode::FAILURE
}
