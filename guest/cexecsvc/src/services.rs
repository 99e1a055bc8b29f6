//! The service control manager, Wine's `services.exe`, started when a program first asks for it.
//!
//! It costs 9 MB and a tenth of a second, and most containers never ask. Programs reach it by the
//! pipe `svcctl`; until then the agent holds that pipe.
//!
//! ```text
//! first program ─\\.\pipe\svcctl─▶ agent ─\\.\pipe\svcctl─▶ services.exe
//! every later one ──────────────────\\.\pipe\svcctl─▶ services.exe
//! ```

use std::os::windows::io::{AsHandle, OwnedHandle};

use crate::error::Outcome;
use crate::startup;
use crate::stdio;
use crate::sys::event::wait_any;
use crate::sys::overlapped::{Listener, OverlappedRead};
use crate::sys::pipe;
use crate::sys::process::{self, Process, Start};

const PIPE: &str = r"\\.\pipe\svcctl";
const MANAGER: &str = r"C:\Windows\System32\services.exe";

/// The largest message in bytes: more than the fragments of a remote procedure call have in Wine.
const MESSAGE: usize = 16 << 10;

/// Where programs look for the manager while it does not run.
#[derive(Debug)]
pub(crate) struct Gate(Listener);

impl Gate {
    /// Holds the manager's place.
    pub(crate) fn open() -> Outcome<Self> {
        Ok(Self(Listener::new(pipe::create_for_messages(PIPE)?)?))
    }

    /// Signaled when a program asks for the manager.
    pub(crate) fn handle(&self) -> &OwnedHandle {
        self.0.done()
    }

    /// Starts the manager for the program that asks, in a thread of its own, which holds the
    /// manager's place again should that end.
    pub(crate) fn serve(self) -> Outcome<()> {
        stdio::spawn(move || {
            let mut gate = self;
            loop {
                if let Err(failure) = gate.pass() {
                    eprintln!("cexecsvc: services: {failure}");
                }
                gate = match Self::open() {
                    Ok(gate) => gate,
                    Err(failure) => return eprintln!("cexecsvc: services: {failure}"),
                };
                // Waiting for an open handle cannot fail.
                let _ = wait_any(&[gate.handle().as_handle()], None);
            }
        })
    }

    /// Starts the manager, passes on what the first program and it say, and waits for its end.
    fn pass(self) -> Outcome<()> {
        let program = self.0.accept()?;
        let manager = start()?;
        let server = startup::wait(&manager, || pipe::open_for_messages(PIPE))?;
        stdio::spawn(move || {
            // An error is the end of the connection on one of its sides: both are closed.
            let _ = relay(program, server);
        })?;
        let _ = wait_any(&[manager.handle().as_handle()], None);
        Ok(())
    }
}

fn start() -> Outcome<Process> {
    Ok(process::start(&Start::server(MANAGER, MANAGER))?.process)
}

/// Passes messages on in both directions, until an end is closed.
fn relay(program: OwnedHandle, server: OwnedHandle) -> Outcome<()> {
    let mut ends = [
        OverlappedRead::new(program, MESSAGE)?,
        OverlappedRead::new(server, MESSAGE)?,
    ];
    for end in &mut ends {
        end.start()?;
    }
    loop {
        let done = [ends[0].done().as_handle(), ends[1].done().as_handle()];
        let Some(from) = wait_any(&done, None)? else {
            continue;
        };
        let message = ends[from].finish()?.to_vec();
        ends[1 - from].write(&message)?;
        ends[from].start()?;
    }
}
