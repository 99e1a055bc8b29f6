//! Logs that are sent away.

use std::net::SocketAddr;
use std::time::Duration;

use futures::StreamExt;
use porthole_compute_service::fake::Program;
use porthole_engine::ErrorKind;
use porthole_engine::container::config::CreateContainer;
use porthole_engine::container::log_options::LogConfig;
use porthole_engine::container::logs::LogQuery;
use porthole_engine::container::stop::StopContainer;
use tokio::io::{AsyncBufReadExt, BufReader};
use tokio::net::{TcpListener, TcpStream, UnixListener};

use crate::support::{World, eventually, request, within};

fn to_syslog(name: &str, at: SocketAddr, more: &[(&str, &str)]) -> CreateContainer {
    let mut request = request(name, &["talk.exe"]);
    let address = format!("tcp://{at}");
    let options = [&[("syslog-address", address.as_str())], more].concat();
    let option = |(name, value): (&str, &str)| (name.to_owned(), value.to_owned());
    request.host.log = LogConfig {
        driver: "syslog".to_owned(),
        options: options.into_iter().map(option).collect(),
    };
    request
}

/// What follows a message's head, of the next messages on the next connection.
async fn received(listener: &TcpListener, count: usize) -> Vec<String> {
    let (stream, _) = within(listener.accept()).await.unwrap();
    next(&mut BufReader::new(stream), count).await
}

async fn next(stream: &mut BufReader<TcpStream>, count: usize) -> Vec<String> {
    let mut messages = Vec::new();
    while messages.len() < count {
        let mut line = String::new();
        assert_ne!(
            within(stream.read_line(&mut line)).await.unwrap(),
            0,
            "{messages:?}"
        );
        let (_, text) = line.trim_end().split_once("]: ").expect("a message");
        messages.push(text.to_owned());
    }
    messages
}

async fn listener() -> (TcpListener, SocketAddr) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let at = listener.local_addr().unwrap();
    (listener, at)
}

#[tokio::test]
async fn a_log_is_sent_and_can_still_be_read() {
    let world = World::new().await;
    let talk = Program::new().print("one\r\n").print_error("two\r\n");
    world.script.program("talk.exe", talk);
    let (listener, at) = listener().await;
    world
        .create_with(to_syslog("c", at, &[("tag", "{{.Name}}")]))
        .await
        .unwrap();
    world.start("c").await.unwrap();
    let mut messages = received(&listener, 2).await;
    messages.sort_unstable();
    assert_eq!(messages, ["one", "two"]);
    world.wait("c").await;
    let query = LogQuery {
        stdout: true,
        stderr: true,
        follow: false,
        since: None,
        until: None,
        tail: None,
    };
    let log = within(world.engine.container_logs("c", query))
        .await
        .unwrap();
    assert_eq!(within(log.entries.count()).await, 2);
    let hidden = to_syslog("hidden", at, &[("cache-disabled", "true")]);
    world.create_with(hidden).await.unwrap();
    let refused = world
        .engine
        .container_logs("hidden", query)
        .await
        .unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::NotImplemented);
    assert_eq!(
        refused.to_string(),
        "configured logging driver does not support reading"
    );
}

#[tokio::test]
async fn a_container_that_is_removed_when_it_ends_has_sent_everything() {
    let world = World::new().await;
    let talk = (0..100).fold(Program::new(), |talk, number| {
        talk.print(format!("{number}\r\n"))
    });
    world.script.program("talk.exe", talk);
    let (listener, at) = listener().await;
    let mut request = to_syslog("c", at, &[]);
    request.host.auto_remove = true;
    world.create_with(request).await.unwrap();
    world.start("c").await.unwrap();
    let expected: Vec<_> = (0..100).map(|number| number.to_string()).collect();
    assert_eq!(received(&listener, 100).await, expected);
    eventually(|| world.engine.inspect_container("c").is_err()).await;
    world.assert_nothing_left().await;
}

#[tokio::test]
async fn without_its_destination_a_container_does_not_start() {
    let world = World::new().await;
    world
        .script
        .program("talk.exe", Program::new().print("one\r\n"));
    let (listener, at) = listener().await;
    drop(listener);
    world.create_with(to_syslog("c", at, &[])).await.unwrap();
    let refused = world.start("c").await.unwrap_err();
    let expected = format!(
        "failed to create task for container: failed to initialize logging driver: cannot connect to tcp://{at}: "
    );
    assert!(refused.to_string().starts_with(&expected), "{refused}");
    let container = world.engine.inspect_container("c").unwrap();
    assert_eq!(container.state.exit_code, 128);
    world.assert_nothing_left().await;
}

#[tokio::test]
async fn another_engine_sends_what_the_last_one_did_not() {
    let mut world = World::new().await;
    let talk = Program::new()
        .print("before\r\n")
        .await_signal()
        .print("after\r\n")
        .sleep(Duration::from_millis(10));
    world.script.program("talk.exe", talk);
    let (listener, at) = listener().await;
    world.create_with(to_syslog("c", at, &[])).await.unwrap();
    world.start("c").await.unwrap();
    assert_eq!(received(&listener, 1).await, ["before"]);
    // The destination is away when the container ends, and back for the next engine.
    drop(listener);
    within(world.engine.stop_container("c", StopContainer::default()))
        .await
        .unwrap();
    let listener = TcpListener::bind(at).await.unwrap();
    world.reopen().await;
    let (stream, _) = within(listener.accept()).await.unwrap();
    let mut stream = BufReader::new(stream);
    let mut messages = next(&mut stream, 1).await;
    if messages == ["before"] {
        // It was not noted yet that it was sent.
        messages = next(&mut stream, 1).await;
    }
    assert_eq!(messages, ["after"]);
}

#[tokio::test]
async fn a_local_destination_must_be_there_at_first_and_may_be_away_later() {
    let mut world = World::new().await;
    let talk = Program::new()
        .await_signal()
        .print("late\r\n")
        .sleep(Duration::from_millis(10));
    world.script.program("talk.exe", talk);
    let socket = world.host_directory().join("syslog");
    let mut request = request("c", &["talk.exe"]);
    let address = format!("unix://{}", socket.display());
    request.host.log = LogConfig {
        driver: "syslog".to_owned(),
        options: [("syslog-address".to_owned(), address)].into(),
    };
    let refused = world.create_with(request.clone()).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvalidParameter);
    assert!(refused.to_string().starts_with("stat "), "{refused}");
    let listener = UnixListener::bind(&socket).unwrap();
    world.create_with(request).await.unwrap();
    world.start("c").await.unwrap();
    // The syslog daemon is being replaced while the engine is.
    drop(listener);
    std::fs::remove_file(&socket).unwrap();
    world.reopen().await;
    within(world.engine.stop_container("c", StopContainer::default()))
        .await
        .unwrap();
    let listener = UnixListener::bind(&socket).unwrap();
    // The engine that is given up here goes on too: one connection is its, the other the new one's.
    for _ in 0..2 {
        let (stream, _) = within(listener.accept()).await.unwrap();
        let mut line = String::new();
        within(BufReader::new(stream).read_line(&mut line))
            .await
            .unwrap();
        assert!(line.trim_end().ends_with("]: late"), "{line}");
    }
}
