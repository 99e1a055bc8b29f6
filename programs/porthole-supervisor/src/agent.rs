//! The channel to the guest agent.
//!
//! The agent runs inside, as the user that every program there is: what it says is no more to be
//! trusted than what they print. It can name only processes that exist, and one malformed message
//! ends the silo.

use std::collections::HashMap;
use std::os::unix::net::UnixStream;

use porthole_protocol::agent::{
    Command, Configuration, Event, Message, ProcessKey, Reply, Request, VERSION,
};
use porthole_protocol::frame::FrameError;
use porthole_protocol::supervisor::{Failure, Response};
use porthole_protocol::{Hello, MAGIC, WindowsError};

use crate::clock::Deadline;
use crate::ending::{AGENT_GRACE, Cause};
use crate::framing::{Inbox, Outbox};
use crate::journal::note;
use crate::poller::{Interest, Registration, Source};
use crate::supervisor::Supervisor;

/// How often the channel is read before others get their turn: whoever runs inside may make the
/// agent's end say more than can ever be read.
const TURNS: usize = 8;

/// What a reply is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Pending {
    /// The start of the silo.
    Configure,
    /// The silo's time zone.
    TimeZone,
    /// A client's request to create a process.
    Create { client: u32, process: ProcessKey },
    /// A client's request that is answered as the agent answers.
    Forward { client: u32 },
    /// The registry as it is now.
    Save { number: u32 },
}

/// Why the agent is spoken to no more.
#[derive(Debug)]
enum Broken {
    /// What it sends, or that it sends nothing any more.
    Frame(FrameError),
    /// It is of a base that was built with another release.
    Version(u16),
}

impl From<FrameError> for Broken {
    fn from(error: FrameError) -> Self {
        Self::Frame(error)
    }
}

/// The channel and what is expected on it.
#[derive(Debug)]
pub(crate) struct AgentLink {
    stream: UnixStream,
    inbox: Inbox,
    outbox: Outbox,
    greeted: bool,
    pending: HashMap<u32, Pending>,
    next_number: u32,
    registration: Registration,
}

impl AgentLink {
    pub(crate) fn new(stream: UnixStream) -> Self {
        Self {
            stream,
            inbox: Inbox::default(),
            outbox: Outbox::default(),
            greeted: false,
            pending: HashMap::new(),
            next_number: 0,
            registration: Registration::default(),
        }
    }

    fn next_message(&mut self) -> Result<Option<Message>, Broken> {
        if !self.greeted {
            match self.inbox.next::<Hello>()? {
                Some(hello) if hello.agrees_with(VERSION) => self.greeted = true,
                Some(hello) if hello.magic == MAGIC => return Err(Broken::Version(hello.version)),
                Some(_) => return Err(FrameError::Closed.into()),
                None => return Ok(None),
            }
        }
        Ok(self.inbox.next::<Message>()?)
    }
}

/// Windows' name of the zone where no other is asked for, which base images hold.
const UTC: &str = "UTC";

impl Supervisor {
    /// Greets the agent and has it configure the silo.
    pub(crate) fn greet_agent(&mut self, stream: UnixStream) -> Result<(), FrameError> {
        let mut link = AgentLink::new(stream);
        link.outbox.push(&Hello::new(VERSION))?;
        self.agent = Some(link);
        let configuration = Configuration {
            host_name: self.spec.host_name.clone(),
            processors: crate::silo::processors(&self.spec.limits),
        };
        // Carried out in this order, and before any process is asked for. The registry may hold the
        // zone of an earlier start, or of the container that the image was made from.
        let zone = self.spec.time_zone.as_ref();
        let zone = zone.and_then(|zone| zone.windows.as_deref()).unwrap_or(UTC);
        self.ask_agent(Command::SetTimeZone(zone.to_owned()), Pending::TimeZone);
        self.ask_agent(Command::Configure(configuration), Pending::Configure);
        Ok(())
    }

    /// Sends a command to the agent.
    pub(crate) fn ask_agent(&mut self, command: Command, pending: Pending) {
        let Some(link) = &mut self.agent else { return };
        let number = link.next_number;
        link.next_number = link.next_number.wrapping_add(1);
        match link.outbox.push(&Request { number, command }) {
            Ok(()) => {
                link.pending.insert(number, pending);
                self.flush_agent();
            }
            Err(error) => self.fail_pending(pending, &Failure::Host(error.to_string())),
        }
    }

    /// The channel can be read from or written to.
    pub(crate) fn agent_is_ready(&mut self, readable: bool) {
        self.flush_agent();
        if readable && let Err(error) = self.read_agent() {
            self.agent_failed(&error);
        }
    }

    /// The agent has ended: one that is of another version says so before, and then ends.
    pub(crate) fn agent_ended(&mut self, how: &str) {
        self.agent_is_ready(true);
        self.end_silo(Cause::Failed(format!("the guest agent {how}")));
    }

    fn agent_failed(&mut self, broken: &Broken) {
        self.close_agent();
        let reason = match broken {
            Broken::Frame(FrameError::Closed | FrameError::Io(_)) => {
                // Init, which knows how the agent has ended, tells more: it is given time to.
                let reason = "the guest agent has closed its channel".to_owned();
                self.agent_failure.get_or_insert(reason);
                self.agent_failure_due = Deadline::after(AGENT_GRACE);
                return;
            }
            Broken::Frame(error) => {
                format!("the guest agent does not keep to the protocol: {error}")
            }
            Broken::Version(version) => format!(
                "the image's base is of another release: its guest agent speaks version {version} \
                 of the protocol, this supervisor version {VERSION}; rebuild the base with \
                 `porthole base build`, and then the images made from it"
            ),
        };
        self.end_silo(Cause::Failed(reason));
    }

    /// Reads what the agent says, for as long as it has a turn: what then still waits is reported
    /// again.
    fn read_agent(&mut self) -> Result<(), Broken> {
        for _ in 0..TURNS {
            let Some(link) = &mut self.agent else {
                return Ok(());
            };
            let more = link.inbox.fill(&link.stream)?;
            while let Some(link) = &mut self.agent
                && let Some(message) = link.next_message()?
            {
                self.agent_says(message);
            }
            if !more {
                break;
            }
        }
        Ok(())
    }

    fn agent_says(&mut self, message: Message) {
        match message {
            Message::Event(Event::Ended { process }) => self.process_ended(process),
            Message::Event(Event::Exited { process, exit_code }) => {
                self.process_exited(process, exit_code);
            }
            Message::Reply { number, result } => {
                let pending = self
                    .agent
                    .as_mut()
                    .and_then(|link| link.pending.remove(&number));
                if let Some(pending) = pending {
                    self.agent_replies(pending, result);
                }
            }
        }
    }

    fn agent_replies(&mut self, pending: Pending, result: Result<Reply, WindowsError>) {
        match (pending, result) {
            (Pending::Configure, Ok(_)) => self.silo_is_ready(),
            (Pending::TimeZone, Ok(_)) => {}
            (Pending::Save { number }, Ok(Reply::Done)) => self.registry_written(number, Ok(())),
            (Pending::Create { client, process }, Ok(Reply::Created { pid })) => {
                self.process_created(client, process, pid);
            }
            (Pending::Forward { client }, Ok(Reply::Processes(entries))) => {
                self.respond_and_serve(client, &Response::Processes(entries));
            }
            (Pending::Forward { client }, Ok(_)) => {
                self.respond_and_serve(client, &Response::Done);
            }
            (pending, Ok(_)) => {
                let text = "the guest agent has answered something else than was asked";
                self.fail_pending(pending, &Failure::Host(text.to_owned()));
            }
            (pending, Err(error)) => self.fail_pending(pending, &Failure::Windows(error)),
        }
    }

    /// Answers what was expected with a failure.
    fn fail_pending(&mut self, pending: Pending, failure: &Failure) {
        let client = match pending {
            Pending::Configure => {
                self.end_silo(Cause::Failed(format!(
                    "cannot configure the silo: {failure}"
                )));
                return;
            }
            Pending::TimeZone => {
                // The hours are right all the same, only the zone's name is not.
                note!("cannot set the time zone: {failure}");
                return;
            }
            Pending::Create { client, process } => {
                self.forget_process(process);
                client
            }
            Pending::Save { number } => {
                self.registry_written(number, Err(failure.clone()));
                return;
            }
            Pending::Forward { client } => client,
        };
        self.respond_and_serve(client, &Response::Failed(failure.clone()));
    }

    /// Answers a client, and carries out what it has asked for meanwhile.
    pub(crate) fn respond_and_serve(&mut self, client: u32, response: &Response) {
        self.respond(client, response);
        self.serve(client);
    }

    fn flush_agent(&mut self) {
        let Some(link) = &mut self.agent else { return };
        // A failure shows as the end of the channel at the next read.
        if link.outbox.flush_socket(&link.stream).is_err() {
            link.outbox.clear();
        }
        let interest = Interest {
            read: true,
            write: !link.outbox.is_empty(),
        };
        let registered =
            link.registration
                .update(&mut self.poller, &link.stream, Source::Agent, interest);
        if let Err(error) = registered {
            self.end_silo(Cause::Failed(format!(
                "cannot wait for the guest agent: {error}"
            )));
        }
    }

    /// Lets go of the channel.
    pub(crate) fn close_agent(&mut self) {
        if let Some(mut link) = self.agent.take() {
            link.registration.end(&mut self.poller, &link.stream);
        }
    }
}
