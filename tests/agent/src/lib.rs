//! A silo made by hand, and the supervisor's side of the agent's protocol.
//!
//! Nothing of the supervisor is used: what fails here is the agent's fault or Wine's.

use std::fs::{self, File, OpenOptions};
use std::io::{Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Command as Program, Stdio as Redirect};
use std::sync::{Arc, Mutex};
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail, ensure};
use porthole_protocol::agent::{
    Command, Configuration, CreateProcess, Event, Message, ProcessKey, Reply, Request, Stdio,
    VERSION,
};
use porthole_protocol::{ConsoleSize, Hello, WindowsError, frame};
use tempfile::TempDir;

/// Where kernel package, layers and registries lie: `PORTHOLE_DEV_TREE`, else the usual place of
/// a developer's machine. A data root in which a container has run will do.
fn tree() -> PathBuf {
    std::env::var_os("PORTHOLE_DEV_TREE")
        .map_or_else(|| PathBuf::from("/var/lib/porthole-dev"), PathBuf::from)
}

/// How long anything may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// A silo whose agent has been configured.
#[derive(Debug)]
pub struct Silo {
    run: TempDir,
    child: Child,
    channel: UnixStream,
    next: u32,
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
}

/// A running process with the supervisor's ends of its streams.
#[derive(Debug)]
pub struct Process {
    /// Its key.
    pub key: ProcessKey,
    /// Its Windows process ID.
    pub pid: u32,
    /// Towards it; closed by `None`.
    pub stdin: Option<File>,
    stdout: Output,
    stderr: Option<Output>,
}

/// What arrives on a stream, while it arrives.
#[derive(Debug)]
struct Output {
    bytes: Arc<Mutex<Vec<u8>>>,
    reader: JoinHandle<()>,
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

/// Where the probes are: `PORTHOLE_PROBES`, else where `cargo xtask guest` puts them.
fn probes() -> PathBuf {
    let built = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../target/guest/probes");
    std::env::var_os("PORTHOLE_PROBES").map_or(built, PathBuf::from)
}

/// The entry of `directory` named `base`, or, in a data root, whose names are digests, the first
/// that holds `proof`.
fn entry(directory: &Path, base: &str, proof: &str) -> Result<PathBuf> {
    let named = directory.join(base);
    if named.join(proof).exists() {
        return Ok(named);
    }
    let entries = fs::read_dir(directory).with_context(|| directory.display().to_string())?;
    let mut paths: Vec<_> = entries.flatten().map(|entry| entry.path()).collect();
    paths.sort();
    let found = paths.into_iter().find(|path| path.join(proof).exists());
    found.with_context(|| format!("no {proof} in {}", directory.display()))
}

/// The files of `base`, a layer with the agent.
fn files(base: &str) -> Result<PathBuf> {
    let agent = "Files/Windows/System32/cexecsvc.exe";
    Ok(entry(&tree().join("layers"), base, agent)?.join("Files"))
}

/// The merged registry of `base`.
fn registry(base: &str) -> Result<PathBuf> {
    entry(&tree().join("registry"), base, "system.reg")
}

/// Why silos cannot be made here, if they cannot.
#[must_use]
pub fn unable() -> Option<String> {
    if !rustix::process::geteuid().is_root() {
        return Some("needs root".to_owned());
    }
    let probe = probes().join("cat.exe");
    if !probe.exists() {
        return Some(format!("needs {}", probe.display()));
    }
    let missing = files("nanoserver").and(registry("nanoserver")).err();
    missing.map(|error| format!("needs a base image: {error:#}"))
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
        let &Event::Exited { process, exit_code } = event;
        self.exits.push((process, exit_code));
    }
}

impl Output {
    /// Reads `file` until all writers are gone.
    fn of(mut file: File) -> Self {
        let bytes = Arc::new(Mutex::new(Vec::new()));
        let shared = Arc::clone(&bytes);
        let reader = std::thread::spawn(move || {
            let mut piece = [0; 64 << 10];
            while let Ok(count @ 1..) = file.read(&mut piece) {
                if let Ok(mut bytes) = shared.lock() {
                    bytes.extend_from_slice(&piece[..count]);
                }
            }
        });
        Self { bytes, reader }
    }

    fn now(&self) -> String {
        let bytes = self
            .bytes
            .lock()
            .map(|bytes| bytes.clone())
            .unwrap_or_default();
        String::from_utf8_lossy(&bytes).into_owned()
    }

    fn all(self) -> Result<String> {
        let Self { bytes, reader } = self;
        ensure!(reader.join().is_ok(), "a reader panicked");
        let bytes = bytes.lock().map(|bytes| bytes.clone()).unwrap_or_default();
        Ok(String::from_utf8_lossy(&bytes).into_owned())
    }
}

impl Process {
    /// Waits until the program has written `text` to its output.
    ///
    /// # Errors
    /// When it has not within some seconds.
    pub fn wait_for_output(&mut self, text: &str) -> Result<()> {
        let started = Instant::now();
        while !self.stdout.now().contains(text) {
            ensure!(
                started.elapsed() < PATIENCE,
                "no {text:?} in {:?}",
                self.stdout.now()
            );
            std::thread::sleep(Duration::from_millis(2));
        }
        Ok(())
    }

    /// What the program has written to its output so far.
    #[must_use]
    pub fn output(&self) -> String {
        self.stdout.now()
    }

    /// Writes input.
    ///
    /// # Errors
    /// When the program has closed its input.
    pub fn write(&mut self, bytes: &[u8]) -> Result<()> {
        let stdin = self.stdin.as_mut().context("input is closed")?;
        stdin.write_all(bytes)?;
        Ok(())
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
