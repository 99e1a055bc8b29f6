//! The processes that the supervisor asked for.

use std::collections::BTreeMap;
use std::os::windows::io::AsHandle;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use porthole_protocol::agent::{CreateProcess, Event as Report, ProcessKey, Stdio};
use porthole_protocol::{ConsoleSize, ControlEvent};

use crate::attend::{Attendance, Screen};
use crate::channel::Sender;
use crate::control::{self, NOT_FOUND};
use crate::environment::Environment;
use crate::error::{Failure, Outcome};
use crate::hidden::HiddenConsole;
use crate::host;
use crate::stdio::{self, Pace, Prepared};
use crate::sys::console::{self, Reference, Server};
use crate::sys::environment;
use crate::sys::event::{Event, wait_any};
use crate::sys::file::{self, Direction};
use crate::sys::job::Job;
use crate::sys::process::{self, Process, Start, Started};
use crate::sys::wineserver;

const ERROR_NOT_SUPPORTED: u32 = 50;

/// One program with its descendants.
#[derive(Debug)]
pub(crate) struct Program {
    /// The key that the supervisor knows it by.
    pub(crate) key: ProcessKey,
    /// Its first process.
    pub(crate) process: Process,
    /// Its processes.
    pub(crate) job: Job,
    /// Whether somebody sees its console.
    visible: bool,
    /// Its console, until the first process has ended.
    console: Mutex<Option<Reference>>,
    /// Whether the supervisor has been told that the first process has ended.
    reported: Mutex<bool>,
}

/// All programs, those that have ended while a descendant still runs included.
#[derive(Debug, Default)]
pub(crate) struct Programs {
    table: Mutex<BTreeMap<ProcessKey, Arc<Program>>>,
    resizing: Mutex<()>,
}

/// A started program: its process ID, and the work that has to be done for it until it ends.
#[derive(Debug)]
pub(crate) struct Created {
    /// The Windows process ID.
    pub(crate) pid: u32,
    /// To begin once the supervisor knows the process.
    pub(crate) attendance: Attendance,
}

/// The program's three standard handles before it starts, and what serves its console.
struct Streams {
    stdio: [Prepared; 3],
    screen: Screen,
    console: Reference,
}

impl Programs {
    /// Starts a program.
    pub(crate) fn create(
        &self,
        request: &CreateProcess,
        environment: &Environment,
    ) -> Outcome<Created> {
        let streams = Streams::prepare(&request.stdio, Pace::of(&request.command_line))?;
        let job = Job::new()?;
        let started = start(request, environment, &streams, &job)?;
        let program = Arc::new(Program {
            key: request.process,
            process: started.process,
            job,
            visible: matches!(request.stdio, Stdio::Console { .. }),
            console: Mutex::new(Some(streams.console)),
            reported: Mutex::default(),
        });
        let mut programs = self.lock();
        programs.retain(|_, program| !program.is_over());
        programs.insert(program.key, Arc::clone(&program));
        drop(programs);

        let exited = Arc::new(Event::new()?);
        let mut outputs = Vec::new();
        for stream in streams.stdio {
            outputs.extend(stream.run(&exited)?);
        }
        let attendance = Attendance {
            program,
            exited,
            outputs,
            screen: streams.screen,
        };
        Ok(Created {
            pid: started.pid,
            attendance,
        })
    }

    /// Delivers a control event to a program.
    pub(crate) fn signal(&self, key: ProcessKey, event: ControlEvent) -> Outcome<()> {
        control::deliver(&self.find(key)?.job.processes()?, event)
    }

    /// Delivers a control event to all programs.
    pub(crate) fn signal_all(&self, event: ControlEvent) -> Outcome<()> {
        let programs: Vec<_> = self.lock().values().cloned().collect();
        for program in programs {
            let pids = program.job.processes()?;
            match control::deliver(&pids, event) {
                // What has ended meanwhile need not be told.
                Ok(()) | Err(_) => {}
            }
        }
        Ok(())
    }

    /// Ends a program.
    pub(crate) fn terminate(&self, key: ProcessKey, exit_code: u32) -> Outcome<()> {
        self.find(key)?.job.terminate(exit_code)
    }

    /// Ends all programs.
    pub(crate) fn terminate_all(&self, exit_code: u32) {
        for program in self.lock().values() {
            // The silo ends now; what resists is killed with it.
            let _ = program.job.terminate(exit_code);
        }
    }

    /// Reports the end of every program that has ended by now.
    pub(crate) fn report_ends(&self, sender: &Sender) {
        let programs: Vec<_> = self.lock().values().cloned().collect();
        for program in programs {
            if program.has_ended() {
                program.report_end(sender);
            }
        }
    }

    /// Resizes a program's console.
    pub(crate) fn resize(&self, key: ProcessKey, size: ConsoleSize) -> Outcome<()> {
        let program = self.find(key)?;
        if !program.visible {
            return Err(Failure::new("ResizePseudoConsole", ERROR_NOT_SUPPORTED));
        }
        // The agent can attach itself to one console at a time.
        let _turn = self.resizing.lock().unwrap_or_else(PoisonError::into_inner);
        let console = program.console().as_ref().map(Reference::try_clone);
        console
            .ok_or(Failure::new("ResizePseudoConsole", NOT_FOUND))??
            .resize(size)
    }

    fn find(&self, key: ProcessKey) -> Outcome<Arc<Program>> {
        self.lock()
            .get(&key)
            .cloned()
            .ok_or(Failure::new("OpenProcess", NOT_FOUND))
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<ProcessKey, Arc<Program>>> {
        self.table.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Program {
    /// The agent's hold on the console; empty once let go.
    fn console(&self) -> MutexGuard<'_, Option<Reference>> {
        self.console.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Lets the console go, so that it ends with the last process attached to it.
    pub(crate) fn release_console(&self) {
        self.console().take();
    }

    /// Reports that the first process has ended, unless that is known: when this returns, it has
    /// been said, whichever thread said it.
    pub(crate) fn report_end(&self, sender: &Sender) {
        let mut reported = self.reported.lock().unwrap_or_else(PoisonError::into_inner);
        if !std::mem::replace(&mut *reported, true) {
            sender.report(Report::Ended { process: self.key });
        }
    }

    fn has_ended(&self) -> bool {
        let process = self.process.handle().as_handle();
        matches!(wait_any(&[process], Some(0)), Ok(Some(_)))
    }

    /// Whether any of its processes runs.
    pub(crate) fn has_processes(&self) -> bool {
        self.job.processes().is_ok_and(|pids| !pids.is_empty())
    }

    fn is_over(&self) -> bool {
        self.console().is_none() && !self.has_processes()
    }
}

impl Streams {
    fn prepare(wanted: &Stdio, pace: Pace) -> Outcome<Self> {
        let (server, reference) = console::create()?;
        match wanted {
            Stdio::Pipes {
                stdin,
                stdout,
                stderr,
            } => Ok(Self {
                stdio: [
                    stdio::prepare_input(stdin.as_deref(), pace)?,
                    stdio::prepare_output(stdout.as_deref())?,
                    stdio::prepare_output(stderr.as_deref())?,
                ],
                screen: hidden(server)?,
                console: reference,
            }),
            Stdio::Console {
                input,
                output,
                size,
            } => {
                let input = file::open_unix(input, Direction::Read, true)?;
                let output = file::open_unix(output, Direction::Write, true)?;
                let host = host::start_visible(&server, *size, &input, &output)?;
                reference.read_keyboard()?;
                Ok(Self {
                    stdio: stdio::of_console()?,
                    screen: Screen::Hosted(host),
                    console: reference,
                })
            }
        }
    }
}

/// Serves a console that nobody sees.
fn hidden(server: Server) -> Outcome<Screen> {
    if wineserver::is_supported() {
        return Ok(Screen::Hidden(HiddenConsole::new(server)));
    }
    host::start_hidden(&server).map(Screen::Hosted)
}

/// Starts the program's first process, looked up by *its* path and directory: Windows looks
/// programs up by those of the caller.
fn start(
    request: &CreateProcess,
    variables: &Environment,
    streams: &Streams,
    job: &Job,
) -> Outcome<Started> {
    environment::change_directory(&request.working_directory)
        .map_err(|failure| Failure::new("CreateProcess", directory_code(failure)))?;
    environment::set("PATH", variables.get("Path").unwrap_or_default());
    let block = variables.block();
    let [input, output, error] = &streams.stdio;
    let started = process::start(&Start {
        application: None,
        command_line: &request.command_line,
        environment: Some(&block),
        directory: Some(&request.working_directory),
        stdio: Some([&input.theirs, &output.theirs, &error.theirs]),
        inherited: &[],
        job: Some(job),
        console: Some(&streams.console),
    });
    // A directory that is somebody's current one cannot be removed.
    let _ = environment::change_directory(r"C:\");
    started
}

/// What `CreateProcess` says of a bad directory, whatever is wrong with it: `ERROR_DIRECTORY`.
fn directory_code(failure: Failure) -> u32 {
    const ERROR_DIRECTORY: u32 = 267;
    match failure.code() {
        2 | 3 | 123 => ERROR_DIRECTORY,
        other => other,
    }
}
