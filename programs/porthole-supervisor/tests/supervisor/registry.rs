//! The registry of a silo that runs or is paused.

use std::fs;

use porthole_protocol::agent::ProcessKey;
use porthole_protocol::supervisor::{
    Event, Failure, ProcessSpec, RegistryRoot, Request, Response, SiloUser,
};
use rustix::process::{Pid, Signal, kill_process};

use crate::client::{Client, Ingredients, Supervised, cgroups, eventually, process};

/// Adds a value to the user's registry.
fn add(supervised: &Supervised, key: u32, name: &str) {
    let command_line = format!(r"reg add HKCU\Live /v {name} /d x /f");
    supervised.connect().create(process(key, &command_line));
    let ended = |event: &Event| {
        let process = ProcessKey(key);
        matches!(event, Event::ProcessExited { process: ended, .. } if *ended == process)
    };
    assert!(supervised.connect().watch_until(ended));
}

/// All roots' texts, as the silo has them now.
fn saved(client: &mut Client) -> [String; 3] {
    let sizes = match client.ask(&Request::SaveRegistry) {
        Response::RegistrySaved { sizes } => sizes,
        other => panic!("{other:?}"),
    };
    let mut sizes = sizes.into_iter();
    RegistryRoot::ALL.map(|root| {
        let mut text = Vec::new();
        loop {
            let offset = text.len() as u64;
            match client.ask(&Request::ReadRegistry { root, offset }) {
                Response::Registry(piece) if piece.is_empty() => break,
                Response::Registry(piece) => text.extend(piece),
                other => panic!("{other:?}"),
            }
        }
        assert_eq!(Some(text.len() as u64), sizes.next());
        String::from_utf8(text).unwrap()
    })
}

/// The names of files in the registry's directory that are there for a moment only.
fn left(supervised: &Supervised) -> usize {
    let names = fs::read_dir(supervised.path("registry")).unwrap().flatten();
    names
        .filter(|entry| entry.file_name().to_string_lossy().starts_with("saved-"))
        .count()
}

#[test]
fn the_registry_is_read_while_the_silo_runs_and_while_it_is_paused() {
    let supervised = prepare!("live", SiloUser::ContainerUser);
    let (mut client, _) = supervised.start();
    let unread = Request::ReadRegistry {
        root: RegistryRoot::User,
        offset: 0,
    };
    assert!(matches!(client.ask(&unread), Response::Failed(_)));
    add(&supervised, 0, "First");
    let [machine, user, default_user] = saved(&mut client);
    assert!(machine.starts_with("WINE REGISTRY Version 2"));
    assert!(machine.contains(r"[System\\ControlSet001"));
    assert!(user.contains("\"First\"=\"x\"") && default_user.starts_with("WINE"));

    assert_eq!(client.ask(&Request::Pause), Response::Done);
    let [_, user, _] = saved(&mut supervised.connect());
    assert!(user.contains("\"First\"=\"x\""));
    assert_eq!(client.ask(&Request::Resume), Response::Done);
    add(&supervised, 1, "Second");
    // What was read before stays as it was.
    let again = client.ask(&unread);
    assert!(matches!(again, Response::Registry(piece) if piece.starts_with(b"WINE")));
    let [_, user, _] = saved(&mut client);
    assert!(user.contains("\"Second\"=\"x\""));
    assert_eq!(left(&supervised), 0);
    assert_eq!(client.ask(&Request::Terminate), Response::Done);
    supervised.record();
}

/// The agent's process.
fn agent(supervised: &Supervised) -> Pid {
    let processes = cgroups(&supervised.spec.id)[0].join("cgroup.procs");
    let processes = fs::read_to_string(processes).unwrap();
    let is_agent = |pid: &&str| {
        let arguments = fs::read(format!("/proc/{pid}/cmdline")).unwrap_or_default();
        String::from_utf8_lossy(&arguments).contains("cexecsvc.exe")
    };
    let found = processes.lines().find(is_agent).unwrap();
    Pid::from_raw(found.parse().unwrap()).unwrap()
}

#[test]
fn a_pause_does_not_wait_for_an_agent_that_does_not_answer() {
    let supervised = prepare!("stuck", SiloUser::ContainerUser);
    let (mut client, _) = supervised.start();
    client.create(ProcessSpec {
        main: true,
        ..process(0, "cmd /c for /l %i in (1,1,100000000) do @rem")
    });
    let agent = agent(&supervised);
    kill_process(agent, Signal::STOP).unwrap();
    let readers: Vec<_> = (0..20)
        .map(|_| {
            let mut reader = supervised.connect();
            std::thread::spawn(move || reader.ask(&Request::SaveRegistry))
        })
        .collect();
    eventually("a save under way", || left(&supervised) > 0);
    let pausing = std::thread::spawn(move || (client.ask(&Request::Pause), client));
    eventually("a pause under way", || left(&supervised) > 3);
    let mut other = supervised.connect();
    assert!(matches!(
        other.ask(&Request::Pause),
        Response::Failed(Failure::State(_))
    ));
    let (paused, mut client) = pausing.join().unwrap();
    assert_eq!(paused, Response::Done);
    let told = other.ask(&Request::SaveRegistry);
    let why = "could not be taken down when the silo was paused";
    let failed = |told: &Response| match told {
        Response::Failed(Failure::Host(reason)) => {
            assert!(
                reason.contains(why) && reason.contains("does not answer"),
                "{reason}"
            );
        }
        other => panic!("{other:?}"),
    };
    failed(&told);
    // Who had asked before does not wait for an agent that is paused.
    readers
        .into_iter()
        .for_each(|reader| failed(&reader.join().unwrap()));
    assert_eq!(left(&supervised), 0);

    kill_process(agent, Signal::CONT).unwrap();
    assert_eq!(client.ask(&Request::Resume), Response::Done);
    saved(&mut client);
    assert_eq!(client.ask(&Request::Terminate), Response::Done);
    supervised.record();
}

#[test]
fn many_readers_are_served_together() {
    let supervised = prepare!("readers", SiloUser::ContainerUser);
    let (mut client, _) = supervised.start();
    add(&supervised, 0, "First");
    std::thread::scope(|scope| {
        for _ in 0..20 {
            scope.spawn(|| {
                let [_, user, _] = saved(&mut supervised.connect());
                assert!(user.contains("\"First\"=\"x\""));
            });
        }
    });
    assert_eq!(left(&supervised), 0);
    assert_eq!(client.ask(&Request::Terminate), Response::Done);
    supervised.record();
}
