//! What clients ask for.

use porthole_protocol::agent::{Command, ProcessKey};
use porthole_protocol::supervisor::{Failure, Limits, OpenStdio, ProcessSpec, Request, Response};

use crate::agent::Pending;
use crate::ending::Cause;
use crate::lifecycle::{Change, State};
use crate::processes::Process;
use crate::stdio::Fifos;
use crate::supervisor::Supervisor;

/// The outcome of a request that is answered at once, or `None` when the answer comes later.
type Outcome = Result<Option<Response>, Failure>;

impl Supervisor {
    /// Carries out a client's request, and answers it unless the answer has to come later.
    pub(crate) fn carry_out(&mut self, client: u32, request: Request) {
        let outcome = match request {
            Request::Start => self.start(client),
            Request::CreateProcess(spec) => self.create_process(client, spec),
            Request::Signal { process, event } => {
                self.forward(client, Some(process), Command::Signal { process, event })
            }
            Request::TerminateProcess { process, exit_code } => self.forward(
                client,
                Some(process),
                Command::Terminate { process, exit_code },
            ),
            Request::Resize { process, size } => {
                self.forward(client, Some(process), Command::Resize { process, size })
            }
            Request::Shutdown => {
                let event = porthole_protocol::ControlEvent::CtrlShutdown;
                self.forward(client, None, Command::SignalAll(event))
            }
            Request::ListProcesses => self.forward(client, None, Command::ListProcesses),
            Request::Terminate => self.terminate(),
            Request::Pause => self.pause(client),
            Request::Resume => self.resume(),
            Request::Update(limits) => self.update(limits),
            Request::Statistics => self.statistics(),
            Request::Init => self.init(),
            Request::SaveRegistry => self.save_registry(client),
            Request::ReadRegistry { root, offset } => self.read_registry(client, root, offset),
            Request::Watch => {
                self.watch(client);
                return;
            }
            Request::OpenStdio(wanted) => self.open_stdio(client, wanted),
        };
        match outcome {
            Ok(Some(response)) => self.respond(client, &response),
            Ok(None) => {}
            Err(failure) => self.respond(client, &Response::Failed(failure)),
        }
    }

    fn require(&self, state: State) -> Result<(), Failure> {
        if self.state == state {
            Ok(())
        } else {
            Err(self.wrong_state())
        }
    }

    pub(crate) fn wrong_state(&self) -> Failure {
        Failure::State(self.state.describe().to_owned())
    }

    fn start(&mut self, client: u32) -> Outcome {
        let Some(next) = self.state.after(Change::Start) else {
            return Err(self.wrong_state());
        };
        self.state = next;
        self.start_requester = Some(client);
        if let Err(error) = self.build_silo() {
            // The requester is answered with this reason as the silo ends.
            self.end_silo(Cause::Failed(format!("{error:#}")));
        }
        Ok(None)
    }

    fn create_process(&mut self, client: u32, spec: ProcessSpec) -> Outcome {
        self.require(State::Running)?;
        let key = spec.process;
        if self.processes.contains_key(&key) || self.exits.of(key).is_some() {
            return Err(Failure::Host(format!(
                "there is a process {} already",
                key.0
            )));
        }
        let Some(running) = &self.running else {
            return Err(self.wrong_state());
        };
        let directory = running.silo.run_directory();
        let fifos = Fifos::make(directory, key, spec.streams, running.identity)
            .map_err(|error| Failure::Host(format!("cannot make streams: {error}")))?;
        let stdio = fifos.stdio.clone();
        let process = Process::new(&spec, fifos).map_err(|error| {
            Fifos::unlink(directory, key);
            let log = spec.log.as_ref().map_or("", |log| &log.path);
            Failure::Host(format!("cannot open the log {log}: {error}"))
        })?;
        self.processes.insert(key, process);
        self.watch_outputs(key);
        let command = Command::CreateProcess(spec.into_agent_request(stdio));
        self.ask_agent(
            command,
            Pending::Create {
                client,
                process: key,
            },
        );
        Ok(None)
    }

    /// The agent says that a process runs.
    pub(crate) fn process_created(&mut self, client: u32, key: ProcessKey, pid: u32) {
        if let (Some(running), Some(process)) = (&self.running, self.processes.get_mut(&key)) {
            process.created = true;
            let directory = running.silo.run_directory();
            if let Some(input) = &mut process.input
                && let Some(writer) = Fifos::open_writer(directory, key)
            {
                input.replace(&mut self.poller, writer);
            }
            Fifos::unlink(directory, key);
        }
        self.respond(client, &Response::Created { pid });
        self.settle_exit(key);
        self.serve(client);
    }

    /// The process could not be created: nothing of it stays.
    pub(crate) fn forget_process(&mut self, key: ProcessKey) {
        if let Some(mut process) = self.processes.remove(&key) {
            process.release(&mut self.poller);
        }
        if let Some(running) = &self.running {
            Fifos::unlink(running.silo.run_directory(), key);
        }
    }

    fn forward(&mut self, client: u32, process: Option<ProcessKey>, command: Command) -> Outcome {
        self.require(State::Running)?;
        if let Some(key) = process
            && self
                .processes
                .get(&key)
                .is_none_or(|process| process.reported)
        {
            return Err(Failure::NoSuchProcess);
        }
        self.ask_agent(command, Pending::Forward { client });
        Ok(None)
    }

    fn terminate(&mut self) -> Outcome {
        if self.state == State::Ended {
            return Ok(Some(Response::Done));
        }
        self.end_silo(Cause::Terminated);
        // Whoever is busy when the silo has ended is answered then.
        Ok(None)
    }

    /// Freezes or thaws the silo.
    pub(crate) fn freeze(&mut self, change: Change) -> Outcome {
        let Some(next) = self.state.after(change) else {
            return Err(self.wrong_state());
        };
        let Some(running) = &self.running else {
            return Err(self.wrong_state());
        };
        running
            .cgroup
            .freeze(change == Change::Pause)
            .map_err(|error| Failure::Host(error.chain()))?;
        self.state = next;
        Ok(Some(Response::Done))
    }

    fn update(&mut self, limits: Limits) -> Outcome {
        let Some(running) = &mut self.running else {
            return Err(self.wrong_state());
        };
        running
            .cgroup
            .update(&crate::silo::limits(&limits))
            .map_err(|error| Failure::Host(error.chain()))?;
        self.spec.limits = limits;
        Ok(Some(Response::Done))
    }

    fn statistics(&mut self) -> Outcome {
        let Some(running) = &self.running else {
            return Err(self.wrong_state());
        };
        Ok(Some(Response::Statistics(running.statistics())))
    }

    fn init(&self) -> Outcome {
        match (&self.running, self.state) {
            (Some(running), State::Running | State::Paused) => {
                let init_pid = running.silo.pid();
                Ok(Some(Response::Started { init_pid }))
            }
            _ => Err(self.wrong_state()),
        }
    }

    fn open_stdio(&mut self, client: u32, wanted: OpenStdio) -> Outcome {
        if self
            .processes
            .get(&wanted.process)
            .is_none_or(|process| !process.created)
        {
            return Err(Failure::NoSuchProcess);
        }
        self.attach(client, wanted);
        Ok(None)
    }
}
