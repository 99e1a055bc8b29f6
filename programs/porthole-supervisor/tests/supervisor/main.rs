//! A supervisor as the compute service sees it, over a silo with Wine and the guest agent.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod client;

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use client::{Ingredients, Supervised, process};
use porthole_protocol::agent::{ProcessKey, VERSION};
use porthole_protocol::supervisor::{
    Event, Failure, LogSpec, MappedDirectory, ProcessSpec, PublishedPort, Request, Response,
    SiloUser, StdioFrame, StreamKind, Streams, TimeZone, Transport,
};
use porthole_protocol::{ConsoleSize, ControlEvent};

/// Prepares a silo, or prints why there can be none and leaves the test.
macro_rules! prepare {
    ($name:expr, $user:expr) => {
        prepare!($name, $user, Ingredients::find())
    };
    ($name:expr, $user:expr, $ingredients:expr) => {
        match $ingredients {
            Ok(ingredients) => Supervised::prepare(&ingredients, $name, $user),
            Err(reason) => {
                println!("skipped: {reason}");
                return;
            }
        }
    };
}

// After the macro, which it uses.
mod registry;

/// Where a kernel package of shell scripts is made, which its silo's users may enter.
fn fake_root() -> tempfile::TempDir {
    let root = tempfile::tempdir().unwrap();
    fs::set_permissions(root.path(), fs::Permissions::from_mode(0o755)).unwrap();
    root
}

fn log_of(supervised: &Supervised) -> LogSpec {
    LogSpec::at(supervised.path("log").to_str().unwrap())
}

#[test]
fn a_command_is_run_logged_and_recorded() {
    let supervised = prepare!("echo", SiloUser::ContainerAdministrator);
    let (mut client, took) = supervised.start();
    println!("started in {took:?}");
    let begin = Instant::now();
    client.create(ProcessSpec {
        log: Some(log_of(&supervised)),
        main: true,
        ..process(0, "cmd /c echo hi& echo there 1>&2& exit 7")
    });
    let record = supervised.record();
    println!("ran in {:?}", begin.elapsed());
    assert_eq!(
        (record.exit_code, record.terminated, record.error),
        (Some(7), false, None)
    );
    assert_eq!(record.processes, [(ProcessKey(0), 7)]);
    let log = fs::read_to_string(supervised.path("log")).unwrap();
    assert!(
        log.contains(r#"{"log":"hi\r\n","stream":"stdout","time":""#),
        "{log}"
    );
    assert!(log.contains(r#""stream":"stderr""#), "{log}");
    drop(client);
}

#[test]
fn watchers_see_what_happened_before_and_after() {
    let supervised = prepare!("watch", SiloUser::ContainerUser);
    let (mut client, _) = supervised.start();
    client.create(process(5, "cmd /c exit 3"));
    let early = supervised.connect().watch();
    let is_fifth =
        |event: &Event| matches!(event, Event::ProcessExited { process, .. } if process.0 == 5);
    assert!(supervised.connect().watch_until(is_fifth));
    client.create(ProcessSpec {
        main: true,
        ..process(6, "cmd /c exit -1073741510")
    });
    let events = early.join().unwrap();
    let exits: Vec<(u32, u32)> = events
        .iter()
        .filter_map(|event| match event {
            Event::ProcessExited { process, exit_code } => Some((process.0, *exit_code)),
            _ => None,
        })
        .collect();
    assert_eq!(exits, [(5, 3), (6, 0xc000_013a)]);
    let Some(Event::SystemExited(last)) = events.last() else {
        panic!("{events:?}")
    };
    assert_eq!(*last, supervised.record());
}

#[test]
fn a_missing_program_is_windows_own_error() {
    let supervised = prepare!("missing", SiloUser::ContainerUser);
    let (mut client, _) = supervised.start();
    let response = client.ask(&Request::CreateProcess(process(0, "no-such-program.exe")));
    let Response::Failed(failure) = response else {
        panic!("{response:?}")
    };
    assert!(
        failure.to_string().contains("cannot find the file"),
        "{failure}"
    );
    assert_eq!(client.ask(&Request::Terminate), Response::Done);
    let record = supervised.record();
    assert!(record.terminated && record.exit_code.is_none());
}

#[test]
fn terminate_kills_at_once_and_records() {
    let supervised = prepare!("kill", SiloUser::ContainerUser);
    let (mut client, _) = supervised.start();
    client.create(ProcessSpec {
        log: Some(log_of(&supervised)),
        main: true,
        ..process(0, "cmd /c echo before& ping -n 100 127.0.0.1 >nul")
    });
    client::eventually("output", || {
        fs::read_to_string(supervised.path("log")).is_ok_and(|log| log.contains("before"))
    });
    let begin = Instant::now();
    assert_eq!(client.ask(&Request::Terminate), Response::Done);
    let took = begin.elapsed();
    println!("terminated in {took:?}");
    assert!(took < Duration::from_secs(2));
    let record = supervised.record();
    assert_eq!((record.terminated, record.exit_code), (true, Some(1067)));
}

#[test]
fn a_spec_that_cannot_be_built_fails_and_leaves_nothing() {
    let mut supervised = prepare!("broken", SiloUser::ContainerUser);
    supervised.spec.layers.insert(0, "/absent/layer".to_owned());
    supervised.launch();
    let mut client = supervised.connect();
    let response = client.ask(&Request::Start);
    let Response::Failed(failure) = response else {
        panic!("{response:?}")
    };
    assert!(failure.to_string().contains("/absent/layer"), "{failure}");
    assert!(supervised.record().error.is_some());
}

#[test]
fn an_attached_client_feeds_a_program_and_misses_nothing() {
    let supervised = prepare!("attach", SiloUser::ContainerUser);
    let (mut client, _) = supervised.start();
    client.create(ProcessSpec {
        main: true,
        wait_for_attach: true,
        streams: Streams::Pipes {
            stdin: true,
            stdin_once: true,
        },
        log: Some(log_of(&supervised)),
        ..process(0, "cmd /c echo first& sort")
    });
    // Output that is printed before anybody listens must wait.
    std::thread::sleep(Duration::from_millis(300));
    let mut streams = supervised.connect().attach(0, true);
    streams.send(&StdioFrame::Data(StreamKind::Stdin, b"two\r\n".to_vec()));
    streams.send(&StdioFrame::Data(StreamKind::Stdin, b"one\r\n".to_vec()));
    streams.send(&StdioFrame::End(StreamKind::Stdin));
    let (stdout, stderr) = streams.read_all();
    assert_eq!(
        (stdout.as_str(), stderr.as_str()),
        ("first\r\none\r\ntwo\r\n", "")
    );
    assert_eq!(supervised.record().exit_code, Some(0));
    let log = fs::read_to_string(supervised.path("log")).unwrap();
    assert_eq!(log.lines().count(), 3, "{log}");
}

#[test]
fn input_ends_when_a_client_says_so_and_not_when_it_leaves() {
    let supervised = prepare!("input", SiloUser::ContainerUser);
    let (mut client, _) = supervised.start();
    client.create(ProcessSpec {
        main: true,
        wait_for_attach: true,
        streams: Streams::Pipes {
            stdin: true,
            stdin_once: false,
        },
        ..process(0, "sort")
    });
    let line = |text: &[u8]| StdioFrame::Data(StreamKind::Stdin, text.to_vec());
    let mut first = supervised.connect().attach(0, true);
    first.send(&line(b"two\r\n"));
    drop(first);
    let mut second = supervised.connect().attach(0, true);
    second.send(&line(b"one\r\n"));
    second.send(&StdioFrame::End(StreamKind::Stdin));
    let (stdout, _) = second.read_all();
    assert_eq!(stdout, "one\r\ntwo\r\n");
    assert_eq!(supervised.record().exit_code, Some(0));
}

#[test]
fn much_output_arrives_whole_though_the_client_is_slow() {
    let supervised = prepare!("flood", SiloUser::ContainerUser);
    let (mut client, _) = supervised.start();
    client.create(ProcessSpec {
        main: true,
        wait_for_attach: true,
        ..process(
            0,
            "cmd /c for /l %i in (1,1,20000) do @echo line %i of many, many, many, many, many",
        )
    });
    let mut streams = supervised.connect().attach(0, false);
    let mut text = Vec::new();
    let mut frames = 0;
    while let Some(frame) = streams.receive() {
        if let StdioFrame::Data(StreamKind::Stdout, bytes) = frame {
            text.extend(bytes);
        }
        frames += 1;
        if frames % 50 == 0 {
            std::thread::sleep(Duration::from_millis(20));
        }
    }
    let lines = String::from_utf8(text).unwrap();
    assert!(
        lines
            .lines()
            .zip(1..)
            .all(|(line, number)| line.starts_with(&format!("line {number} ")))
    );
    assert_eq!(lines.lines().count(), 20_000);
    assert_eq!(supervised.record().exit_code, Some(0));
}

#[test]
fn a_console_is_one_stream_and_takes_keys() {
    let supervised = prepare!("console", SiloUser::ContainerUser);
    let (mut client, _) = supervised.start();
    let size = ConsoleSize {
        height: 30,
        width: 100,
    };
    client.create(ProcessSpec {
        main: true,
        wait_for_attach: true,
        streams: Streams::Console(size),
        ..process(0, "cmd")
    });
    let mut streams = supervised.connect().attach(0, true);
    let bigger = ConsoleSize {
        height: 40,
        width: 120,
    };
    let resize = Request::Resize {
        process: ProcessKey(0),
        size: bigger,
    };
    assert_eq!(client.ask(&resize), Response::Done);
    streams.send(&StdioFrame::Data(StreamKind::Stdin, b"exit 9\r".to_vec()));
    let (screen, _) = streams.read_all();
    assert!(screen.contains("exit 9"), "{screen:?} {}", supervised.log());
    assert_eq!(supervised.record().exit_code, Some(9));
}

#[test]
fn a_paused_silo_stands_still_and_counts_no_time() {
    let supervised = prepare!("pause", SiloUser::ContainerUser);
    let (mut client, _) = supervised.start();
    client.create(ProcessSpec {
        main: true,
        ..process(0, "cmd /c for /l %i in (1,1,100000000) do @rem")
    });
    let used = |client: &mut client::Client| match client.ask(&Request::Statistics) {
        Response::Statistics(statistics) => statistics.cpu_total_ns,
        other => panic!("{other:?}"),
    };
    assert_eq!(client.ask(&Request::Pause), Response::Done);
    assert!(matches!(client.ask(&Request::Pause), Response::Failed(_)));
    assert!(matches!(
        client.ask(&Request::CreateProcess(process(1, "cmd"))),
        Response::Failed(_)
    ));
    let before = used(&mut client);
    std::thread::sleep(Duration::from_millis(100));
    assert_eq!(used(&mut client), before);
    assert_eq!(client.ask(&Request::Resume), Response::Done);
    std::thread::sleep(Duration::from_millis(100));
    assert!(used(&mut client) > before);
    assert_eq!(client.ask(&Request::Pause), Response::Done);
    assert_eq!(client.ask(&Request::Terminate), Response::Done);
    assert!(supervised.record().terminated);
}

#[test]
fn a_mapped_directory_is_the_hosts() {
    let mut supervised = prepare!("mapped", SiloUser::ContainerUser);
    let source = supervised.path("shared");
    fs::create_dir(&source).unwrap();
    fs::write(source.join("given"), "from the host\r\n").unwrap();
    std::os::unix::fs::chown(&source, Some(1234), Some(1234)).unwrap();
    supervised.spec.mapped_directories = vec![MappedDirectory {
        source: source.to_str().unwrap().to_owned(),
        target: r"C:\data\Größe".to_owned(),
        read_only: false,
    }];
    let (mut client, _) = supervised.start();
    client.create(ProcessSpec {
        main: true,
        ..process(0, r"cmd /c copy C:\DATA\grösse\given C:\data\größe\x& type C:\data\GRÖßE\given >C:\data\größe\taken")
    });
    supervised.record();
    let taken = source.join("taken");
    assert_eq!(fs::read_to_string(&taken).unwrap(), "from the host\r\n");
    assert_eq!(
        std::os::unix::fs::MetadataExt::uid(&fs::metadata(taken).unwrap()),
        1234
    );
    assert!(
        !source.join("x").exists(),
        "ö and oe are not one letter in another case"
    );
}

#[test]
fn a_published_port_is_held_and_relayed() {
    let mut supervised = prepare!("ports", SiloUser::ContainerUser);
    // What answers here stands for the silo's program: the relay only knows an address.
    let server = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let free = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let host_port = free.local_addr().unwrap().port();
    supervised.spec.published_ports = vec![PublishedPort {
        transport: Transport::Tcp,
        host_address: "127.0.0.1".to_owned(),
        host_port,
        container_address: "127.0.0.1".to_owned(),
        container_port: server.local_addr().unwrap().port(),
    }];
    supervised.launch();
    let taken = supervised.connect().ask(&Request::Start);
    assert!(
        matches!(&taken, Response::Failed(failure) if failure.to_string().contains("in use")),
        "{taken:?}"
    );
    supervised.record();
    drop(free);
    fs::remove_file(supervised.path("exit.json")).unwrap();

    let (mut client, _) = supervised.start();
    let echo = std::thread::spawn(move || {
        let (mut stream, _) = server.accept().unwrap();
        let mut bytes = Vec::new();
        std::io::Read::read_to_end(&mut stream, &mut bytes).unwrap();
        std::io::Write::write_all(&mut stream, &bytes).unwrap();
    });
    let sent: Vec<u8> = (0..3_000_000_u32)
        .map(|number| (number % 251) as u8)
        .collect();
    let mut stream = std::net::TcpStream::connect(("127.0.0.1", host_port)).unwrap();
    std::io::Write::write_all(&mut stream, &sent).unwrap();
    stream.shutdown(std::net::Shutdown::Write).unwrap();
    let mut received = Vec::new();
    std::io::Read::read_to_end(&mut stream, &mut received).unwrap();
    assert!(received == sent);
    echo.join().unwrap();
    assert_eq!(client.ask(&Request::Terminate), Response::Done);
    supervised.record();
    std::net::TcpListener::bind(("127.0.0.1", host_port)).unwrap();
}

#[test]
fn a_published_udp_port_is_held_and_relayed() {
    let mut supervised = prepare!("datagrams", SiloUser::ContainerUser);
    let server = std::net::UdpSocket::bind("127.0.0.1:0").unwrap();
    let free = std::net::UdpSocket::bind("[::1]:0").unwrap();
    let host_port = free.local_addr().unwrap().port();
    drop(free);
    supervised.spec.published_ports = vec![PublishedPort {
        transport: Transport::Udp,
        host_address: "::1".to_owned(),
        host_port,
        container_address: "127.0.0.1".to_owned(),
        container_port: server.local_addr().unwrap().port(),
    }];
    let (mut client, _) = supervised.start();
    std::net::UdpSocket::bind(("::1", host_port)).expect_err("the port is held");
    let bind = || {
        let socket = std::net::UdpSocket::bind("[::1]:0").unwrap();
        socket.connect(("::1", host_port)).unwrap();
        socket
    };
    let (one, two) = (bind(), bind());
    let mut datagram = [0; 16];
    for (peer, word) in [(&one, "one"), (&two, "two"), (&one, "three")] {
        peer.send(word.as_bytes()).unwrap();
        let (count, from) = server.recv_from(&mut datagram).unwrap();
        assert_eq!(&datagram[..count], word.as_bytes());
        server.send_to(&datagram[..count], from).unwrap();
        let count = peer.recv(&mut datagram).unwrap();
        assert_eq!(
            &datagram[..count],
            word.as_bytes(),
            "the answer finds its peer"
        );
    }
    assert_eq!(client.ask(&Request::Terminate), Response::Done);
    supervised.record();
    std::net::UdpSocket::bind(("::1", host_port)).unwrap();
}

#[test]
fn the_registry_is_written_at_the_end() {
    let supervised = prepare!("registry", SiloUser::ContainerUser);
    let (mut client, _) = supervised.start();
    client.create(ProcessSpec {
        main: true,
        ..process(
            0,
            r"cmd /c reg add HKCU\Software\Kept /v Mark /d written /f",
        )
    });
    assert_eq!(supervised.record().exit_code, Some(0));
    let user = fs::read_to_string(supervised.path("registry/user.reg")).unwrap();
    assert!(user.contains("\"Mark\"=\"written\""));
}

/// The zones in the registry that Wine looks at, after a start with this one.
fn zones_after(supervised: &mut Supervised, zone: Option<TimeZone>) -> Vec<String> {
    supervised.spec.time_zone = zone;
    let (mut client, _) = supervised.start();
    client.create(ProcessSpec {
        main: true,
        ..process(0, "cmd /c exit 0")
    });
    assert_eq!(supervised.record().exit_code, Some(0));
    let machine = fs::read(Path::new(&supervised.spec.registry).join("system.reg")).unwrap();
    let machine = String::from_utf8_lossy(&machine);
    let zone = |line: &str| {
        let (_, name) = line.split_once(r"\\Time Zone*\\")?;
        let name = name.split(']').next()?;
        (!name.contains('\\')).then(|| name.to_owned())
    };
    machine.lines().filter_map(zone).collect()
}

#[test]
fn a_silo_that_is_no_longer_elsewhere_is_in_utc() {
    let mut first = prepare!("tokyo", SiloUser::ContainerAdministrator);
    let mut second = prepare!("utc", SiloUser::ContainerAdministrator);
    let tokyo = TimeZone {
        unix: "Asia/Tokyo".to_owned(),
        windows: Some("Tokyo Standard Time".to_owned()),
    };
    assert_eq!(
        zones_after(&mut first, Some(tokyo)),
        ["Tokyo Standard Time"]
    );
    second.spec.registry.clone_from(&first.spec.registry);
    assert_eq!(zones_after(&mut second, None), ["UTC"]);
}

#[test]
fn a_silo_whose_init_is_killed_ends_with_an_error() {
    let supervised = prepare!("killed", SiloUser::ContainerUser);
    supervised.launch();
    let mut client = supervised.connect();
    let Response::Started { init_pid } = client.ask(&Request::Start) else {
        panic!()
    };
    client.create(ProcessSpec {
        main: true,
        ..process(0, "cmd /c ping -n 100 127.0.0.1 >nul")
    });
    let init = rustix::process::Pid::from_raw(init_pid.cast_signed()).unwrap();
    rustix::process::kill_process(init, rustix::process::Signal::KILL).unwrap();
    let record = supervised.record();
    assert!(record.error.is_some_and(|error| error.contains("killed")));
    assert_eq!(record.exit_code, Some(1067));
}

/// Runs a command line as a silo's main process; its output.
fn output_of(supervised: &Supervised, command_line: &str) -> String {
    let (mut client, _) = supervised.start();
    client.create(ProcessSpec {
        main: true,
        wait_for_attach: true,
        ..process(0, command_line)
    });
    let (stdout, _) = supervised.connect().attach(0, false).read_all();
    supervised.record();
    stdout
}

#[test]
fn a_user_writes_its_profile_and_an_administrator_all_of_c() {
    let places = [
        r"C:\no.txt",
        r"C:\Windows\no.txt",
        r"C:\Windows\System32\no.txt",
        r"C:\ProgramData\no.txt",
        r"C:\Users\Public\no.txt",
        r"C:\Users\ContainerUser\yes.txt",
        r"C:\Windows\Temp\yes.txt",
    ];
    let script: Vec<String> = places
        .iter()
        .map(|place| format!("(echo x>{place}) 2>nul && echo {place}"))
        .collect();
    let script = format!("cmd /c {}", script.join("& "));
    let as_user = prepare!("profile", SiloUser::ContainerUser);
    assert_eq!(
        output_of(&as_user, &script),
        "C:\\Users\\ContainerUser\\yes.txt\r\nC:\\Windows\\Temp\\yes.txt\r\n"
    );
    let as_administrator = prepare!("admin", SiloUser::ContainerAdministrator);
    assert_eq!(
        output_of(&as_administrator, &script).lines().count(),
        places.len()
    );
    let upper = as_administrator.path("sandbox/upper/Windows/no.txt");
    assert_eq!(
        std::os::unix::fs::MetadataExt::uid(&fs::metadata(upper).unwrap()),
        0
    );
}

#[test]
fn wines_way_to_unix_leads_to_nothing_of_the_host() {
    let supervised = prepare!("unix", SiloUser::ContainerAdministrator);
    fs::write("/tmp/supervisor-test-secret", "of the host").unwrap();
    let output = output_of(
        &supervised,
        r"cmd /c type \\?\unix\tmp\supervisor-test-secret & type \\?\unix\proc\1\environ & type \\?\unix\proc\1\maps & type \\?\unix\proc\kcore & type \\?\unix\etc\shadow & (echo x>\\?\unix\usr\x) && echo written & type \\?\unix\etc\hostname",
    );
    fs::remove_file("/tmp/supervisor-test-secret").unwrap();
    assert_eq!(output, "testhost\n");
}

#[test]
fn a_program_of_32_bits_runs_behind_the_filter() {
    let supervised = prepare!("wow64", SiloUser::ContainerAdministrator);
    let path = "Windows/SysWOW64/cmd.exe";
    if !std::path::Path::new(&supervised.spec.layers[0])
        .join(path)
        .exists()
    {
        println!("skipped: the base image has no 32-bit side");
        return;
    }
    let output = output_of(
        &supervised,
        r"C:\Windows\SysWOW64\cmd.exe /c echo %PROCESSOR_ARCHITECTURE%",
    );
    assert_eq!(output, "x86\r\n");
}

#[test]
fn one_process_is_ended_and_the_silo_goes_on() {
    let supervised = prepare!("end-one", SiloUser::ContainerUser);
    let (mut client, _) = supervised.start();
    client.create(ProcessSpec {
        main: true,
        ..process(0, "cmd /c ping -n 100 127.0.0.1 >nul")
    });
    client.create(process(1, "cmd /c ping -n 100 127.0.0.1 >nul"));
    let key = ProcessKey(1);
    let terminate = Request::TerminateProcess {
        process: key,
        exit_code: 0xdead_beef,
    };
    assert_eq!(client.ask(&terminate), Response::Done);
    let events = supervised.connect().watch();
    let unknown = Request::Signal {
        process: ProcessKey(9),
        event: ControlEvent::CtrlC,
    };
    assert_eq!(
        client.ask(&unknown),
        Response::Failed(Failure::NoSuchProcess)
    );
    let signal = Request::Signal {
        process: ProcessKey(0),
        event: ControlEvent::CtrlC,
    };
    assert_eq!(client.ask(&signal), Response::Done);
    let ended = Event::ProcessExited {
        process: key,
        exit_code: 0xdead_beef,
    };
    assert!(events.join().unwrap().contains(&ended));
    assert_eq!(supervised.record().exit_code, Some(0xc000_013a));
}

#[test]
fn a_stopped_and_started_sandbox_keeps_files_and_registry() {
    let supervised = prepare!("again", SiloUser::ContainerUser);
    let write = r"cmd /c echo kept>C:\Users\ContainerUser\f.txt& reg add HKCU\Software\Kept /v Mark /d kept /f";
    output_of(&supervised, write);
    fs::remove_file(supervised.path("exit.json")).unwrap();
    let read = r"cmd /c type C:\Users\ContainerUser\f.txt& reg query HKCU\Software\Kept /v Mark";
    let output = output_of(&supervised, read);
    assert!(
        output.starts_with("kept\r\n") && output.contains("REG_SZ    kept"),
        "{output}"
    );
}

#[test]
fn running_out_of_memory_is_an_event_and_in_the_record() {
    let mut supervised = prepare!("memory", SiloUser::ContainerUser);
    supervised.spec.limits.memory = Some(16 << 20);
    let (mut client, _) = supervised.start();
    let watcher = supervised.connect();
    // Each program needs 2 MB and more that cannot be given back.
    let many = "cmd /c for /l %i in (1,1,40) do @start /b cmd /c ping -n 100 127.0.0.1 >nul";
    let main = format!("cmd /c {many} & ping -n 100 127.0.0.1 >nul");
    client.create(ProcessSpec {
        main: true,
        ..process(0, &main)
    });
    assert!(
        watcher.watch_until(|event| matches!(event, Event::OutOfMemory | Event::SystemExited(_)))
    );
    supervised.terminate();
    let record = supervised.record();
    assert!(record.out_of_memory, "{record:?}\n{}", supervised.log());
}

#[test]
fn a_limit_of_memory_is_what_the_services_see() {
    let root = fake_root();
    let ask = "busybox head -n 1 /proc/meminfo >&2; busybox free -m >&2; exit 3";
    let ingredients = Ingredients::fake(root.path(), "exec busybox sleep 1000", ask);
    let mut supervised = prepare!("seen", SiloUser::ContainerUser, ingredients);
    supervised.spec.limits.memory = Some(123 << 20);
    supervised.launch();
    supervised.connect().ask(&Request::Start);
    supervised.record();
    let log = supervised.log();
    let words: Vec<&str> = log.split_whitespace().collect();
    for shown in [["MemTotal:", "125952"], ["Mem:", "123"]] {
        assert!(words.windows(2).any(|pair| pair == shown), "{log}");
    }
}

#[test]
fn a_killed_supervisor_takes_its_silo_along() {
    let supervised = prepare!("orphan", SiloUser::ContainerUser);
    let (mut client, _) = supervised.start();
    client.create(ProcessSpec {
        main: true,
        ..process(0, "cmd /c ping -n 100 127.0.0.1 >nul")
    });
    rustix::process::kill_process(supervised.supervisor(), rustix::process::Signal::KILL).unwrap();
    let processes = || {
        let groups = client::cgroups(&supervised.spec.id);
        fs::read_to_string(groups[0].join("cgroup.procs")).unwrap()
    };
    client::eventually("the silo's end", || processes().is_empty());
    let hierarchies = porthole_sandbox::cgroup::Hierarchies::detect().unwrap();
    porthole_sandbox::cgroup::Cgroup::remove_orphan(
        &hierarchies,
        client::CGROUP_PARENT,
        &supervised.spec.id,
    )
    .unwrap();
    assert!(client::cgroups(&supervised.spec.id).is_empty());
    assert!(!supervised.path("exit.json").exists());
}

#[test]
fn a_host_that_shuts_down_ends_the_silo_in_order() {
    let supervised = prepare!("sigterm", SiloUser::ContainerUser);
    let (mut client, _) = supervised.start();
    client.create(ProcessSpec {
        main: true,
        ..process(0, "cmd /c ping -n 100 127.0.0.1 >nul")
    });
    rustix::process::kill_process(supervised.supervisor(), rustix::process::Signal::TERM).unwrap();
    let record = supervised.record();
    assert_eq!(
        (record.terminated, record.exit_code, record.error),
        (true, Some(1067), None)
    );
}

#[test]
fn whatever_agent_or_wineserver_do_the_silo_ends_and_says_why() {
    let versions = format!(
        "agent speaks version 1 of the protocol, this supervisor version {VERSION}; rebuild"
    );
    let forever = "exec busybox sleep 1000";
    for (wineserver, agent, reason) in [
        (forever, "exit 3", "the guest agent exited with 3"),
        (forever, "kill -9 $$", "the guest agent killed by signal 9"),
        (
            forever,
            "echo nonsense; exec busybox sleep 1000",
            "does not keep to the protocol",
        ),
        (forever, "exec busybox yes", "does not keep to the protocol"),
        (
            forever,
            "exec <&- >&-; exec busybox sleep 1000",
            "has closed its channel",
        ),
        // A greeting of version 1, in the encoding of every version: length, magic, version.
        (
            forever,
            r"busybox printf '\006\000\000\000\324\244\275\202\005\001'; exit 1",
            &versions,
        ),
        // Before or after init has seen its socket.
        ("exit 4", forever, "exited with 4"),
        (
            "busybox sleep 0.3; exit 5",
            forever,
            "wineserver exited with 5",
        ),
    ] {
        let root = fake_root();
        let ingredients = Ingredients::fake(root.path(), wineserver, agent);
        let supervised = prepare!("fake", SiloUser::ContainerUser, ingredients);
        supervised.launch();
        let response = supervised.connect().ask(&Request::Start);
        let text = format!("{response:?}");
        assert!(
            matches!(response, Response::Failed(_)) && text.contains(reason),
            "{text}"
        );
        assert!(
            supervised
                .record()
                .error
                .is_some_and(|error| error.contains(reason))
        );
    }
}

/// A foreign process in its cgroup keeps the supervisor busy there: what it has written by then is
/// what a kill at that moment would leave.
#[test]
fn the_end_is_recorded_before_the_cgroup_is_given_up() {
    let root = fake_root();
    let forever = "exec busybox sleep 1000";
    let ingredients = Ingredients::fake(root.path(), forever, forever);
    let supervised = prepare!("record", SiloUser::ContainerUser, ingredients);
    supervised.launch();
    let mut client = supervised.connect();
    let starting = std::thread::spawn(move || client.ask(&Request::Start));
    let id = supervised.spec.id.clone();
    client::eventually("a cgroup", || !client::cgroups(&id).is_empty());
    let group = client::cgroups(&id).remove(0).join("cgroup.procs");
    let mut foreign = std::process::Command::new("/usr/bin/busybox")
        .args(["sleep", "1000"])
        .spawn()
        .unwrap();
    fs::write(&group, foreign.id().to_string()).unwrap();
    let asked = supervised.connect().ask(&Request::Terminate);
    foreign.kill().unwrap();
    foreign.wait().unwrap();
    assert_eq!(asked, Response::Done);
    assert!(matches!(starting.join().unwrap(), Response::Failed(_)));
    let log = supervised.log();
    let failure = log.lines().find(|line| line.contains("cannot remove"));
    let (seconds, _) = failure.expect(&log).split_once(' ').unwrap();
    let failed_at = Duration::from_secs_f64(seconds.parse().unwrap());
    let recorded = fs::metadata(supervised.path("exit.json"))
        .unwrap()
        .modified();
    let recorded_at = recorded.unwrap().duration_since(std::time::UNIX_EPOCH);
    assert!(recorded_at.unwrap() < failed_at, "{log}");
    let hierarchies = porthole_sandbox::cgroup::Hierarchies::detect().unwrap();
    let parent = client::CGROUP_PARENT;
    porthole_sandbox::cgroup::Cgroup::remove_orphan(&hierarchies, parent, &id).unwrap();
}

#[test]
fn how_long_things_take() {
    if std::env::var_os("PORTHOLE_MEASURE").is_none() {
        println!("skipped: a measurement, not a check: set PORTHOLE_MEASURE, in release mode");
        return;
    }
    let mut times: [Vec<Duration>; 4] = Default::default();
    for _ in 0..10 {
        let supervised = prepare!("time", SiloUser::ContainerUser);
        let begin = Instant::now();
        supervised.launch();
        let mut client = supervised.connect();
        times[0].push(begin.elapsed());
        let begin = Instant::now();
        let started = client.ask(&Request::Start);
        assert!(matches!(started, Response::Started { .. }), "{started:?}");
        times[1].push(begin.elapsed());
        let begin = Instant::now();
        client.create(ProcessSpec {
            main: true,
            ..process(0, r"C:\Windows\System32\cmd.exe /c exit 0")
        });
        times[2].push(begin.elapsed());
        let begin = Instant::now();
        client.watch().join().unwrap();
        times[3].push(begin.elapsed());
    }
    for (what, mut times) in ["launch", "start until ready", "create", "exit and end"]
        .iter()
        .zip(times)
    {
        times.sort_unstable();
        println!(
            "{what}: min {:?}, median {:?}",
            times[0],
            times[times.len() / 2]
        );
    }
}
