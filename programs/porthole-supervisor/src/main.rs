//! `porthole-supervisor --system-dir DIR`: the parent of one container.
//!
//! Reads `silo.json`, listens on `supervisor.sock` (both in DIR, see
//! [`porthole_protocol::supervisor`]), and detaches: the command that was called returns as soon
//! as the socket listens, with an error message and status 1 if it never will. What stays is a
//! session of its own that neither daemon's end touches. On request it builds the silo, starts
//! processes in it through the guest agent, moves and records their streams, and when the silo has
//! ended writes `exit.json` and goes.
//!
//! `porthole-supervisor --copy-files` is the short-lived program that copies files into and out of
//! a container (see [`copying`]).
//!
//! One thread and one epoll set: the copy of a single-threaded process is a safe way to make the
//! silo's init, and an idle container must cost next to nothing.

mod agent;
mod attachments;
mod clients;
mod clock;
mod copying;
mod datagrams;
mod detach;
mod ending;
mod exits;
mod framing;
mod host_socket;
mod journal;
mod lifecycle;
mod listening;
mod local_address;
mod poller;
mod processes;
mod proxy;
mod registry;
mod requests;
mod scope;
mod silo;
mod stdio;
mod supervisor;
#[cfg(test)]
mod turns;
mod watchers;

use std::path::PathBuf;
use std::process::ExitCode;

use anyhow::{Context, Result, bail};
use porthole_protocol::supervisor::{CONTROL_SOCKET, LOG_FILE, SPEC_FILE, SiloSpec};

use crate::detach::Side;
use crate::supervisor::Supervisor;

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            journal::write_line(&format!("porthole-supervisor: {error:#}"));
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<()> {
    detach::close_inherited();
    let directory = match task()? {
        Task::Supervise(directory) => directory,
        Task::CopyFiles => return copying::serve(),
    };
    let lock = detach::lock(&directory)
        .with_context(|| format!("{} is supervised already", directory.display()))?;
    let spec = read_spec(&directory)?;
    let listener = detach::listen(&directory, CONTROL_SOCKET)?;
    let birthplace = spec.in_scope.then(|| scope::enter(&spec)).transpose()?;
    if detach::split(birthplace.as_ref())? == Side::Caller {
        return Ok(());
    }
    detach::settle(&directory.join(LOG_FILE))?;
    if let Err(error) = porthole_files::raise_limit() {
        journal::write_line(&format!("cannot raise the limit of open files: {error}"));
    }
    let mut supervisor = Supervisor::new(directory, spec, listener)?;
    let outcome = supervisor.run();
    drop(lock);
    outcome
}

/// What this program is called for.
enum Task {
    /// To supervise the system in this directory.
    Supervise(PathBuf),
    /// To copy files.
    CopyFiles,
}

fn task() -> Result<Task> {
    let mut arguments = std::env::args_os().skip(1);
    let (option, value) = (arguments.next(), arguments.next());
    match (option, value, arguments.next()) {
        (Some(option), Some(directory), None) if option == "--system-dir" => {
            let directory = std::fs::canonicalize(&directory)
                .with_context(|| format!("cannot use {}", directory.display()))?;
            Ok(Task::Supervise(directory))
        }
        (Some(option), None, None) if option == "--copy-files" => Ok(Task::CopyFiles),
        _ => bail!("usage: porthole-supervisor --system-dir DIR | --copy-files"),
    }
}

fn read_spec(directory: &std::path::Path) -> Result<SiloSpec> {
    let path = directory.join(SPEC_FILE);
    let text = std::fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
    serde_json::from_slice(&text).with_context(|| format!("cannot use {}", path.display()))
}
