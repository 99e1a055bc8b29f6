//! Moving bytes between FIFOs, clients and logs.

use porthole_protocol::agent::ProcessKey;
use porthole_protocol::supervisor::{StdioFrame, StreamKind};

use super::output::ReadOnce;
use super::{HOPELESS, QUEUE_LIMIT, input};
use crate::journal::note;
use crate::processes::InputEnd;
use crate::supervisor::Supervisor;

/// Bytes that are read from a stream at once.
const CHUNK: usize = 64 * 1024;

/// How often one stream is read before others get their turn.
const TURNS: usize = 4;

/// Room for one read of any stream.
#[derive(Debug, Default)]
pub(crate) struct PumpBuffer(Vec<u8>);

impl PumpBuffer {
    /// The room, made when it is first needed.
    fn take(&mut self) -> Vec<u8> {
        let mut bytes = std::mem::take(&mut self.0);
        bytes.resize(CHUNK, 0);
        bytes
    }
}

impl Supervisor {
    /// A stream of a process is ready.
    pub(crate) fn stream_is_ready(&mut self, key: ProcessKey, kind: StreamKind) {
        if kind == StreamKind::Stdin {
            self.flush_input(key);
        } else {
            self.pump(key, kind);
            self.watch_outputs(key);
            self.settle_exit(key);
        }
    }

    /// Reads a stream for as long as it has a turn and clients keep up.
    fn pump(&mut self, key: ProcessKey, kind: StreamKind) {
        let mut buffer = self.pump_buffer.take();
        for _ in 0..TURNS {
            if self.move_once(key, kind, &mut buffer) == 0 || self.is_congested(key) {
                break;
            }
        }
        self.pump_buffer = PumpBuffer(buffer);
    }

    /// Reads what is in a stream now, whether or not clients keep up. What somebody who still
    /// holds the stream writes meanwhile is not waited for: it may never end.
    pub(crate) fn drain(&mut self, key: ProcessKey, kind: StreamKind) {
        let process = self.processes.get(&key);
        let Some(output) = process.and_then(|process| process.output(kind)) else {
            return;
        };
        let mut rest = output.waiting().unwrap_or(CHUNK);
        let mut buffer = self.pump_buffer.take();
        loop {
            // Even an empty stream is read once, to see whether it has ended.
            let moved = self.move_once(key, kind, &mut buffer);
            if moved == 0 || moved > rest {
                break;
            }
            rest -= moved;
        }
        self.pump_buffer = PumpBuffer(buffer);
    }

    /// Reads a stream once; how many bytes were there. A stream that has ended is ended.
    fn move_once(&mut self, key: ProcessKey, kind: StreamKind, buffer: &mut [u8]) -> usize {
        let process = self.processes.get(&key);
        let Some(output) = process.and_then(|process| process.output(kind)) else {
            return 0;
        };
        match output.read(buffer) {
            ReadOnce::Bytes(count) => {
                self.deliver(key, kind, &buffer[..count]);
                count
            }
            ReadOnce::Empty => 0,
            ReadOnce::End => {
                self.end_output(key, kind);
                0
            }
        }
    }

    fn deliver(&mut self, key: ProcessKey, kind: StreamKind, bytes: &[u8]) {
        let Some(process) = self.processes.get_mut(&key) else {
            return;
        };
        if let Some(recorder) = &mut process.recorder {
            recorder.record(kind, bytes);
        }
        let attached = process.attached.clone();
        if !attached.is_empty() {
            let frame = StdioFrame::Data(kind, bytes.to_vec());
            self.send_to_attached(&attached, kind, &frame);
        }
    }

    fn send_to_attached(&mut self, attached: &[u32], kind: StreamKind, frame: &StdioFrame) {
        for &client in attached {
            if self
                .clients
                .get(&client)
                .is_some_and(|client| client.wants(kind))
            {
                self.send(client, frame);
            }
        }
        self.drop_hopeless(attached);
    }

    /// Drops clients that do not read. What a process has written when it ends is passed on whether
    /// or not they keep up; but who makes the agent say that it ends can write without end.
    fn drop_hopeless(&mut self, attached: &[u32]) {
        for &client in attached {
            let waiting = self.clients.get(&client).map(|client| client.outbox.len());
            if waiting > Some(HOPELESS) {
                note!("a client does not read what its program has written, and is dropped");
                self.drop_client(client);
            }
        }
    }

    /// A stream has ended: its last line is recorded, and every attached client is told.
    pub(crate) fn end_output(&mut self, key: ProcessKey, kind: StreamKind) {
        let Some(process) = self.processes.get_mut(&key) else {
            return;
        };
        let Some(mut output) = process.take_output(kind) else {
            return;
        };
        if let Err(error) = output.watch(&mut self.poller, false) {
            note!("cannot let go of a stream: {error}");
        }
        if let Some(recorder) = &mut process.recorder {
            recorder.finish(kind);
        }
        let attached = process.attached.clone();
        self.send_to_attached(&attached, kind, &StdioFrame::End(kind));
        for client in attached {
            self.finish_attachment(client);
        }
        self.retire(key);
    }

    /// Whether a client of the process does not keep up.
    fn is_congested(&self, key: ProcessKey) -> bool {
        let attached = self
            .processes
            .get(&key)
            .map(|process| process.attached.as_slice());
        attached
            .unwrap_or_default()
            .iter()
            .filter_map(|client| self.clients.get(client))
            .any(|client| client.outbox.len() > QUEUE_LIMIT)
    }

    /// Reads a process's streams, or waits with it: for the promised client, or for a slow one.
    pub(crate) fn watch_outputs(&mut self, key: ProcessKey) {
        let congested = self.is_congested(key);
        let Some(process) = self.processes.get_mut(&key) else {
            return;
        };
        let wanted = !process.hold.is_set() && (!congested || process.is_ending());
        for output in &mut process.outputs {
            if let Err(error) = output.watch(&mut self.poller, wanted) {
                note!("cannot watch a stream of process {}: {error}", key.0);
            }
        }
    }

    /// Gives a program more of its input.
    pub(crate) fn give_input(&mut self, key: ProcessKey, bytes: &[u8]) {
        if let Some(input) = self
            .processes
            .get_mut(&key)
            .and_then(|process| process.input.as_mut())
        {
            input.push(bytes);
            self.flush_input(key);
        }
    }

    /// Closes a program's input once what waits has been written, if `reason` is reason enough.
    pub(crate) fn end_input(&mut self, key: ProcessKey, reason: InputEnd) {
        let Some(process) = self.processes.get_mut(&key) else {
            return;
        };
        if process.input_end >= reason
            && let Some(input) = &mut process.input
        {
            input.end();
            self.flush_input(key);
        }
    }

    pub(crate) fn flush_input(&mut self, key: ProcessKey) {
        let Some(process) = self.processes.get_mut(&key) else {
            return;
        };
        if let Some(input) = &mut process.input
            && input.flush(&mut self.poller) == input::InputState::Closed
        {
            process.close_input(&mut self.poller);
        }
        self.resume_senders(key);
    }
}
