//! Connections to the control socket.

use std::os::unix::net::UnixStream;
use std::rc::Rc;

use porthole_protocol::Hello;
use porthole_protocol::agent::ProcessKey;
use porthole_protocol::frame::FrameError;
use porthole_protocol::supervisor::{Request, Response, StdioFrame, StreamKind, VERSION};
use serde::Serialize;

use crate::framing::{Inbox, Outbox};
use crate::journal::note;
use crate::poller::{Interest, Registration, Source};
use crate::processes::InputEnd;
use crate::registry::SavedRegistry;
use crate::stdio::QUEUE_LIMIT;
use crate::supervisor::Supervisor;

/// Connections that are taken before others get their turn.
const ACCEPTED_AT_ONCE: usize = 16;

/// What a connection is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    /// The peer has not said who it is.
    Greeting,
    /// One request after another.
    Requests,
    /// A stream of events.
    Watching,
    /// The streams of a process; `stdin` until the client's input has ended.
    Attached {
        process: ProcessKey,
        stdin: bool,
        stdout: bool,
        stderr: bool,
    },
}

/// A connection.
#[derive(Debug)]
pub(crate) struct Client {
    stream: UnixStream,
    inbox: Inbox,
    pub(crate) outbox: Outbox,
    pub(crate) mode: Mode,
    /// A request is being carried out.
    pub(crate) busy: bool,
    /// Nothing more will be said: to be closed when everything is sent.
    pub(crate) closing: bool,
    /// The program does not take its input as fast as this client sends it.
    pub(crate) waits_for_program: bool,
    /// The registry that was taken down for it.
    pub(crate) registry: Option<Rc<SavedRegistry>>,
    registration: Registration,
}

impl Client {
    /// Whether this client is attached and wants a stream.
    pub(crate) fn wants(&self, kind: StreamKind) -> bool {
        match (self.mode, kind) {
            (Mode::Attached { stdout, .. }, StreamKind::Stdout) => stdout,
            (Mode::Attached { stderr, .. }, StreamKind::Stderr) => stderr,
            _ => false,
        }
    }

    fn interest(&self) -> Interest {
        Interest {
            read: !self.closing && !self.busy && !self.waits_for_program,
            write: !self.outbox.is_empty(),
        }
    }
}

impl Supervisor {
    /// Takes connections that wait.
    pub(crate) fn accept_clients(&mut self) {
        for _ in 0..ACCEPTED_AT_ONCE {
            match self.listening.taken(self.listener.accept()) {
                Some((stream, _)) => self.welcome(stream),
                None => break,
            }
        }
        self.watch_listener();
    }

    /// Waits for connections, while they can be taken.
    pub(crate) fn watch_listener(&mut self) {
        let (listening, listener) = (&mut self.listening, &self.listener);
        if let Err(error) = listening.watch(&mut self.poller, listener, Source::Listener, true) {
            note!("cannot wait for connections: {error}");
        }
    }

    fn welcome(&mut self, stream: UnixStream) {
        let number = self.next_client;
        self.next_client = self.next_client.wrapping_add(1);
        let client = Client {
            stream,
            inbox: Inbox::default(),
            outbox: Outbox::default(),
            mode: Mode::Greeting,
            busy: false,
            closing: false,
            waits_for_program: false,
            registry: None,
            registration: Registration::default(),
        };
        self.clients.insert(number, client);
        self.send(number, &Hello::new(VERSION));
    }

    /// A connection can be read from or written to.
    pub(crate) fn client_is_ready(&mut self, number: u32, readable: bool) {
        if readable
            && self
                .clients
                .get(&number)
                .is_some_and(|client| client.interest().read)
        {
            self.read_client(number);
        }
        self.flush_client(number);
    }

    fn read_client(&mut self, number: u32) {
        let Some(client) = self.clients.get_mut(&number) else {
            return;
        };
        match client.inbox.fill(&client.stream) {
            Ok(_) => self.serve(number),
            Err(FrameError::Closed) => self.drop_client(number),
            Err(error) => {
                note!("a client is gone: {error}");
                self.drop_client(number);
            }
        }
    }

    /// Carries out what a client has sent, until it has to wait.
    pub(crate) fn serve(&mut self, number: u32) {
        while let Some(client) = self.clients.get(&number)
            && client.interest().read
        {
            match self.serve_once(number) {
                Ok(true) => {}
                Ok(false) => break,
                Err(error) => {
                    note!("a client does not keep to the protocol: {error}");
                    self.drop_client(number);
                }
            }
        }
        self.flush_client(number);
    }

    /// Carries out one message. `false` when there is none.
    fn serve_once(&mut self, number: u32) -> Result<bool, FrameError> {
        let Some(client) = self.clients.get_mut(&number) else {
            return Ok(false);
        };
        match client.mode {
            Mode::Greeting => {
                let Some(hello) = client.inbox.next::<Hello>()? else {
                    return Ok(false);
                };
                if hello.agrees_with(VERSION) {
                    client.mode = Mode::Requests;
                } else {
                    client.closing = true;
                }
            }
            Mode::Requests => {
                let Some(request) = client.inbox.next::<Request>()? else {
                    return Ok(false);
                };
                client.busy = true;
                self.carry_out(number, request);
            }
            // A watcher has nothing to say.
            Mode::Watching if client.inbox.is_empty() => return Ok(false),
            Mode::Watching => client.closing = true,
            Mode::Attached { process, stdin, .. } => {
                let Some(frame) = client.inbox.next::<StdioFrame>()? else {
                    return Ok(false);
                };
                if stdin {
                    self.take_input(number, process, frame);
                }
            }
        }
        Ok(true)
    }

    /// Answers a client's request and goes on with its next.
    pub(crate) fn respond(&mut self, number: u32, response: &Response) {
        if let Some(client) = self.clients.get_mut(&number) {
            client.busy = false;
            self.send(number, response);
        }
    }

    /// Queues a message and sends what the connection takes now.
    pub(crate) fn send<T: Serialize>(&mut self, number: u32, message: &T) {
        let Some(client) = self.clients.get_mut(&number) else {
            return;
        };
        if let Err(error) = client.outbox.push(message) {
            note!("cannot send a message: {error}");
            self.drop_client(number);
            return;
        }
        self.flush_client(number);
    }

    /// Sends what waits, and waits for what is next.
    pub(crate) fn flush_client(&mut self, number: u32) {
        let Some(client) = self.clients.get_mut(&number) else {
            return;
        };
        let before = client.outbox.len();
        let gone = client.outbox.flush_socket(&client.stream).is_err();
        if gone || (client.closing && client.outbox.is_empty()) {
            self.drop_client(number);
            return;
        }
        let was_slow = before > QUEUE_LIMIT && client.outbox.len() <= QUEUE_LIMIT;
        let attached_to = match client.mode {
            Mode::Attached { process, .. } => Some(process),
            _ => None,
        };
        if let Err(error) = self.register_client(number) {
            note!("cannot wait for a client: {error}");
            self.drop_client(number);
        }
        if let Some(process) = attached_to
            && was_slow
        {
            self.watch_outputs(process);
        }
    }

    fn register_client(&mut self, number: u32) -> std::io::Result<()> {
        let Some(client) = self.clients.get_mut(&number) else {
            return Ok(());
        };
        let interest = client.interest();
        let source = Source::Client(number);
        client
            .registration
            .update(&mut self.poller, &client.stream, source, interest)
    }

    pub(crate) fn drop_client(&mut self, number: u32) {
        let Some(mut client) = self.clients.remove(&number) else {
            return;
        };
        client.registration.end(&mut self.poller, &client.stream);
        if let Mode::Attached {
            process: key,
            stdin,
            ..
        } = client.mode
        {
            if let Some(process) = self.processes.get_mut(&key) {
                process.attached.retain(|&attached| attached != number);
            }
            if stdin {
                self.end_input(key, InputEnd::WithClient);
            }
            self.watch_outputs(key);
            self.retire(key);
        }
    }

    /// Closes connections once everything is sent.
    pub(crate) fn close_where(&mut self, condition: impl Fn(&Client) -> bool) {
        let chosen: Vec<u32> = self
            .clients
            .iter()
            .filter(|(_, client)| condition(client))
            .map(|(&number, _)| number)
            .collect();
        for number in chosen {
            if let Some(client) = self.clients.get_mut(&number) {
                client.closing = true;
            }
            self.flush_client(number);
        }
    }

    /// Whether everything that was to be said has been sent.
    pub(crate) fn all_is_sent(&self) -> bool {
        self.clients.values().all(|client| client.outbox.is_empty())
    }

    /// Clients whose request is being carried out.
    pub(crate) fn busy_clients(&self) -> Vec<u32> {
        self.clients
            .iter()
            .filter(|(_, client)| client.busy)
            .map(|(&number, _)| number)
            .collect()
    }
}
