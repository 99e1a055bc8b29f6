//! The guest agent of a Porthole silo.
//!
//! The silo's init starts it as the first Windows process, with a socket pair to the supervisor
//! as standard input and output. It is the silo's session manager, in the place of Wine's
//! `wineboot.exe`, and starts every other process. See `guest/README.md`.

#![windows_subsystem = "windows"]

mod attend;
mod channel;
mod control;
mod devices;
mod driver;
mod environment;
mod error;
mod hidden;
mod host;
mod mounts;
mod nsi;
mod programs;
mod services;
mod session;
mod startup;
mod stdio;
mod sys;

use std::process::ExitCode;
use std::sync::Arc;

use porthole_protocol::ConsoleSize;
use porthole_protocol::agent::{
    Command, Configuration, CreateProcess, ProcessKey, RegistryFiles, Reply, Request,
};

use crate::channel::{Receiver, Sender};
use crate::control::CONTROL_EXIT;
use crate::environment::{Environment, Owner};
use crate::error::Outcome;
use crate::programs::Programs;
use crate::sys::{console, snapshot, stack};

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let outcome = match (arguments.next().as_deref(), arguments.next()) {
        (Some("--driver"), Some(name)) => {
            driver::host(&name).map_err(|failure| failure.to_string())
        }
        _ => run(),
    };
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("cexecsvc: {error}");
            ExitCode::FAILURE
        }
    }
}

fn run() -> Result<(), String> {
    stack::release_unused();
    let (mut receiver, sender) = channel::open().map_err(|failure| failure.to_string())?;
    console::ignore_control_events();
    let _session = session::open().map_err(|failure| failure.to_string())?;
    if let Err(failure) = devices::serve() {
        // Programs then miss what they would have found there, and no more.
        eprintln!("cexecsvc: {failure}");
    }
    let agreed = receiver.greet(&sender).map_err(|error| error.to_string())?;
    if !agreed {
        return Err("the supervisor speaks another version of the protocol".to_owned());
    }
    let mut agent = Agent {
        sender: Arc::new(sender),
        programs: Arc::default(),
        configuration: Configuration {
            host_name: String::new(),
            processors: 1,
        },
        account: String::new(),
    };
    agent.serve(&mut receiver);
    // The supervisor is gone, so nobody wants the silo any more; its init ends with us.
    agent.programs.terminate_all(CONTROL_EXIT);
    Ok(())
}

struct Agent {
    sender: Arc<Sender>,
    programs: Arc<Programs>,
    configuration: Configuration,
    /// The account whose profile the registry describes.
    account: String,
}

impl Agent {
    /// Carries requests out until the supervisor goes away or stops making sense.
    fn serve(&mut self, receiver: &mut Receiver) {
        loop {
            match receiver.next() {
                Ok(request) => self.handle(request),
                Err(porthole_protocol::frame::FrameError::Closed) => return,
                Err(error) => return eprintln!("cexecsvc: {error}"),
            }
        }
    }

    fn handle(&mut self, request: Request) {
        let done = |outcome: Outcome<()>| outcome.map(|()| Reply::Done);
        let result = match request.command {
            Command::Configure(configuration) => done(self.configure(configuration)),
            Command::CreateProcess(wanted) => return self.create(request.number, &wanted),
            Command::Signal { process, event } => done(self.programs.signal(process, event)),
            Command::SignalAll(event) => done(self.programs.signal_all(event)),
            Command::Terminate { process, exit_code } => {
                done(self.programs.terminate(process, exit_code))
            }
            Command::Resize { process, size } => {
                return self.resize(request.number, process, size);
            }
            Command::SetTimeZone(name) => done(session::set_time_zone(&name)),
            Command::ListProcesses => snapshot::processes().map(Reply::Processes),
            Command::SaveRegistry(files) => return self.save_registry(request.number, files),
        };
        self.sender.reply(request.number, result);
    }

    /// Resizes a console, in a thread of its own: the console host answers only when its screen's
    /// reader is not behind, and nothing else may wait for that.
    fn resize(&self, number: u32, process: ProcessKey, size: ConsoleSize) {
        let (programs, sender) = (Arc::clone(&self.programs), Arc::clone(&self.sender));
        let spawned = stdio::spawn(move || {
            let resized = programs.resize(process, size);
            sender.reply(number, resized.map(|()| Reply::Done));
        });
        if let Err(failure) = spawned {
            self.sender.reply(number, Err(failure));
        }
    }

    /// Saves the registry, in a thread of its own: it may be large, and nothing else need wait.
    fn save_registry(&self, number: u32, files: RegistryFiles) {
        let sender = Arc::clone(&self.sender);
        let spawned = stdio::spawn(move || {
            let saved = session::save_registry(&files);
            sender.reply(number, saved.map(|()| Reply::Done));
        });
        if let Err(failure) = spawned {
            self.sender.reply(number, Err(failure));
        }
    }

    fn configure(&mut self, configuration: Configuration) -> Outcome<()> {
        session::configure(&configuration)?;
        self.configuration = configuration;
        // No program needs these keys in its first milliseconds.
        stdio::spawn(|| {
            if let Err(failure) = session::describe_hardware() {
                eprintln!("cexecsvc: {failure}");
            }
        })
    }

    fn create(&mut self, number: u32, wanted: &CreateProcess) {
        if self.account != wanted.user {
            self.account.clone_from(&wanted.user);
            if let Err(failure) = session::log_on(&wanted.user) {
                eprintln!("cexecsvc: {failure}");
            }
        }
        let owner = Owner {
            account: &wanted.user,
            host_name: &self.configuration.host_name,
            processors: self.configuration.processors,
        };
        let environment = Environment::of(owner, &wanted.environment);
        match self.programs.create(wanted, &environment) {
            Ok(created) => {
                self.sender
                    .reply(number, Ok(Reply::Created { pid: created.pid }));
                let (programs, sender) = (Arc::clone(&self.programs), Arc::clone(&self.sender));
                if let Err(failure) = created.attendance.begin(programs, sender) {
                    eprintln!("cexecsvc: {failure}");
                }
            }
            Err(failure) => self.sender.reply(number, Err(failure)),
        }
    }
}
