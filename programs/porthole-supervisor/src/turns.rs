//! Tests: nobody who keeps writing keeps everybody else from their turn, and nothing is lost.

use std::io::Write;
use std::os::fd::OwnedFd;
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::Path;

use porthole_protocol::Hello;
use porthole_protocol::agent::{Event, Message, ProcessKey, Stdio, VERSION};
use porthole_protocol::frame;
use porthole_protocol::supervisor::{
    Limits, LogSpec, ProcessSpec, SiloDns, SiloSpec, SiloUser, StreamKind, Streams,
};
use rustix::pipe::{PipeFlags, pipe_with};

use crate::agent::AgentLink;
use crate::processes::Process;
use crate::stdio::Fifos;
use crate::supervisor::Supervisor;

const KEY: ProcessKey = ProcessKey(1);

fn supervisor(directory: &Path) -> Supervisor {
    let spec = SiloSpec {
        id: "test".into(),
        host_name: "test".into(),
        kernel: String::new(),
        layers: Vec::new(),
        sandbox: String::new(),
        registry: String::new(),
        mapped_directories: Vec::new(),
        temporary_directories: Vec::new(),
        resource_limits: Vec::new(),
        time_zone: None,
        root_certificates: None,
        directories: Vec::new(),
        user: SiloUser::ContainerUser,
        network_namespace: None,
        dns: SiloDns::default(),
        limits: Limits::default(),
        cgroup_parent: "test".into(),
        in_scope: false,
        published_ports: Vec::new(),
    };
    let listener = UnixListener::bind(directory.join("socket")).unwrap();
    Supervisor::new(directory.to_owned(), spec, listener).unwrap()
}

/// A process that runs and writes to `stdout`, logged to `log`.
fn running(stdout: OwnedFd, log: Option<&Path>) -> Process {
    let spec = ProcessSpec {
        process: KEY,
        command_line: String::new(),
        environment: Vec::new(),
        working_directory: String::new(),
        user: String::new(),
        streams: Streams::Pipes {
            stdin: false,
            stdin_once: false,
        },
        log: log.map(|path| LogSpec::at(path.to_str().unwrap())),
        wait_for_attach: false,
        main: false,
    };
    let fifos = Fifos {
        stdio: Stdio::Pipes {
            stdin: None,
            stdout: None,
            stderr: None,
        },
        input: None,
        outputs: vec![(StreamKind::Stdout, stdout)],
    };
    let mut process = Process::new(&spec, fifos).unwrap();
    process.created = true;
    process
}

#[test]
fn a_process_ends_though_something_goes_on_writing_to_its_output() {
    let directory = tempfile::tempdir().unwrap();
    let mut supervisor = supervisor(directory.path());
    // Can be read for ever.
    let endless = std::fs::File::open("/dev/zero").unwrap();
    supervisor
        .processes
        .insert(KEY, running(endless.into(), None));
    supervisor.process_exited(KEY, 7);
    assert_eq!(supervisor.exits.of(KEY), Some(7));
}

#[test]
fn what_survives_its_process_is_recorded_in_full() {
    let directory = tempfile::tempdir().unwrap();
    let log = directory.path().join("log");
    let mut supervisor = supervisor(directory.path());
    let (ours, theirs) = pipe_with(PipeFlags::CLOEXEC | PipeFlags::NONBLOCK).unwrap();
    supervisor.processes.insert(KEY, running(ours, Some(&log)));
    let mut theirs = std::fs::File::from(theirs);
    let lines = || std::fs::read_to_string(&log).unwrap().lines().count();
    // All that a pipe holds, and more than one turn reads of it.
    let mut written = 0;
    while theirs.write(b"0123456789abcde\n").is_ok() {
        written += 1;
    }
    assert!(written >= 4096);
    supervisor.process_exited(KEY, 0);
    assert_eq!(lines(), written);
    theirs.write_all(b"of a descendant\n").unwrap();
    drop(theirs);
    supervisor.stream_is_ready(KEY, StreamKind::Stdout);
    assert_eq!(lines(), written + 1);
    assert!(supervisor.processes.is_empty());
}

#[test]
fn an_agent_that_never_stops_talking_has_its_turn_and_no_more() {
    let directory = tempfile::tempdir().unwrap();
    let mut supervisor = supervisor(directory.path());
    let (ours, mut theirs) = UnixStream::pair().unwrap();
    for stream in [&ours, &theirs] {
        stream.set_nonblocking(true).unwrap();
    }
    rustix::net::sockopt::set_socket_send_buffer_size(&theirs, 1 << 20).unwrap();
    supervisor.agent = Some(AgentLink::new(ours.try_clone().unwrap()));
    let exit = Message::Event(Event::Exited {
        process: KEY,
        exit_code: 0,
    });
    theirs
        .write_all(&frame::encode(&Hello::new(VERSION)).unwrap())
        .unwrap();
    let exits = frame::encode(&exit).unwrap().repeat(1000);
    while theirs.write(&exits).is_ok_and(|count| count == exits.len()) {}
    let before = rustix::io::ioctl_fionread(&ours).unwrap();
    supervisor.agent_is_ready(true);
    let after = rustix::io::ioctl_fionread(&ours).unwrap();
    assert!(after > 0 && after < before, "{after} of {before}");
    assert!(supervisor.agent.is_some());
}
