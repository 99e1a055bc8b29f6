//! Containers' logs.

use futures::StreamExt;
use porthole_compute_service::fake::Program;
use porthole_engine::attachment::StreamKind;
use porthole_engine::container::logs::{LogEntry, LogQuery};
use porthole_engine::container::stop::StopContainer;

use crate::support::{OUTPUT, World, read_to_end, within};

const ALL: LogQuery = LogQuery {
    stdout: true,
    stderr: true,
    follow: false,
    since: None,
    until: None,
    tail: None,
};

async fn read(world: &World, query: LogQuery) -> Vec<LogEntry> {
    let log = within(world.engine.container_logs("c", query))
        .await
        .unwrap();
    within(log.entries.map(Result::unwrap).collect()).await
}

fn messages(entries: &[LogEntry]) -> Vec<&str> {
    entries
        .iter()
        .map(|entry| str::from_utf8(&entry.message).unwrap())
        .collect()
}

async fn talked(world: &World) {
    let program = Program::new()
        .print("one\r\n")
        .print_error("oops\r\n")
        .print("two\r\n");
    world.script.program("talk.exe", program);
    world.create("c", &["talk.exe"]).await;
    world.start("c").await.unwrap();
    world.wait("c").await;
}

#[tokio::test]
async fn a_log_holds_both_streams() {
    let world = World::new().await;
    talked(&world).await;
    let entries = read(&world, ALL).await;
    let mut all = messages(&entries);
    all.sort_unstable();
    assert_eq!(all, ["one\r\n", "oops\r\n", "two\r\n"]);
    let errors = read(
        &world,
        LogQuery {
            stdout: false,
            ..ALL
        },
    )
    .await;
    assert_eq!(messages(&errors), ["oops\r\n"]);
    assert_eq!(errors[0].stream, StreamKind::Stderr);
}

#[tokio::test]
async fn a_part_of_a_log_is_selected() {
    let world = World::new().await;
    talked(&world).await;
    let output = LogQuery {
        stderr: false,
        ..ALL
    };
    let whole = read(&world, output).await;
    assert_eq!(messages(&whole), ["one\r\n", "two\r\n"]);
    let last = read(
        &world,
        LogQuery {
            tail: Some(1),
            ..ALL
        },
    )
    .await;
    assert_eq!(last.len(), 1);
    let late = read(
        &world,
        LogQuery {
            since: Some(whole[1].time),
            ..output
        },
    )
    .await;
    assert_eq!(messages(&late).last(), Some(&"two\r\n"));
    let early = read(
        &world,
        LogQuery {
            until: Some(whole[0].time - time::Duration::seconds(1)),
            ..ALL
        },
    );
    assert!(early.await.is_empty());
}

#[tokio::test]
async fn a_follower_sees_what_comes_and_ends_with_the_container() {
    let world = World::new().await;
    world.script.program(
        "talk.exe",
        Program::new()
            .print("one\r\n")
            .await_signal()
            .print("two\r\n"),
    );
    world.create("c", &["talk.exe"]).await;
    world.start("c").await.unwrap();
    let log = within(world.engine.container_logs(
        "c",
        LogQuery {
            follow: true,
            ..ALL
        },
    ))
    .await
    .unwrap();
    let mut entries = log.entries.map(Result::unwrap);
    assert_eq!(within(entries.next()).await.unwrap().message, b"one\r\n");
    within(world.engine.stop_container("c", StopContainer::default()))
        .await
        .unwrap();
    assert_eq!(within(entries.next()).await.unwrap().message, b"two\r\n");
    assert!(within(entries.next()).await.is_none());
}

#[tokio::test]
async fn following_up_to_the_past_reads_all_there_is_and_ends() {
    let world = World::new().await;
    let program = Program::new().print("one\r\n").await_signal();
    world.script.program("talk.exe", program);
    world.create("c", &["talk.exe"]).await;
    world.start("c").await.unwrap();
    while read(&world, ALL).await.is_empty() {
        tokio::time::sleep(std::time::Duration::from_millis(2)).await;
    }
    let past = LogQuery {
        follow: true,
        until: Some(time::OffsetDateTime::now_utc()),
        ..ALL
    };
    let entries = read(&world, past).await;
    assert_eq!(messages(&entries), ["one\r\n"]);
}

#[tokio::test]
async fn a_container_that_never_ran_has_an_empty_log() {
    let world = World::new().await;
    world.create("c", &["cmd"]).await;
    assert!(
        read(
            &world,
            LogQuery {
                follow: true,
                ..ALL
            }
        )
        .await
        .is_empty()
    );
    let nothing = LogQuery {
        stdout: false,
        stderr: false,
        ..ALL
    };
    assert!(
        within(world.engine.container_logs("c", nothing))
            .await
            .is_err()
    );
}

#[tokio::test]
async fn a_client_that_attaches_gets_what_was_logged_first() {
    let world = World::new().await;
    world.script.program(
        "talk.exe",
        Program::new()
            .print("one\r\n")
            .await_signal()
            .print("two\r\n"),
    );
    world.create("c", &["talk.exe"]).await;
    world.start("c").await.unwrap();
    while read(&world, ALL).await.is_empty() {}
    let attach = porthole_engine::attachment::Attach {
        logs: true,
        ..OUTPUT
    };
    let attachment = within(world.engine.attach_container("c", attach))
        .await
        .unwrap();
    within(world.engine.stop_container("c", StopContainer::default()))
        .await
        .unwrap();
    assert_eq!(
        read_to_end(attachment, StreamKind::Stdout).await,
        "one\r\ntwo\r\n"
    );
}
