//! What has to be done for a program while it runs and when it ends: one thread each.
//!
//! ```text
//! Hidden ──a process asks something of the console──▶ Hidden (the agent answers)
//! Hidden ──the last process has let go──▶ Closed
//! Hosted ──the console host ends while the program runs──▶ Closed, and a close event
//! ```

use std::os::windows::io::{AsHandle, BorrowedHandle};
use std::sync::Arc;

use porthole_protocol::ControlEvent;
use porthole_protocol::agent::Event as Report;

use crate::channel::Sender;
use crate::control::{self, CONTROL_EXIT};
use crate::error::Outcome;
use crate::hidden::{HiddenConsole, Life};
use crate::programs::{Program, Programs};
use crate::stdio;
use crate::sys::event::{Event, wait_any};
use crate::sys::process::Process;

/// What serves a program's console.
#[derive(Debug)]
pub(crate) enum Screen {
    /// The agent itself: nobody sees the console.
    Hidden(HiddenConsole),
    /// A console host.
    Hosted(Process),
    /// Nothing any more.
    Closed,
}

impl Screen {
    /// What is signaled when the console wants something.
    fn handle(&self) -> Option<BorrowedHandle<'_>> {
        match self {
            Self::Hidden(console) => Some(console.server().handle().as_handle()),
            Self::Hosted(host) => Some(host.handle().as_handle()),
            Self::Closed => None,
        }
    }
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
    pub(crate) fn begin(self, programs: Arc<Programs>, sender: Arc<Sender>) -> Outcome<()> {
        stdio::spawn(move || self.attend(&programs, &sender))
    }

    fn attend(mut self, programs: &Programs, sender: &Sender) {
        self.wait_for_exit();
        self.exited.set();
        // The supervisor now takes what is left, whether or not its clients keep up.
        self.program.report_end(sender);
        let exit_code = self.program.process.exit_code().unwrap_or(CONTROL_EXIT);
        for output in &self.outputs {
            // Waiting for an event of ours cannot fail.
            let _ = wait_any(&[output.handle().as_handle()], None);
        }
        self.program.release_console();
        if let Screen::Hosted(host) = &self.screen {
            self.wait_for_host(host);
        }
        // The silo may end with this program: who ended before it is known to have done so.
        programs.report_ends(sender);
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
        let handles: Vec<_> = [process].into_iter().chain(self.screen.handle()).collect();
        matches!(wait_any(&handles, None), Ok(Some(1)))
    }

    /// The console's server or host was signaled.
    fn screen_calls(&mut self) {
        let closed = match &mut self.screen {
            Screen::Hidden(console) => console.serve() == Life::Over,
            Screen::Hosted(_) => {
                let pids = self.program.job.processes().unwrap_or_default();
                // Processes that are gone need not hear that their console is.
                let _ = control::deliver(&pids, ControlEvent::CtrlClose);
                true
            }
            Screen::Closed => true,
        };
        if closed {
            self.screen = Screen::Closed;
        }
    }

    /// Waits until the screen shows everything that the program wrote. Its host ends after that,
    /// unless a descendant keeps the console, or somebody else has attached himself to it.
    fn wait_for_host(&self, host: &Process) {
        const TURN_MS: u32 = 50;
        const TURNS: u32 = 200;
        for _ in 0..TURNS {
            let waited = wait_any(&[host.handle().as_handle()], Some(TURN_MS));
            if !matches!(waited, Ok(None)) || self.program.has_processes() {
                return;
            }
        }
    }

    /// Answers descendants that keep the hidden console, until the last has let go.
    fn serve_descendants(mut self) {
        while let Screen::Hidden(console) = &mut self.screen {
            // Waiting for an open handle cannot fail.
            let _ = wait_any(&[console.server().handle().as_handle()], None);
            self.screen_calls();
        }
    }
}
