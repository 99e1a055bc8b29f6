//! A supervisor as the compute service sees it, over a silo with Wine and the guest agent.
#![allow(clippy::unwrap_used, reason = "in a test a panic is the report")]

mod client;

use std::fs;
use std::time::{Duration, Instant};

use client::{Supervised, dev_tree, process};
use porthole_protocol::agent::ProcessKey;
use porthole_protocol::supervisor::{Event, ProcessSpec, Request, Response, SiloUser};

/// Prepares a silo, or prints why there can be none and leaves the test.
macro_rules! prepare {
    ($name:expr, $user:expr) => {
        match dev_tree() {
            Ok(tree) => Supervised::prepare(&tree, $name, $user),
            Err(reason) => {
                println!("skipped: {reason}");
                return;
            }
        }
    };
}

fn log_of(supervised: &Supervised) -> String {
    supervised.path("log").to_str().unwrap().to_owned()
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
    let early = supervised.connect();
    let early = std::thread::spawn(move || early.watch());
    client::eventually(
        "the exec's end",
        || matches!(client_list(&supervised), Response::Processes(list) if list.iter().all(|entry| entry.image_name != "cmd.exe")),
    );
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

fn client_list(supervised: &Supervised) -> Response {
    supervised.connect().ask(&Request::ListProcesses)
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
#[ignore = "a measurement, not a check: run it alone, in release mode"]
fn how_long_things_take() {
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
        client.watch();
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
