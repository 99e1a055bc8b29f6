//! What a killed daemon, or a killed supervisor, leaves to the next daemon.

use std::time::Duration;

use futures::{SinkExt, StreamExt};
use porthole_compute_service::ErrorKind;
use porthole_compute_service::launch;
use porthole_compute_service::settings::ProcessSettings;
use porthole_compute_service::system::ComputeService;
use porthole_hcs::{self as hcs, ExitType, State, SystemPropertyQuery};
use porthole_protocol::agent::ProcessKey;
use porthole_protocol::supervisor::{StdioFrame, StreamKind};
use rand::rngs::StdRng;
use rand::{Rng, SeedableRng};

use crate::ground::{COPY, Ground, PATIENCE, attached, daemon, endless, parameters, with_input};

fn main_process() -> ProcessSettings {
    ProcessSettings {
        main: true,
        ..Default::default()
    }
}

fn kill_daemon(ground: &Ground) {
    ground.host.as_ref().unwrap().kill("porthole-compute");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_daemon_breaks_no_stream_and_no_wait() {
    let Some(ground) = daemon().await else { return };
    let system = ground.started().await;
    let settings = ProcessSettings {
        stdin_once: true,
        ..main_process()
    };
    let (process, mut stdio) = attached(&*system, &with_input(COPY), settings).await;
    let waiting = tokio::spawn(async move { process.wait().await });
    // The daemon must be at it.
    tokio::time::sleep(Duration::from_millis(100)).await;
    kill_daemon(&ground);
    let text = StdioFrame::Data(StreamKind::Stdin, b"still here\r\n".to_vec());
    stdio.input.send(text).await.unwrap();
    stdio
        .input
        .send(StdioFrame::End(StreamKind::Stdin))
        .await
        .unwrap();
    let mut output = Vec::new();
    while let Some(Ok((_, bytes))) = stdio.output.next().await {
        output.extend(bytes);
    }
    assert_eq!(output, b"still here\r\n");
    let code = tokio::time::timeout(PATIENCE, waiting)
        .await
        .unwrap()
        .unwrap()
        .unwrap();
    assert_eq!(code, 0);
    let record = tokio::time::timeout(PATIENCE, system.wait())
        .await
        .unwrap()
        .unwrap();
    assert_eq!((record.exit_code, record.terminated), (Some(0), false));
    ground.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_next_daemon_finds_systems_as_they_are() {
    let Some(ground) = daemon().await else { return };
    let created = ground.created().await;
    let (running, paused) = (ground.started().await, ground.started().await);
    paused.pause().await.unwrap();
    let main = endless(&*running, true).await;
    let other = endless(&*running, false).await;
    let (exit, settings) = (parameters("cmd /c exit 3"), ProcessSettings::default());
    let ended = running.create_process(&exit, &settings).await.unwrap();
    assert_eq!(ended.wait().await.unwrap(), 3);
    kill_daemon(&ground);
    let state = async |id: &str| {
        let system = ground.service.open(id).await.unwrap();
        system
            .properties(&SystemPropertyQuery::default())
            .await
            .unwrap()
            .state
    };
    assert_eq!(state(created.id()).await, State::Created);
    assert_eq!(state(running.id()).await, State::Running);
    assert_eq!(state(paused.id()).await, State::Paused);
    for process in [&main, &other] {
        let again = running.open_process(process.id()).await.unwrap();
        assert_eq!(again.pid(), process.pid());
        assert!(!again.status().await.unwrap().exited);
    }
    let again = running.open_process(ended.id()).await.unwrap();
    assert_eq!(again.wait().await.unwrap(), 3);
    let next = endless(&*running, false).await;
    assert!(next.id() > ended.id());
    paused.resume().await.unwrap();
    created.start().await.unwrap();
    ground.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_end_that_no_daemon_saw_is_not_lost() {
    let Some(ground) = daemon().await else { return };
    let system = ground.started().await;
    let settings = ProcessSettings {
        stdin_once: true,
        ..main_process()
    };
    let (process, mut stdio) = attached(&*system, &with_input(COPY), settings).await;
    kill_daemon(&ground);
    stdio
        .input
        .send(StdioFrame::End(StreamKind::Stdin))
        .await
        .unwrap();
    while stdio.output.next().await.is_some() {}
    // Its supervisor has written the record and gone.
    let record = ground
        .host
        .as_ref()
        .unwrap()
        .run_directory(system.id())
        .join("exit.json");
    for _ in 0..100 {
        if record.exists() {
            break;
        }
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
    assert!(record.exists());
    assert_eq!(process.wait().await.unwrap(), 0);
    assert_eq!(system.wait().await.unwrap().exit_code, Some(0));
    ground.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_killed_supervisor_is_an_unexpected_exit_that_leaves_nothing() {
    let Some(ground) = daemon().await else { return };
    for daemon_sees_it in [true, false] {
        let system = ground.started().await;
        let process = endless(&*system, true).await;
        if !daemon_sees_it {
            kill_daemon(&ground);
        }
        ground.host.as_ref().unwrap().kill("porthole-supervisor");
        let record = tokio::time::timeout(PATIENCE, system.wait())
            .await
            .unwrap()
            .unwrap();
        assert!(record.error.is_some() && !record.terminated, "{record:?}");
        let properties = system
            .properties(&SystemPropertyQuery::default())
            .await
            .unwrap();
        assert_eq!(properties.exit_type, Some(ExitType::UnexpectedExit));
        let lost = process.wait().await.unwrap_err();
        assert_eq!(lost.kind(), ErrorKind::UnexpectedExit);
        system.close().await.unwrap();
    }
    ground.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn two_starters_get_one_service() {
    let Some(ground) = daemon().await else { return };
    let launch = ground.host.as_ref().unwrap().launch().unwrap();
    let clients = [(); 4].map(|()| launch::client(launch.clone()));
    let query = hcs::SystemQuery::default();
    let asked = clients.iter().map(|client| client.enumerate(&query));
    for answer in futures::future::join_all(asked).await {
        assert!(answer.unwrap().is_empty());
    }
    // Seen by one client, so seen by all: there is one service.
    let system = ground.created().await;
    for client in &clients {
        client.open(system.id()).await.unwrap();
    }
    ground.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_half_made_system_is_removed() {
    let Some(ground) = daemon().await else { return };
    let system = ground.created().await;
    let directory = ground.host.as_ref().unwrap().run_directory(system.id());
    kill_daemon(&ground);
    std::fs::remove_file(directory.join("document.json")).unwrap();
    let gone = ground.service.open(system.id()).await.err().unwrap();
    assert_eq!(gone.kind(), ErrorKind::SystemNotFound);
    assert!(!directory.exists());
    ground.leave().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_image_of_another_wine_build_is_refused() {
    let Some(ground) = crate::ground::silo().await else {
        return;
    };
    let id = ground.id();
    let mut settings = ground.settings();
    settings.wine_build = "9.0/1/win64".into();
    let refused = ground
        .service
        .create(&id, &ground.document(&id), &settings)
        .await
        .err()
        .unwrap();
    assert_eq!(refused.kind(), ErrorKind::ImageMismatch);
    assert_eq!(
        refused.message(),
        "The container operating system does not match the host operating system."
    );
    let mut document = ground.document(&id);
    document
        .container
        .as_mut()
        .unwrap()
        .storage
        .as_mut()
        .unwrap()
        .layers[0]
        .path = "/none".into();
    let settings = ground.settings();
    let refused = ground
        .service
        .create(&id, &document, &settings)
        .await
        .err()
        .unwrap();
    assert_eq!(refused.kind(), ErrorKind::InvalidLayer);
    assert!(ground.host.as_ref().unwrap().is_clean());
    ground.leave().await;
}

/// Rounds of the test below; more of them find rarer windows. A round takes a tenth of a second.
const ROUNDS: u32 = 25;

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn requests_outlast_daemons_that_are_killed_at_any_moment() {
    let Some(ground) = daemon().await else { return };
    let seed: u64 = rand::random();
    println!("seed {seed}");
    let mut moments = StdRng::seed_from_u64(seed);
    let killer = async {
        loop {
            ground.host.as_ref().unwrap().daemon_serves().await;
            let pause = moments.random_range(0..150);
            tokio::time::sleep(Duration::from_millis(pause)).await;
            kill_daemon(&ground);
        }
    };
    let work = async {
        for round in 0..ROUNDS {
            let system = ground.started().await;
            let exit = parameters(&format!("cmd /c exit {round}"));
            let main = system.create_process(&exit, &main_process()).await.unwrap();
            assert_eq!(main.wait().await.unwrap(), round);
            assert_eq!(system.wait().await.unwrap().exit_code, Some(round));
            let system_again = ground.service.open(system.id()).await.unwrap();
            assert_eq!(
                system_again.wait().await.unwrap().processes,
                [(ProcessKey(main.id()), round)]
            );
            system.close().await.unwrap();
        }
    };
    tokio::select! {
        () = work => {}
        () = killer => {}
    }
    ground.leave().await;
}
