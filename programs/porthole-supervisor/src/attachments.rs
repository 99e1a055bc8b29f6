//! Connections that carry the streams of a process.

use porthole_protocol::agent::ProcessKey;
use porthole_protocol::supervisor::{OpenStdio, Response, StdioFrame, StreamKind};

use crate::clients::{Client, Mode};
use crate::processes::InputEnd;
use crate::supervisor::Supervisor;

impl Supervisor {
    /// Turns a connection into the streams of a process.
    pub(crate) fn attach(&mut self, number: u32, wanted: OpenStdio) {
        self.respond(number, &Response::Done);
        let Some(client) = self.clients.get_mut(&number) else {
            return;
        };
        let OpenStdio {
            process: key,
            stdin,
            stdout,
            stderr,
        } = wanted;
        client.mode = Mode::Attached {
            process: key,
            stdin,
            stdout,
            stderr,
        };
        let Some(process) = self.processes.get_mut(&key) else {
            return;
        };
        process.attached.push(number);
        let ended: Vec<StreamKind> = [(stdout, StreamKind::Stdout), (stderr, StreamKind::Stderr)]
            .into_iter()
            .filter(|&(wanted, kind)| wanted && process.output(kind).is_none())
            .map(|(_, kind)| kind)
            .collect();
        for kind in ended {
            self.send(number, &StdioFrame::End(kind));
        }
        self.finish_attachment(number);
        // A client that wants no stream only asks whether the process has any.
        if stdin || stdout || stderr {
            self.release_output(key);
        }
    }

    /// Closes an attached connection when nothing can come on it any more: every stream that it
    /// wants has ended, or it wants none and the process has.
    pub(crate) fn finish_attachment(&mut self, number: u32) {
        let Some(client) = self.clients.get_mut(&number) else {
            return;
        };
        let Mode::Attached {
            process,
            stdout,
            stderr,
            ..
        } = client.mode
        else {
            return;
        };
        let Some(process) = self.processes.get(&process) else {
            return;
        };
        let live = |wanted: bool, kind| wanted && process.output(kind).is_some();
        let more = live(stdout, StreamKind::Stdout) || live(stderr, StreamKind::Stderr);
        let done = if stdout || stderr {
            !more
        } else {
            process.reported
        };
        if done {
            client.closing = true;
            self.flush_client(number);
        }
    }

    pub(crate) fn take_input(&mut self, number: u32, process: ProcessKey, frame: StdioFrame) {
        match frame {
            StdioFrame::Data(StreamKind::Stdin, bytes) => {
                self.give_input(process, &bytes);
                let full = self.input_is_full(process);
                if let Some(client) = self.clients.get_mut(&number) {
                    client.waits_for_program = full;
                }
            }
            StdioFrame::End(StreamKind::Stdin) => {
                if let Some(Client {
                    mode: Mode::Attached { stdin, .. },
                    ..
                }) = self.clients.get_mut(&number)
                {
                    *stdin = false;
                }
                self.end_input(process, InputEnd::OnRequest);
            }
            StdioFrame::Data(..) | StdioFrame::End(_) => {}
        }
    }

    fn input_is_full(&self, process: ProcessKey) -> bool {
        let process = self.processes.get(&process);
        process
            .and_then(|process| process.input.as_ref())
            .is_some_and(|input| input.is_full())
    }

    /// Lets clients send on when their program has taken enough.
    pub(crate) fn resume_senders(&mut self, process: ProcessKey) {
        if self.input_is_full(process) {
            return;
        }
        let attached = self
            .processes
            .get(&process)
            .map(|process| process.attached.clone());
        for number in attached.unwrap_or_default() {
            if let Some(client) = self.clients.get_mut(&number)
                && std::mem::take(&mut client.waits_for_program)
            {
                self.serve(number);
            }
        }
    }
}
