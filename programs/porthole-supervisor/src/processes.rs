//! The processes that were created in the silo.

use std::time::Duration;

use porthole_protocol::agent::ProcessKey;
use porthole_protocol::supervisor::{
    ATTACH_GRACE_SECONDS, Event, ProcessSpec, StreamKind, Streams,
};

use crate::clock::Deadline;
use crate::ending::Cause;
use crate::poller::Poller;
use crate::stdio::{Fifos, Input, Output, Recorder};
use crate::supervisor::Supervisor;

/// How long the main process's end waits for those who ended before it to be done with.
const STRAGGLERS: Duration = Duration::from_secs(1);

/// What ends a process's input.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum InputEnd {
    /// Nothing: it is a console's.
    Never,
    /// A client that says so.
    OnRequest,
    /// That, or a client that leaves.
    WithClient,
}

impl InputEnd {
    fn of(streams: Streams) -> Self {
        match streams {
            Streams::Console(_) => Self::Never,
            Streams::Pipes {
                stdin_once: true, ..
            } => Self::WithClient,
            Streams::Pipes { .. } => Self::OnRequest,
        }
    }
}

/// A process and its streams.
#[derive(Debug)]
pub(crate) struct Process {
    main: bool,
    /// Whether the agent has said that it runs.
    pub(crate) created: bool,
    pub(crate) input: Option<Input>,
    pub(crate) input_end: InputEnd,
    /// Streams that have not ended.
    pub(crate) outputs: Vec<Output>,
    pub(crate) recorder: Option<Recorder>,
    /// While set, output waits for the first client.
    pub(crate) hold: Deadline,
    /// Clients that read or write its streams.
    pub(crate) attached: Vec<u32>,
    /// Whether it has ended, while what it wrote may still be on its way.
    ended: bool,
    exit_code: Option<u32>,
    /// Whether its end has been recorded and reported.
    pub(crate) reported: bool,
}

impl Process {
    /// A process that the agent is about to be asked for.
    pub(crate) fn new(spec: &ProcessSpec, fifos: Fifos) -> std::io::Result<Self> {
        let key = spec.process;
        let recorder = spec.log.as_ref().map(Recorder::open).transpose()?;
        let hold = if spec.wait_for_attach {
            Deadline::after(Duration::from_secs(ATTACH_GRACE_SECONDS))
        } else {
            Deadline::NEVER
        };
        Ok(Self {
            main: spec.main,
            created: false,
            input: fifos.input.map(|fifo| Input::new(key, fifo)),
            input_end: InputEnd::of(spec.streams),
            outputs: fifos
                .outputs
                .into_iter()
                .map(|(kind, fifo)| Output::new(key, kind, fifo))
                .collect(),
            recorder,
            hold,
            attached: Vec::new(),
            ended: false,
            exit_code: None,
            reported: false,
        })
    }

    /// The stream of a kind, if it has not ended.
    pub(crate) fn output(&self, kind: StreamKind) -> Option<&Output> {
        self.outputs.iter().find(|output| output.kind == kind)
    }

    /// Takes a stream that has ended.
    pub(crate) fn take_output(&mut self, kind: StreamKind) -> Option<Output> {
        let index = self.outputs.iter().position(|output| output.kind == kind)?;
        Some(self.outputs.swap_remove(index))
    }

    /// Closes the input at once.
    pub(crate) fn close_input(&mut self, poller: &mut Poller) {
        if let Some(mut input) = self.input.take() {
            input.unwatch(poller);
        }
    }

    /// Whether its streams are read though a client does not keep up. The rest of what it wrote
    /// is no more than its pipes hold, and its end waits for nothing else: a client that has
    /// stopped reading would hold the container for ever.
    pub(crate) fn is_ending(&self) -> bool {
        self.ended && !self.reported
    }

    /// Lets go of every descriptor.
    pub(crate) fn release(&mut self, poller: &mut Poller) {
        self.close_input(poller);
        for mut output in self.outputs.drain(..) {
            let _ = output.watch(poller, false);
        }
    }

    pub(crate) fn exit_code(&self) -> Option<u32> {
        self.exit_code
    }
}

impl Supervisor {
    /// The agent says that a process has ended, and hands over the rest of what it wrote.
    pub(crate) fn process_ended(&mut self, key: ProcessKey) {
        if let Some(process) = self.processes.get_mut(&key) {
            process.ended = true;
            self.watch_outputs(key);
        }
    }

    /// The agent says that a process has ended and that nothing which it wrote is left.
    pub(crate) fn process_exited(&mut self, key: ProcessKey, exit_code: u32) {
        let exit_code = self.told_from_success(exit_code);
        if let Some(process) = self.processes.get_mut(&key) {
            process.exit_code.get_or_insert(exit_code);
            self.settle_exit(key);
        }
    }

    /// The exit code, unless it is 0 because the kernel has just killed for want of memory: Wine knows
    /// of no code of a process that is killed so, says 0, and a restart policy would take the end for
    /// a success. What clients know a kill for memory by is 128 and the signal's number.
    fn told_from_success(&mut self, exit_code: u32) -> u32 {
        const KILLED: u32 = 137;
        if exit_code != 0 {
            return exit_code;
        }
        self.check_out_of_memory();
        if self.killed_for_memory.is_set() && !self.killed_for_memory.is_due() {
            return KILLED;
        }
        exit_code
    }

    /// Reports a process's end once all that it wrote is recorded. Descendants that still hold a
    /// stream do not delay it.
    pub(crate) fn settle_exit(&mut self, key: ProcessKey) {
        let Some(process) = self.processes.get(&key) else {
            return;
        };
        let Some(exit_code) = process.exit_code else {
            return;
        };
        if process.reported || !process.created || process.hold.is_set() {
            return;
        }
        if self.waits_for_others(key) {
            return;
        }
        self.drain_outputs(key);
        self.report_exit(key, exit_code);
    }

    /// Reads all that is there now, whether or not clients keep up.
    pub(crate) fn drain_outputs(&mut self, key: ProcessKey) {
        for kind in [StreamKind::Stdout, StreamKind::Stderr] {
            self.drain(key, kind);
        }
    }

    /// Records and reports a process's end.
    pub(crate) fn report_exit(&mut self, key: ProcessKey, exit_code: u32) {
        let Some(process) = self.processes.get_mut(&key) else {
            return;
        };
        process.reported = true;
        self.exits.add(key, exit_code);
        if process.main {
            self.main_exit_code = Some(exit_code);
        }
        process.close_input(&mut self.poller);
        let (main, attached) = (process.main, process.attached.clone());
        if let Some(recorder) = &mut process.recorder {
            for kind in [StreamKind::Stdout, StreamKind::Stderr] {
                recorder.finish(kind);
            }
        }
        self.tell_watchers(&Event::ProcessExited {
            process: key,
            exit_code,
        });
        for client in attached {
            self.finish_attachment(client);
        }
        // Descendants that hold a stream wait again for clients that do not keep up.
        self.watch_outputs(key);
        self.retire(key);
        if main {
            self.main_waits = None;
            self.end_silo(Cause::MainExited);
        } else {
            self.settle_main();
        }
    }

    /// Reports the main process's end if that has waited for others.
    pub(crate) fn settle_main(&mut self) {
        if let Some((key, _)) = self.main_waits {
            self.settle_exit(key);
        }
    }

    /// Whether a process's end, with which the silo's comes, has to wait for those who ended before
    /// it: what they exited with and wrote would be lost if it was told a moment later.
    fn waits_for_others(&mut self, key: ProcessKey) -> bool {
        let is_main = self.processes.get(&key).is_some_and(|process| process.main);
        let awaited = |process: &Process| process.ended && process.exit_code.is_none();
        if !is_main || !self.processes.values().any(awaited) {
            return false;
        }
        let patience = || (key, Deadline::after(STRAGGLERS));
        let (_, due) = self.main_waits.get_or_insert_with(patience);
        !due.is_due()
    }

    /// Forgets a process that has ended with all its streams and clients, but for its exit code: a
    /// container may see millions, one each time that its health is checked.
    pub(crate) fn retire(&mut self, key: ProcessKey) {
        if self.processes.get(&key).is_some_and(|process| {
            process.reported && process.outputs.is_empty() && process.attached.is_empty()
        }) {
            self.processes.remove(&key);
        }
    }

    /// Output waits no longer for a client, because there is one or none has come in time.
    pub(crate) fn release_output(&mut self, key: ProcessKey) {
        if let Some(process) = self.processes.get_mut(&key) {
            process.hold = Deadline::NEVER;
            self.watch_outputs(key);
            self.settle_exit(key);
        }
    }

    /// Releases the output of every process whose client has not come in time.
    pub(crate) fn release_overdue_outputs(&mut self) {
        let overdue: Vec<ProcessKey> = self
            .processes
            .iter()
            .filter(|(_, process)| process.hold.is_due())
            .map(|(&key, _)| key)
            .collect();
        for key in overdue {
            self.release_output(key);
        }
    }
}
