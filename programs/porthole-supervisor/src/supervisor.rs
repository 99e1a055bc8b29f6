//! The supervisor's state, and the loop that everything happens in.

use std::collections::HashMap;
use std::os::fd::{AsFd, OwnedFd};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;
use std::time::Duration;

use anyhow::{Context, Result};
use porthole_protocol::agent::ProcessKey;
use porthole_protocol::supervisor::{Event, ExitRecord, Response, SiloSpec};
use porthole_sandbox::{Prepared, Report};

use crate::agent::AgentLink;
use crate::clients::Client;
use crate::clock::Deadline;
use crate::detach;
use crate::ending::Cause;
use crate::exits::Exits;
use crate::journal::note;
use crate::lifecycle::{Change, State};
use crate::listening::Listening;
use crate::poller::{Interest, Poller, Ready, Source, Token};
use crate::processes::Process;
use crate::proxy::Proxy;
use crate::registry::Registry;
use crate::silo::{self, AGENT, RunningSilo, WINESERVER};
use crate::stdio::PumpBuffer;

/// How long a silo may take from its start until its agent answers.
const START_PATIENCE: Duration = Duration::from_secs(60);

/// How long after the kernel has killed for want of memory an end may be by that kill: the agent
/// hears of it from wineserver within milliseconds, unless the host has no processor to spare.
const KILL_SHOWS: Duration = Duration::from_secs(2);

/// Bytes of the services' own messages that are kept: a program inside can write there too.
const SERVICE_LOG_LIMIT: usize = 256 * 1024;

/// Everything there is to know about one container. Methods are in the modules of what they do.
#[derive(Debug)]
pub(crate) struct Supervisor {
    pub(crate) directory: PathBuf,
    pub(crate) spec: SiloSpec,
    /// What the start will need, until then.
    prepared: Option<Result<Prepared>>,
    pub(crate) listener: UnixListener,
    pub(crate) listening: Listening,
    termination: OwnedFd,
    pub(crate) poller: Poller,
    pub(crate) state: State,
    pub(crate) clients: HashMap<u32, Client>,
    pub(crate) next_client: u32,
    pub(crate) start_requester: Option<u32>,
    pub(crate) running: Option<RunningSilo>,
    tokens: Vec<(Source, Token)>,
    pub(crate) agent: Option<AgentLink>,
    pub(crate) agent_failure: Option<String>,
    pub(crate) agent_failure_due: Deadline,
    pub(crate) processes: HashMap<ProcessKey, Process>,
    pub(crate) proxy: Proxy,
    /// The registry as it is while the silo runs.
    pub(crate) registry: Registry,
    /// How processes have ended.
    pub(crate) exits: Exits,
    pub(crate) main_exit_code: Option<u32>,
    pub(crate) record: Option<ExitRecord>,
    pub(crate) cause: Option<Cause>,
    pub(crate) out_of_memory_kills: u64,
    /// Until when an end is taken for one by the last kill for want of memory.
    pub(crate) killed_for_memory: Deadline,
    pub(crate) pump_buffer: PumpBuffer,
    service_log_kept: usize,
    start_due: Deadline,
    /// The main process, once its end waits for that of others, and for how long.
    pub(crate) main_waits: Option<(ProcessKey, Deadline)>,
    pub(crate) ending_due: Deadline,
    pub(crate) farewell_due: Deadline,
}

impl Supervisor {
    /// A supervisor that waits to be asked.
    pub(crate) fn new(directory: PathBuf, spec: SiloSpec, listener: UnixListener) -> Result<Self> {
        let mut poller = Poller::new().context("cannot make an epoll set")?;
        let mut listening = Listening::default();
        listening
            .watch(&mut poller, &listener, Source::Listener, true)
            .context("cannot wait for connections")?;
        let termination = detach::termination()?;
        poller
            .add(&termination, Source::Termination, Interest::READ)
            .context("cannot wait for signals")?;
        Ok(Self {
            directory,
            prepared: Some(Prepared::new(silo::identity(spec.user)).map_err(Into::into)),
            spec,
            listener,
            listening,
            termination,
            poller,
            state: State::Waiting,
            clients: HashMap::new(),
            next_client: 0,
            start_requester: None,
            running: None,
            tokens: Vec::new(),
            agent: None,
            agent_failure: None,
            agent_failure_due: Deadline::NEVER,
            processes: HashMap::new(),
            proxy: Proxy::default(),
            registry: Registry::default(),
            exits: Exits::default(),
            main_exit_code: None,
            record: None,
            cause: None,
            out_of_memory_kills: 0,
            killed_for_memory: Deadline::NEVER,
            pump_buffer: PumpBuffer::default(),
            service_log_kept: 0,
            start_due: Deadline::NEVER,
            main_waits: None,
            ending_due: Deadline::NEVER,
            farewell_due: Deadline::NEVER,
        })
    }

    /// Supervises until the silo has ended and everybody knows.
    pub(crate) fn run(&mut self) -> Result<()> {
        while !self.is_done() {
            let timeout = self.next_deadline().timeout();
            for ready in self.poller.wait(timeout).context("cannot wait")? {
                self.handle(ready);
            }
            self.handle_time();
        }
        Ok(())
    }

    fn handle(&mut self, ready: Ready) {
        match ready.source {
            Source::Listener => self.accept_clients(),
            Source::Termination => self.host_shuts_down(),
            Source::Client(number) => self.client_is_ready(number, ready.readable),
            Source::Init => self.init_reports(),
            Source::SiloEnd => self.silo_is_gone(),
            Source::Agent => self.agent_is_ready(ready.readable),
            Source::ServiceLog => self.read_service_log(),
            Source::OutOfMemory => self.check_out_of_memory(),
            Source::Stream(process, kind) => self.stream_is_ready(process, kind),
            Source::Port(index) => self.proxy.accept(&mut self.poller, index),
            Source::Relay(number, end) => {
                self.proxy
                    .relay(&mut self.poller, number, end, ready.readable);
            }
            Source::DatagramPort(index) => {
                self.proxy.datagrams.arrive(&mut self.poller, index);
            }
            Source::Flow(number) => self.proxy.datagrams.answer(number),
        }
    }

    /// Ends the silo while there is time for its registry and exit record.
    fn host_shuts_down(&mut self) {
        let mut signal = [0; 128];
        if rustix::io::read(&self.termination, &mut signal).is_ok() {
            note!("asked to end by SIGTERM");
            self.end_silo(Cause::Terminated);
        }
    }

    fn next_deadline(&self) -> Deadline {
        self.processes
            .values()
            .map(|process| process.hold)
            .chain([
                self.start_due,
                self.main_waits.map_or(Deadline::NEVER, |(_, due)| due),
                self.ending_due,
                self.farewell_due,
                self.agent_failure_due,
                self.registry.due(),
                self.listening.due(),
                self.proxy.due(),
            ])
            .fold(Deadline::NEVER, Deadline::or_earlier)
    }

    fn handle_time(&mut self) {
        self.release_overdue_outputs();
        self.settle_main();
        if self.listening.resume_if_due() {
            self.watch_listener();
        }
        self.proxy.handle_time(&mut self.poller);
        if self.start_due.is_due() {
            self.start_due = Deadline::NEVER;
            self.end_silo(Cause::Failed("the guest agent does not answer".to_owned()));
        }
        if self.agent_failure_due.is_due() {
            self.agent_failure_due = Deadline::NEVER;
            let reason = self.agent_failure.take().unwrap_or_default();
            self.end_silo(Cause::Failed(reason));
        }
        if self.registry.due().is_due() {
            self.saves_are_overdue();
        }
        if self.ending_due.is_due() {
            self.end_is_overdue();
        }
    }

    /// Builds the silo and begins to talk to its agent.
    pub(crate) fn build_silo(&mut self) -> Result<()> {
        self.proxy = Proxy::open(&mut self.poller, &self.spec.published_ports)?;
        let prepared = self
            .prepared
            .take()
            .context("the silo was started before")??;
        let (running, agent) = RunningSilo::start(&self.spec, &prepared, &self.directory)?;
        self.start_due = Deadline::after(START_PATIENCE);
        let watched = self.watch_silo(&running);
        self.running = Some(running);
        watched.context("cannot wait for the silo")?;
        self.greet_agent(agent)
            .context("cannot talk to the guest agent")
    }

    fn watch_silo(&mut self, running: &RunningSilo) -> std::io::Result<()> {
        let descriptors = [
            (Source::Init, running.silo.channel().as_fd()),
            (Source::SiloEnd, running.silo.end()),
            (Source::ServiceLog, running.service_log.as_fd()),
        ];
        for (source, descriptor) in descriptors {
            let token = self.poller.add(descriptor, source, Interest::READ)?;
            self.tokens.push((source, token));
        }
        if let Some(watch) = &running.out_of_memory {
            let source = Source::OutOfMemory;
            let token = if watch.waits_for_priority_data() {
                self.poller.add_priority(watch, source)?
            } else {
                self.poller.add(watch, source, Interest::READ)?
            };
            self.tokens.push((source, token));
        }
        Ok(())
    }

    /// Has the poller forget a silo that is about to be dropped.
    pub(crate) fn forget_descriptors(&mut self, running: &RunningSilo) {
        for (source, token) in std::mem::take(&mut self.tokens) {
            let descriptor = match source {
                Source::Init => running.silo.channel().as_fd(),
                Source::SiloEnd => running.silo.end(),
                Source::ServiceLog => running.service_log.as_fd(),
                Source::OutOfMemory => match &running.out_of_memory {
                    Some(watch) => watch.as_fd(),
                    None => continue,
                },
                _ => continue,
            };
            self.poller.remove(token, descriptor);
        }
    }

    fn forget_source(&mut self, gone: Source) {
        let Some(running) = &self.running else { return };
        let Some(index) = self.tokens.iter().position(|(source, _)| *source == gone) else {
            return;
        };
        let (_, token) = self.tokens.swap_remove(index);
        match gone {
            Source::Init => self.poller.remove(token, running.silo.channel()),
            Source::ServiceLog => self.poller.remove(token, &running.service_log),
            _ => {}
        }
    }

    fn init_reports(&mut self) {
        while let Some(running) = &mut self.running {
            match running.silo.channel().receive() {
                Ok(Report::Built) => running.wineserver_lives = true,
                Ok(Report::Failed(reason)) => self.end_silo(Cause::Failed(reason)),
                Ok(Report::ServiceEnded { service, how }) => self.service_ended(service, &how),
                Err(error) if error.kind() == std::io::ErrorKind::WouldBlock => return,
                // Init's end is told by its process descriptor.
                Err(_) => self.forget_source(Source::Init),
            }
            if !self
                .tokens
                .iter()
                .any(|(source, _)| *source == Source::Init)
            {
                return;
            }
        }
    }

    fn service_ended(&mut self, service: u8, how: &str) {
        if let (Some(running), WINESERVER) = (&mut self.running, service) {
            running.wineserver_lives = false;
        }
        match (self.state, service) {
            (State::Ending, WINESERVER) => self.kill_silo(),
            (State::Ending | State::Dying | State::Ended, _) => {}
            (_, WINESERVER) => self.end_silo(Cause::Failed(format!("wineserver {how}"))),
            (_, AGENT) => self.agent_ended(how),
            (_, other) => note!("service {other} {how}"),
        }
    }

    fn silo_is_gone(&mut self) {
        // What init has said last tells more than that it is gone.
        self.init_reports();
        self.end_silo(Cause::Failed(
            "the silo's first process was killed".to_owned(),
        ));
        if let Some(running) = &mut self.running
            && let Err(error) = running.silo.reap()
        {
            note!("{}", error.chain());
        }
        self.finish_silo();
    }

    /// The agent has configured the silo.
    pub(crate) fn silo_is_ready(&mut self) {
        let Some(next) = self.state.after(Change::Ready) else {
            return;
        };
        self.state = next;
        self.start_due = Deadline::NEVER;
        let init_pid = self
            .running
            .as_ref()
            .map_or(0, |running| running.silo.pid());
        if let Some(client) = self.start_requester.take() {
            self.respond(client, &Response::Started { init_pid });
            self.serve(client);
        }
    }

    /// Tells watchers if the kernel has killed for want of memory since last time.
    pub(crate) fn check_out_of_memory(&mut self) {
        let Some(running) = &self.running else { return };
        if let Some(watch) = &running.out_of_memory {
            watch.acknowledge();
        }
        let kills = running.cgroup.out_of_memory_kills();
        if kills > self.out_of_memory_kills {
            self.out_of_memory_kills = kills;
            self.killed_for_memory = Deadline::after(KILL_SHOWS);
            self.tell_watchers(&Event::OutOfMemory);
        }
    }

    /// Passes on what wineserver and agent complain about, up to a limit.
    fn read_service_log(&mut self) {
        let Some(running) = &self.running else { return };
        let mut buffer = [0; 4096];
        match rustix::io::read(&running.service_log, &mut buffer) {
            Ok(0) => self.forget_source(Source::ServiceLog),
            Ok(count) => {
                let before = self.service_log_kept;
                self.service_log_kept += count;
                if before < SERVICE_LOG_LIMIT {
                    let text = String::from_utf8_lossy(&buffer[..count]);
                    for line in text.lines() {
                        note!("inside: {}", line.escape_debug());
                    }
                    if self.service_log_kept >= SERVICE_LOG_LIMIT {
                        note!("inside: too much; no more is recorded");
                    }
                }
            }
            Err(_) => {}
        }
    }
}
