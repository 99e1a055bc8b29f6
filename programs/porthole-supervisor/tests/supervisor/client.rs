//! A supervisor of its own for each test, and a client of it.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::thread::JoinHandle;
use std::time::{Duration, Instant};

use porthole_protocol::Hello;
use porthole_protocol::agent::ProcessKey;
use porthole_protocol::frame;
use porthole_protocol::supervisor::{
    CONTROL_SOCKET, EXIT_RECORD, Event, ExitRecord, LOG_FILE, Limits, OpenStdio, ProcessSpec,
    Request, Response, SPEC_FILE, SiloDns, SiloSpec, SiloUser, StdioFrame, StreamKind, Streams,
    VERSION,
};
use porthole_wine::environment::Account;
use porthole_wine::{Chain, RegistryCache};

/// The cgroup below which every test's silo is.
pub(crate) const CGROUP_PARENT: &str = "supervisor-test";

/// The data root with a kernel package and a base, unless this variable names another.
const DATA_ROOT: (&str, &str) = ("PORTHOLE_TEST_DATA_ROOT", "/var/lib/porthole");

/// The files of a registry.
const REGISTRY: [&str; 3] = ["system.reg", "user.reg", "userdef.reg"];

/// The guest agent: a layer with it is a base.
const AGENT: &str = "Files/Windows/System32/cexecsvc.exe";

/// What silos are made of.
pub(crate) struct Ingredients {
    kernel: PathBuf,
    base: PathBuf,
    /// The base's registry, where the machine has merged it already.
    merged: Option<PathBuf>,
}

impl Ingredients {
    /// Finds them, or says what is missing.
    pub(crate) fn find() -> Result<Self, String> {
        let root = std::env::var_os(DATA_ROOT.0).map_or_else(|| DATA_ROOT.1.into(), PathBuf::from);
        let kernel = root.join("kernels/current/root");
        if !rustix::process::geteuid().is_root() {
            return Err("needs root".to_owned());
        } else if !kernel.exists() {
            return Err(format!("no kernel package in {}", root.display()));
        }
        let layers = fs::read_dir(root.join("layers"))
            .into_iter()
            .flatten()
            .flatten();
        let mut bases: Vec<PathBuf> = layers
            .map(|entry| entry.path())
            .filter(|layer| layer.join(AGENT).exists())
            .collect();
        // The one with a 32-bit side, where there is one: it can run every test.
        bases.sort_by_key(|base| !base.join("Files/Windows/SysWOW64").exists());
        let base = bases.into_iter().next();
        let base = base.ok_or_else(|| format!("no base image in {}", root.display()))?;
        Ok(Self {
            merged: merged(&root, &base),
            kernel,
            base,
        })
    }

    /// A kernel package whose loader and wineserver are shell scripts, over an empty base: an
    /// agent that does what no agent should.
    pub(crate) fn fake(root: &Path, wineserver: &str, agent: &str) -> Result<Self, String> {
        if !rustix::process::geteuid().is_root() {
            return Err("needs root".to_owned());
        }
        let kernel = root.join("kernel");
        let busybox = Path::new("/usr/bin/busybox");
        for directory in [
            "bin",
            "etc",
            "c",
            "prefix",
            "dev",
            "proc",
            "tmp",
            "run",
            "usr/lib/wine",
            "../base/Files",
        ] {
            fs::create_dir_all(kernel.join(directory)).unwrap();
        }
        for file in ["resolv.conf", "hosts", "hostname"] {
            fs::write(kernel.join("etc").join(file), "").unwrap();
        }
        fs::copy(busybox, kernel.join("bin/busybox"))
            .map_err(|_| "needs a static busybox (Debian package busybox-static)".to_owned())?;
        let ready = "busybox mkdir -p /tmp/wine-x/server-y; : >/tmp/wine-x/server-y/socket";
        let scripts = [
            ("wineserver64", format!("{ready}; {wineserver}")),
            ("wine64", agent.to_owned()),
        ];
        for (name, script) in scripts {
            let path = kernel.join("usr/lib/wine").join(name);
            fs::write(&path, format!("#!/bin/busybox sh\nPATH=/bin\n{script}\n")).unwrap();
            fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        }
        let merged = root.join("merged");
        fs::create_dir(&merged).unwrap();
        for file in REGISTRY {
            fs::write(merged.join(file), "").unwrap();
        }
        Ok(Self {
            kernel,
            base: root.join("base"),
            merged: Some(merged),
        })
    }

    fn registry_into(&self, target: &Path) {
        if let Some(merged) = &self.merged {
            fs::create_dir(target).unwrap();
            for file in REGISTRY {
                fs::copy(merged.join(file), target.join(file)).unwrap();
            }
        } else {
            let cache = tempfile::tempdir().unwrap();
            let chain = Chain {
                layers: &[&self.base],
                os_version: None,
                account: Account::ContainerAdministrator,
            };
            RegistryCache::new(cache.path())
                .prepare(&chain)
                .unwrap()
                .clone_into(target)
                .unwrap();
        }
    }
}

/// The merged registry of a base alone: its name begins with the base's.
fn merged(root: &Path, base: &Path) -> Option<PathBuf> {
    let name = base.file_name().unwrap().to_str().unwrap();
    let cached = fs::read_dir(root.join("registry")).into_iter().flatten();
    cached
        .flatten()
        .filter(|entry| entry.file_name().to_string_lossy().starts_with(name))
        .map(|entry| entry.path())
        .find(|merged| merged.join("security.hiv").exists())
}

/// A run directory with a spec, and the supervisor that was started there.
pub(crate) struct Supervised {
    directory: tempfile::TempDir,
    pub(crate) spec: SiloSpec,
}

impl Supervised {
    /// A spec over the base alone; nothing is started yet.
    pub(crate) fn prepare(ingredients: &Ingredients, name: &str, user: SiloUser) -> Self {
        let directory = tempfile::Builder::new()
            .prefix("supervisor-test")
            .tempdir()
            .unwrap();
        let text = |path: &Path| path.to_str().unwrap().to_owned();
        let path = |name: &str| text(&directory.path().join(name));
        fs::create_dir(directory.path().join("sandbox")).unwrap();
        ingredients.registry_into(&directory.path().join("registry"));
        let spec = SiloSpec {
            id: format!("{name}-{}", std::process::id()),
            host_name: "testhost".to_owned(),
            kernel: text(&ingredients.kernel),
            layers: vec![text(&ingredients.base.join("Files"))],
            sandbox: path("sandbox"),
            registry: path("registry"),
            mapped_directories: Vec::new(),
            temporary_directories: Vec::new(),
            resource_limits: Vec::new(),
            time_zone: None,
            root_certificates: None,
            directories: Vec::new(),
            user,
            network_namespace: None,
            dns: SiloDns::default(),
            limits: Limits::default(),
            cgroup_parent: CGROUP_PARENT.to_owned(),
            in_scope: false,
            published_ports: Vec::new(),
        };
        Self { directory, spec }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Starts the supervisor.
    pub(crate) fn launch(&self) {
        fs::write(
            self.path(SPEC_FILE),
            serde_json::to_vec(&self.spec).unwrap(),
        )
        .unwrap();
        let status = Command::new(env!("CARGO_BIN_EXE_porthole-supervisor"))
            .arg("--system-dir")
            .arg(self.directory.path())
            .status()
            .unwrap();
        assert!(status.success());
    }

    pub(crate) fn connect(&self) -> Client {
        let mut stream = UnixStream::connect(self.path(CONTROL_SOCKET)).unwrap();
        stream
            .set_read_timeout(Some(Duration::from_secs(30)))
            .unwrap();
        frame::write(&mut stream, &Hello::new(VERSION)).unwrap();
        let hello: Hello = frame::read(&mut stream).unwrap();
        assert!(hello.agrees_with(VERSION));
        Client(stream)
    }

    /// Launches and starts the silo; a client, and how long the start took.
    pub(crate) fn start(&self) -> (Client, Duration) {
        self.launch();
        let mut client = self.connect();
        let begin = Instant::now();
        let response = client.ask(&Request::Start);
        assert!(
            matches!(response, Response::Started { .. }),
            "{response:?}\n{}",
            self.log()
        );
        (client, begin.elapsed())
    }

    /// The supervisor's process: the parent of the first in the silo's cgroup.
    pub(crate) fn supervisor(&self) -> rustix::process::Pid {
        let processes = cgroups(&self.spec.id)[0].join("cgroup.procs");
        let processes = fs::read_to_string(processes).unwrap();
        let init = processes.lines().next().unwrap();
        let status = fs::read_to_string(format!("/proc/{init}/status")).unwrap();
        let parent = status
            .lines()
            .find_map(|line| line.strip_prefix("PPid:"))
            .unwrap();
        rustix::process::Pid::from_raw(parent.trim().parse().unwrap()).unwrap()
    }

    /// Ends the silo if it has not ended, and waits for that.
    pub(crate) fn terminate(&self) {
        if let Ok(mut stream) = UnixStream::connect(self.path(CONTROL_SOCKET)) {
            let _ = frame::write(&mut stream, &Hello::new(VERSION));
            let asked = frame::write(&mut stream, &Request::Terminate);
            eventually("the end of the silo", || {
                asked.is_err() || self.path(EXIT_RECORD).exists()
            });
        }
    }

    pub(crate) fn log(&self) -> String {
        fs::read_to_string(self.path(LOG_FILE)).unwrap_or_default()
    }

    /// Waits for the exit record and checks that nothing else is left.
    pub(crate) fn record(&self) -> ExitRecord {
        let path = self.path(EXIT_RECORD);
        eventually("an exit record", || path.exists());
        let record = serde_json::from_slice(&fs::read(path).unwrap()).unwrap();
        eventually("no socket", || !self.path(CONTROL_SOCKET).exists());
        let id = &self.spec.id;
        eventually("no cgroup", || cgroups(id).is_empty());
        record
    }
}

impl Drop for Supervised {
    /// Whatever has become of the test, no silo outlives it.
    fn drop(&mut self) {
        if std::thread::panicking() {
            eprintln!("the supervisor said: {}", self.log());
        }
        self.terminate();
    }
}

/// The directories of a silo's cgroup.
pub(crate) fn cgroups(id: &str) -> Vec<PathBuf> {
    let roots = fs::read_dir("/sys/fs/cgroup")
        .unwrap()
        .flatten()
        .map(|entry| entry.path());
    roots
        .chain([PathBuf::from("/sys/fs/cgroup")])
        .map(|root| root.join(CGROUP_PARENT).join(id))
        .filter(|path| path.exists())
        .collect()
}

pub(crate) fn eventually(what: &str, condition: impl Fn() -> bool) {
    let deadline = Instant::now() + Duration::from_secs(20);
    while !condition() {
        assert!(Instant::now() < deadline, "waited in vain for {what}");
        std::thread::sleep(Duration::from_millis(2));
    }
}

/// A connection.
pub(crate) struct Client(UnixStream);

impl Client {
    pub(crate) fn ask(&mut self, request: &Request) -> Response {
        frame::write(&mut self.0, request).unwrap();
        frame::read(&mut self.0).unwrap()
    }

    pub(crate) fn create(&mut self, spec: ProcessSpec) -> u32 {
        match self.ask(&Request::CreateProcess(spec)) {
            Response::Created { pid } => pid,
            other => panic!("{other:?}"),
        }
    }

    /// Becomes the streams of a process.
    pub(crate) fn attach(mut self, process: u32, stdin: bool) -> Self {
        let wanted = OpenStdio {
            process: ProcessKey(process),
            stdin,
            stdout: true,
            stderr: true,
        };
        assert_eq!(self.ask(&Request::OpenStdio(wanted)), Response::Done);
        self
    }

    pub(crate) fn send(&mut self, frame: &StdioFrame) {
        frame::write(&mut self.0, frame).unwrap();
    }

    pub(crate) fn receive(&mut self) -> Option<StdioFrame> {
        frame::read(&mut self.0).ok()
    }

    /// All of standard output and standard error until the connection is closed.
    pub(crate) fn read_all(mut self) -> (String, String) {
        let (mut stdout, mut stderr) = (Vec::new(), Vec::new());
        while let Some(frame) = self.receive() {
            match frame {
                StdioFrame::Data(StreamKind::Stdout, bytes) => stdout.extend(bytes),
                StdioFrame::Data(_, bytes) => stderr.extend(bytes),
                StdioFrame::End(_) => {}
            }
        }
        let text = |bytes| String::from_utf8(bytes).unwrap();
        (text(stdout), text(stderr))
    }

    /// Becomes a watcher until an event comes that is waited for; whether one has.
    pub(crate) fn watch_until(mut self, wanted: impl Fn(&Event) -> bool) -> bool {
        assert_eq!(self.ask(&Request::Watch), Response::Done);
        std::iter::from_fn(|| frame::read(&mut self.0).ok()).any(|event| wanted(&event))
    }

    /// Becomes a watcher before this returns; all events until the last.
    pub(crate) fn watch(mut self) -> JoinHandle<Vec<Event>> {
        assert_eq!(self.ask(&Request::Watch), Response::Done);
        std::thread::spawn(move || std::iter::from_fn(|| frame::read(&mut self.0).ok()).collect())
    }
}

/// A process that runs a command line, with pipes and no input.
pub(crate) fn process(key: u32, command_line: &str) -> ProcessSpec {
    ProcessSpec {
        process: ProcessKey(key),
        command_line: command_line.to_owned(),
        environment: Vec::new(),
        working_directory: r"C:\".to_owned(),
        user: "ContainerAdministrator".to_owned(),
        streams: Streams::Pipes {
            stdin: false,
            stdin_once: false,
        },
        log: None,
        wait_for_attach: false,
        main: false,
    }
}
