//! A silo made by hand, and the supervisor's side of the agent's protocol.
//!
//! Nothing of the supervisor is used: what fails here is the agent's fault or Wine's.

use std::fs::{self, File, OpenOptions};
use std::io::Write as _;
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command as Program, Stdio as Redirect};
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use porthole_protocol::agent::{
    Command, Configuration, CreateProcess, Event, Message, ProcessKey, Reply, Request, Stdio,
    VERSION,
};
use porthole_protocol::{ConsoleSize, Hello, WindowsError, frame};
use tempfile::TempDir;

use crate::place::{files, probes, registry, tree};
use crate::process::Output;

mod place;
mod process;

pub use place::unable;
pub use process::Process;

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A silo whose agent has been configured.
#[derive(Debug)]
pub struct Silo {
    run: TempDir,
    child: Child,
    channel: UnixStream,
    next: u32,
    ended: Vec<ProcessKey>,
    exits: Vec<(ProcessKey, u32)>,
}

/// What a process is started with.
#[derive(Debug, Clone, Default)]
pub struct Wanted {
    /// The raw command line.
    pub command_line: String,
    /// Extra variables.
    pub environment: Vec<(String, String)>,
    /// The working directory; `C:\` when empty.
    pub directory: String,
    /// The account; `ContainerAdministrator` when empty.
    pub user: String,
    /// A console of this size instead of pipes.
    pub console: Option<ConsoleSize>,
    /// Whether its output is left alone until [`Process::read`].
    pub unread: bool,
}

/// What a process left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Left {
    /// All 32 bits.
    pub exit_code: u32,
    /// What it wrote.
    pub stdout: String,
    /// What it wrote as errors.
    pub stderr: String,
}

impl Silo {
    /// Makes a silo of `base` (`nanoserver` or `servercore`) and configures its agent.
    ///
    /// # Errors
    /// When anything of it fails.
    pub fn start(base: &str) -> Result<Self> {
        let run = TempDir::with_prefix("agent-silo-")?;
        let script = run.path().join("silo.sh");
        fs::write(&script, include_str!("silo.sh"))?;
        let (ours, theirs) = UnixStream::pair()?;
        // A test that is killed takes its silo with it.
        let child = Program::new("setpriv")
            .args([
                "--pdeathsig",
                "KILL",
                "unshare",
                "-mpfi",
                "--kill-child",
                "sh",
            ])
            .arg(&script)
            .arg(tree().join("kernels/current/root"))
            .arg(files(base)?)
            .arg(registry(base)?)
            .arg(run.path())
            .arg(probes())
            .stdin(OwnedFd::from(theirs.try_clone()?))
            .stdout(OwnedFd::from(theirs))
            .stderr(Redirect::inherit())
            .spawn()?;
        ours.set_read_timeout(Some(PATIENCE))?;
        let mut silo = Self {
            run,
            child,
            channel: ours,
            next: 0,
            ended: Vec::new(),
            exits: Vec::new(),
        };
        frame::write(&mut silo.channel, &Hello::new(VERSION))?;
        let hello: Hello = frame::read(&mut silo.channel).context("the agent's greeting")?;
        ensure!(
            hello.agrees_with(VERSION),
            "the agent speaks another version"
        );
        let configuration = Configuration {
            host_name: "silo-1.test".to_owned(),
            processors: 2,
        };
        silo.done(Command::Configure(configuration))?;
        Ok(silo)
    }

    /// Sends a command and returns its reply.
    ///
    /// # Errors
    /// When the channel fails; what the agent answers is inside.
    pub fn ask(&mut self, command: Command) -> Result<Result<Reply, WindowsError>> {
        self.next += 1;
        frame::write(
            &mut self.channel,
            &Request {
                number: self.next,
                command,
            },
        )?;
        loop {
            match frame::read(&mut self.channel)? {
                Message::Reply { number, result } if number == self.next => return Ok(result),
                Message::Reply { number, .. } => bail!("reply to {number}, which nobody asked"),
                Message::Event(event) => self.note(&event),
            }
        }
    }

    /// Sends a command that has no result.
    ///
    /// # Errors
    /// When it fails.
    pub fn done(&mut self, command: Command) -> Result<()> {
        match self.ask(command)?? {
            Reply::Done => Ok(()),
            other => bail!("unexpected reply {other:?}"),
        }
    }

    /// Starts a process.
    ///
    /// # Errors
    /// When the channel or the process fails: the latter with a [`WindowsError`] as its cause.
    pub fn create(&mut self, wanted: &Wanted) -> Result<Process> {
        let key = ProcessKey(self.next + 1);
        let or = |text: &str, default: &str| {
            if text.is_empty() {
                default.to_owned()
            } else {
                text.to_owned()
            }
        };
        let (stdin, input) = self.fifo(&format!("{}-in", key.0), true)?;
        let (stdout, output) = self.fifo(&format!("{}-out", key.0), false)?;
        let mut errors = None;
        let stdio = match wanted.console {
            Some(size) => Stdio::Console {
                input,
                output,
                size,
            },
            None => {
                let (file, path) = self.fifo(&format!("{}-err", key.0), false)?;
                errors = Some(file);
                Stdio::Pipes {
                    stdin: Some(input),
                    stdout: Some(output),
                    stderr: Some(path),
                }
            }
        };
        let request = CreateProcess {
            process: key,
            command_line: wanted.command_line.clone(),
            environment: wanted.environment.clone(),
            working_directory: or(&wanted.directory, r"C:\"),
            user: or(&wanted.user, "ContainerAdministrator"),
            stdio,
        };
        let Reply::Created { pid } = self.ask(Command::CreateProcess(request))?? else {
            bail!("unexpected reply");
        };
        let (stdout, stderr) = (Output::of(stdout), errors.map(Output::of));
        if !wanted.unread {
            stdout.read();
        }
        if let Some(stderr) = &stderr {
            stderr.read();
        }
        Ok(Process {
            key,
            pid,
            stdin: Some(stdin),
            stdout,
            stderr,
        })
    }

    /// Waits for a process and what it wrote.
    ///
    /// # Errors
    /// When the channel fails or patience ends.
    pub fn wait(&mut self, process: Process) -> Result<Left> {
        let exit_code = self.exit_code(process.key)?;
        let stderr = process.stderr.map_or(Ok(String::new()), Output::all)?;
        Ok(Left {
            exit_code,
            stdout: process.stdout.all()?,
            stderr,
        })
    }

    /// Waits for the report of a process's end.
    ///
    /// # Errors
    /// When the channel fails or patience ends.
    pub fn exit_code(&mut self, key: ProcessKey) -> Result<u32> {
        loop {
            if let Some(place) = self.exits.iter().position(|(exited, _)| *exited == key) {
                return Ok(self.exits.remove(place).1);
            }
            match frame::read(&mut self.channel)? {
                Message::Event(event) => self.note(&event),
                Message::Reply { number, .. } => bail!("reply to {number}, which nobody asked"),
            }
        }
    }

    /// Waits for the report that a process has ended, while its output may be on its way.
    ///
    /// # Errors
    /// When the channel fails, patience ends, or the output was there first.
    pub fn wait_for_end_of(&mut self, key: ProcessKey) -> Result<()> {
        while !self.ended.contains(&key) {
            match frame::read(&mut self.channel)? {
                Message::Event(event) => self.note(&event),
                Message::Reply { number, .. } => bail!("reply to {number}, which nobody asked"),
            }
        }
        ensure!(
            self.exits.iter().all(|(exited, _)| *exited != key),
            "all output was handed over"
        );
        Ok(())
    }

    /// Runs a command line to its end, with no input.
    ///
    /// # Errors
    /// As [`Silo::create`] and [`Silo::wait`].
    pub fn run(&mut self, command_line: &str) -> Result<Left> {
        let wanted = Wanted {
            command_line: command_line.to_owned(),
            ..Wanted::default()
        };
        let mut process = self.create(&wanted)?;
        process.stdin = None;
        self.wait(process)
    }

    /// Writes bytes that may be no message.
    ///
    /// # Errors
    /// When the channel fails.
    pub fn send_raw(&mut self, bytes: &[u8]) -> Result<()> {
        self.channel.write_all(bytes)?;
        Ok(())
    }

    /// Closes the channel, as a supervisor does that dies.
    ///
    /// # Errors
    /// When it is closed already.
    pub fn hang_up(&self) -> Result<()> {
        self.channel.shutdown(std::net::Shutdown::Both)?;
        Ok(())
    }

    /// Waits until the silo's first process, the agent here, has ended.
    ///
    /// # Errors
    /// When it has not within some seconds.
    pub fn wait_for_end(&mut self) -> Result<()> {
        let started = Instant::now();
        while self.child.try_wait()?.is_none() {
            ensure!(started.elapsed() < PATIENCE, "the agent still runs");
            std::thread::sleep(Duration::from_millis(5));
        }
        Ok(())
    }

    /// The host's side of the silo's run directory.
    #[must_use]
    pub fn run_directory(&self) -> &Path {
        self.run.path()
    }

    /// The host's process ID of the silo's outermost process.
    #[must_use]
    pub fn host_pid(&self) -> u32 {
        self.child.id()
    }

    /// Makes a FIFO; the supervisor's end and the path that the agent opens. The end is open
    /// before the agent opens its own, or the agent would find no peer.
    fn fifo(&self, name: &str, towards_program: bool) -> Result<(File, String)> {
        let path: PathBuf = self.run.path().join(name);
        let mode = rustix::fs::Mode::from_raw_mode(0o666);
        rustix::fs::mknodat(rustix::fs::CWD, &path, rustix::fs::FileType::Fifo, mode, 0)?;
        // Open both ways for a moment, so that neither opening waits for a peer.
        let _both = OpenOptions::new().read(true).write(true).open(&path)?;
        let file = OpenOptions::new()
            .read(!towards_program)
            .write(towards_program)
            .open(&path)?;
        Ok((file, format!("/run/porthole/{name}")))
    }

    fn note(&mut self, event: &Event) {
        match *event {
            Event::Ended { process } => self.ended.push(process),
            Event::Exited { process, exit_code } => self.exits.push((process, exit_code)),
        }
    }
}

impl Drop for Silo {
    fn drop(&mut self) {
        // Both may have ended by themselves.
        let _ = self.channel.shutdown(std::net::Shutdown::Both);
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}
