//! Console hosts: the processes (Wine's `conhost.exe`) that serve consoles.

use std::os::windows::io::OwnedHandle;

use porthole_protocol::ConsoleSize;

use crate::error::Outcome;
use crate::sys::console::Server;
use crate::sys::process::{self, Process, Start};

const CONHOST: &str = r"C:\Windows\System32\conhost.exe";

/// Serves a console that nobody sees.
pub(crate) fn start_hidden(server: &Server) -> Outcome<Process> {
    start(server, "--headless", None)
}

/// Serves a console whose keyboard and screen are the streams `input` and `output`.
///
/// In its `--unix` form conhost reads and writes UTF-8, turns Ctrl-C into an event, and adds no
/// carriage returns; its `--headless` form, the one of pseudo consoles, ends at a Ctrl-C.
pub(crate) fn start_visible(
    server: &Server,
    size: ConsoleSize,
    input: &OwnedHandle,
    output: &OwnedHandle,
) -> Outcome<Process> {
    let mode = format!(
        "--unix --width {} --height {}",
        size.width.max(1),
        size.height.max(1)
    );
    start(server, &mode, Some([input, output, output]))
}

fn start(server: &Server, mode: &str, stdio: Option<[&OwnedHandle; 3]>) -> Outcome<Process> {
    use std::os::windows::io::AsRawHandle;
    let number = server.handle().as_raw_handle().addr();
    let command_line = format!("\"{CONHOST}\" {mode} --server 0x{number:x}");
    let started = process::start(&Start {
        stdio,
        inherited: &[server.handle()],
        ..Start::server(CONHOST, &command_line)
    })?;
    Ok(started.process)
}
