//! What has to be done for a program while it runs and when it ends: one thread each.
//!
//! ```text
//! Unserved ──a process asks something of the console──▶ Hidden (conhost runs)
//! Unserved ──the last process has let go──▶ over
//! Visible  ──conhost ends──▶ the program gets a close event
//! ```
//!
//! A console costs nothing until it is used: most programs whose streams are redirected never ask
//! anything of it. The kernel queues what they ask, and its server object then wakes this thread.

use std::os::windows::io::AsHandle;
use std::sync::Arc;

use porthole_protocol::ControlEvent;
use porthole_protocol::agent::Event as Report;

use crate::channel::Sender;
use crate::control::{self, CONTROL_EXIT};
use crate::error::Outcome;
use crate::host;
use crate::programs::Program;
use crate::stdio;
use crate::sys::console::Server;
use crate::sys::event::{Event, wait_any};
use crate::sys::process::Process;

/// What serves a program's console.
#[derive(Debug)]
pub(crate) enum Screen {
    /// Nothing yet.
    Unserved(Server),
    /// A console host without a screen, which ends with the console.
    Hidden,
    /// A console host whose screen the user sees.
    Visible(Process),
}

/// The work for one program.
#[derive(Debug)]
pub(crate) struct Attendance {
    /// The program.
    pub(crate) program: Arc<Program>,
    /// To be signaled when its first process has ended.
    pub(crate) exited: Arc<Event>,
    /// Each signaled when what the process wrote to a stream has been handed over.
    pub(crate) outputs: Vec<Arc<Event>>,
    /// What serves its console.
    pub(crate) screen: Screen,
}

impl Attendance {
    /// Begins to attend to the program; its end is reported to `sender`.
    pub(crate) fn begin(self, sender: Arc<Sender>) -> Outcome<()> {
        stdio::spawn(move || self.attend(&sender))
    }

    fn attend(mut self, sender: &Sender) {
        self.wait_for_exit();
        self.exited.set();
        let exit_code = self.program.process.exit_code().unwrap_or(CONTROL_EXIT);
        for output in &self.outputs {
            // Waiting for an event of ours cannot fail.
            let _ = wait_any(&[output.handle().as_handle()], None);
        }
        self.program.release_console();
        if let Screen::Visible(host) = &self.screen {
            self.wait_for_screen(host);
        }
        sender.report(Report::Exited {
            process: self.program.key,
            exit_code,
        });
        self.serve_descendants();
    }

    fn wait_for_exit(&mut self) {
        while self.wait_for_exit_or_screen() {
            self.screen_calls();
        }
    }

    /// Waits until the process has ended; `true` when its console wants something before.
    fn wait_for_exit_or_screen(&self) -> bool {
        let process = self.program.process.handle().as_handle();
        let woken = match &self.screen {
            Screen::Unserved(server) => wait_any(&[process, server.handle().as_handle()], None),
            Screen::Visible(host) => wait_any(&[process, host.handle().as_handle()], None),
            Screen::Hidden => wait_any(&[process], None),
        };
        // A console is signaled too when the process that has just ended was its last.
        matches!(woken, Ok(Some(1))) && matches!(wait_any(&[process], Some(0)), Ok(None))
    }

    /// The console's server or host was signaled while the program runs.
    fn screen_calls(&mut self) {
        match std::mem::replace(&mut self.screen, Screen::Hidden) {
            // When no host can be started the console is gone with its server: programs then see
            // failing calls, not waiting ones.
            Screen::Unserved(server) => drop(host::start_hidden(&server)),
            Screen::Visible(_) => {
                let pids = self.program.job.processes().unwrap_or_default();
                // Processes that are gone need not hear that their console is.
                let _ = control::deliver(&pids, ControlEvent::CtrlClose);
            }
            Screen::Hidden => {}
        }
    }

    /// Waits until the screen shows everything that the program wrote. Its host ends after that,
    /// unless a descendant keeps the console.
    fn wait_for_screen(&self, host: &Process) {
        const PATIENCE_MS: u32 = 50;
        while matches!(
            wait_any(&[host.handle().as_handle()], Some(PATIENCE_MS)),
            Ok(None)
        ) {
            if self.program.has_processes() {
                return;
            }
        }
    }

    /// Starts a console host when descendants turn out to need one.
    fn serve_descendants(self) {
        let Screen::Unserved(server) = self.screen else {
            return;
        };
        while self.program.has_processes() {
            // Failing would mean a closed handle, and it is open.
            let _ = wait_any(&[server.handle().as_handle()], None);
            if self.program.has_processes() {
                drop(host::start_hidden(&server));
                return;
            }
        }
    }
}
