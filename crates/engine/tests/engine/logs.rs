//! Containers' logs.

use futures::StreamExt;
use porthole_compute_service::fake::Program;
use porthole_engine::ErrorKind;
use porthole_engine::attachment::{Attach, StreamKind};
use porthole_engine::container::log_options::LogConfig;
use porthole_engine::container::logs::{LogEntry, LogQuery};
use porthole_engine::container::stop::StopContainer;

use crate::support::{OUTPUT, World, read_to_end, request, within};

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

/// Creates the container `c` with a log driver and its options.
async fn create_logged(world: &World, driver: &str, options: &[(&str, &str)]) {
    let mut request = request("c", &["talk.exe"]);
    let option = |(name, value): &(&str, &str)| ((*name).to_owned(), (*value).to_owned());
    request.host.log = LogConfig {
        driver: driver.to_owned(),
        options: options.iter().map(option).collect(),
    };
    request
        .config
        .labels
        .insert("stage".to_owned(), "test".to_owned());
    request.config.env = vec!["ROLE=web".to_owned(), "SECRET=x".to_owned()];
    world.create_with(request).await.unwrap();
}

fn lines(numbers: std::ops::Range<u32>) -> String {
    numbers.map(|number| format!("line {number}\r\n")).collect()
}

#[tokio::test]
async fn a_rotated_log_is_read_and_followed_as_one() {
    let world = World::new().await;
    let program = Program::new()
        .print(lines(0..50))
        .await_signal()
        .print(lines(50..100));
    world.script.program("talk.exe", program);
    create_logged(&world, "", &[("max-size", "1k"), ("max-file", "50")]).await;
    world.start("c").await.unwrap();
    let follow = LogQuery {
        follow: true,
        ..ALL
    };
    let log = within(world.engine.container_logs("c", follow))
        .await
        .unwrap();
    let mut entries = log.entries.map(Result::unwrap);
    let mut followed = Vec::new();
    while followed.len() < 50 {
        followed.push(within(entries.next()).await.unwrap());
    }
    within(world.engine.stop_container("c", StopContainer::default()))
        .await
        .unwrap();
    followed.extend(within(entries.collect::<Vec<_>>()).await);
    assert_eq!(messages(&followed).concat(), lines(0..100));

    let container = world.engine.inspect_container("c").unwrap();
    assert!(container.log_path.with_extension("log.4").exists());
    assert_eq!(messages(&read(&world, ALL).await).concat(), lines(0..100));
    let last = LogQuery {
        tail: Some(60),
        ..ALL
    };
    assert_eq!(messages(&read(&world, last).await).concat(), lines(40..100));
    let logs = Attach {
        logs: true,
        stream: false,
        ..OUTPUT
    };
    let attachment = within(world.engine.attach_container("c", logs))
        .await
        .unwrap();
    assert_eq!(
        read_to_end(attachment, StreamKind::Stdout).await,
        lines(0..100)
    );
}

#[tokio::test]
async fn records_carry_what_the_log_options_ask_for() {
    let world = World::new().await;
    world
        .script
        .program("talk.exe", Program::new().print("hi\r\n"));
    let options = [
        ("labels", "stage,none"),
        ("env-regex", "^RO"),
        ("tag", "{{.Name}}/{{ .ID }}!"),
    ];
    create_logged(&world, "local", &options).await;
    world.start("c").await.unwrap();
    world.wait("c").await;
    let id = world.engine.inspect_container("c").unwrap().id.clone();
    let entries = read(&world, ALL).await;
    let attributes: Vec<_> = entries[0]
        .attributes
        .iter()
        .map(|(name, value)| format!("{name}={value}"))
        .collect();
    let tag = format!("tag=c/{}!", &id[..12]);
    assert_eq!(attributes, ["ROLE=web", "stage=test", tag.as_str()]);
}

#[tokio::test]
async fn a_log_that_is_not_recorded_cannot_be_read() {
    let world = World::new().await;
    world
        .script
        .program("talk.exe", Program::new().print("hi\r\n"));
    create_logged(&world, "none", &[]).await;
    let logs = Attach {
        logs: true,
        ..OUTPUT
    };
    let error = within(world.engine.attach_container("c", logs))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotImplemented);
    let attachment = within(world.engine.attach_container("c", OUTPUT))
        .await
        .unwrap();
    world.start("c").await.unwrap();
    assert_eq!(read_to_end(attachment, StreamKind::Stdout).await, "hi\r\n");
    world.wait("c").await;
    let error = within(world.engine.container_logs("c", ALL))
        .await
        .unwrap_err();
    assert_eq!(
        error.to_string(),
        "configured logging driver does not support reading"
    );
    assert!(
        !world
            .engine
            .inspect_container("c")
            .unwrap()
            .log_path
            .exists()
    );
}
