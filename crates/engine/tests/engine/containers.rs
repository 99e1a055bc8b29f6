//! Containers from creation to removal.

use std::time::Duration;

use crate::support::{OUTPUT, World, eventually, read_to_end, request, within};
use futures::{FutureExt, StreamExt};
use porthole_compute_service::fake::Program;
use porthole_engine::ErrorKind;
use porthole_engine::attachment::{Attach, StreamKind};
use porthole_engine::container::remove::RemoveContainer;
use porthole_engine::container::stop::StopContainer;
use porthole_engine::container::wait::WaitCondition;

#[tokio::test]
async fn a_container_runs_and_its_output_arrives() {
    let world = World::new().await;
    let id = world.create("web", &["cmd", "/c", "echo", "hi"]).await;
    let attachment = within(world.engine.attach_container("web", OUTPUT))
        .await
        .unwrap();
    let waiting = world
        .engine
        .wait_container("web", WaitCondition::NextExit)
        .await
        .unwrap();
    world.start("web").await.unwrap();
    assert_eq!(read_to_end(attachment, StreamKind::Stdout).await, "hi\r\n");
    assert_eq!(within(waiting.outcome()).await.unwrap().exit_code, 0);
    let container = world.engine.inspect_container(&id[..12]).unwrap();
    assert_eq!(container.state.status(), "exited");
    assert_eq!(container.command_line, "cmd /c echo hi");
    assert_eq!(container.config.user, "ContainerUser");
    assert_eq!(container.config.working_dir, r"C:\");
    within(
        world
            .engine
            .remove_container("web", RemoveContainer::default()),
    )
    .await
    .unwrap();
    world.assert_nothing_left().await;
    assert_eq!(
        world.events(&["exitCode"]).await,
        [
            "container create",
            "container attach",
            "network connect",
            "container start",
            "network disconnect",
            "container die exitCode=0",
            "container destroy",
        ]
    );
}

#[tokio::test]
async fn exit_codes_keep_all_32_bits() {
    let world = World::new().await;
    world
        .create("e", &["cmd", "/c", "exit", "-1073741510"])
        .await;
    world.start("e").await.unwrap();
    assert_eq!(world.wait("e").await.exit_code, 3_221_225_786);
}

#[tokio::test]
async fn input_reaches_a_container_that_was_attached_before_its_start() {
    let world = World::new().await;
    let mut request = request("cat", &["cmd", "/c", "sort"]);
    request.config.open_stdin = true;
    request.config.stdin_once = true;
    world.create_with(request).await.unwrap();
    let attach = Attach {
        stdin: true,
        ..OUTPUT
    };
    let mut attachment = within(world.engine.attach_container("cat", attach))
        .await
        .unwrap();
    let mut input = attachment.input.take().unwrap();
    world.start("cat").await.unwrap();
    within(input.write(b"line\n".to_vec())).await.unwrap();
    within(input.close()).await.unwrap();
    assert_eq!(read_to_end(attachment, StreamKind::Stdout).await, "line\n");
    assert_eq!(world.wait("cat").await.exit_code, 0);
}

#[tokio::test]
async fn a_missing_program_fails_the_start_and_leaves_nothing() {
    let world = World::new().await;
    world.create("x", &["nothing.exe"]).await;
    let attachment = within(world.engine.attach_container("x", OUTPUT))
        .await
        .unwrap();
    let error = world.start("x").await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidParameter);
    assert!(
        error
            .to_string()
            .contains("The system cannot find the file specified."),
        "{error}"
    );
    assert_eq!(read_to_end(attachment, StreamKind::Stdout).await, "");
    let state = world.engine.inspect_container("x").unwrap().state.clone();
    assert_eq!((state.status(), state.exit_code), ("created", 127));
    assert!(
        state.error.contains("cannot find the file"),
        "{}",
        state.error
    );
    world.assert_nothing_left().await;
}

#[tokio::test]
async fn a_failing_host_leaves_nothing_behind() {
    let world = World::new().await;
    world.create("x", &["cmd", "/c", "exit", "0"]).await;
    world.script.fail_start("no more cgroups");
    let error = world.start("x").await.unwrap_err();
    assert!(error.to_string().contains("no more cgroups"), "{error}");
    world.assert_nothing_left().await;
    world.start("x").await.unwrap();
    assert_eq!(world.wait("x").await.exit_code, 0);
}

#[tokio::test]
async fn a_port_that_is_taken_fails_the_start_with_dockers_text() {
    let world = World::new().await;
    let mut request = request("x", &["cmd", "/c", "exit", "0"]);
    let binding = porthole_engine::container::config::PortBinding {
        host_ip: String::new(),
        host_port: "8080".to_owned(),
    };
    request
        .host
        .port_bindings
        .insert("80/tcp".parse().unwrap(), vec![binding]);
    world.create_with(request).await.unwrap();
    world.network.take(8080);
    let error = world.start("x").await.unwrap_err();
    assert!(
        error
            .to_string()
            .contains("Bind for 0.0.0.0:8080 failed: port is already allocated")
    );
    world.assert_nothing_left().await;
}

#[tokio::test]
async fn stop_lets_the_program_end_by_itself() {
    let world = World::new().await;
    world.script.program(
        "server.exe",
        Program::new().print("ready\r\n").await_signal().exit(5),
    );
    world.create("s", &["server.exe"]).await;
    world.start("s").await.unwrap();
    within(world.engine.stop_container("s", StopContainer::default()))
        .await
        .unwrap();
    assert_eq!(
        world.engine.inspect_container("s").unwrap().state.exit_code,
        5
    );
    let error = within(world.engine.stop_container("s", StopContainer::default()))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::NotModified);
    assert_eq!(
        world.events(&["exitCode", "signal"]).await[3..],
        [
            "container kill signal=15",
            "network disconnect",
            "container die exitCode=5",
            "container stop"
        ]
    );
}

#[tokio::test]
async fn stop_terminates_what_does_not_listen() {
    let world = World::new().await;
    world.script.program(
        "deaf.exe",
        Program::new().sleep(Duration::from_secs(600)).deaf(),
    );
    world.create("d", &["deaf.exe"]).await;
    world.start("d").await.unwrap();
    let options = StopContainer {
        timeout: Some(0),
        ..StopContainer::default()
    };
    within(world.engine.stop_container("d", options))
        .await
        .unwrap();
    assert_eq!(world.status("d"), "exited");
    world.assert_nothing_left().await;
}

#[tokio::test]
async fn kill_refuses_what_is_no_signal_and_what_does_not_run() {
    let world = World::new().await;
    let id = world.create("k", &["ping", "-t", "x"]).await;
    let error = within(world.engine.kill_container("k", None))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!(
        error.to_string(),
        format!("cannot kill container: k: container {id} is not running")
    );
    world.start("k").await.unwrap();
    let error = within(world.engine.kill_container("k", Some("SIGBOOM")))
        .await
        .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::InvalidParameter);
    within(world.engine.kill_container("k", Some("SIGINT")))
        .await
        .unwrap();
    assert_eq!(world.wait("k").await.exit_code, 0xC000_013A);
    world.start("k").await.unwrap();
    within(world.engine.kill_container("k", Some("KILL")))
        .await
        .unwrap();
    assert_eq!(world.status("k"), "exited");
}

#[tokio::test]
async fn a_running_container_is_removed_only_by_force() {
    let world = World::new().await;
    world.create("r", &["ping", "-t", "x"]).await;
    world.start("r").await.unwrap();
    let error = within(
        world
            .engine
            .remove_container("r", RemoveContainer::default()),
    )
    .await
    .unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    assert_eq!(
        error.to_string(),
        "cannot remove container \"/r\": container is running: stop the container before removing or force remove"
    );
    let force = RemoveContainer { force: true };
    within(world.engine.remove_container("r", force))
        .await
        .unwrap();
    assert_eq!(
        world.engine.inspect_container("r").unwrap_err().to_string(),
        "No such container: r"
    );
    world.assert_nothing_left().await;
}

#[tokio::test]
async fn a_container_removes_itself_when_asked_to() {
    let world = World::new().await;
    let mut request = request("a", &["cmd", "/c", "exit", "3"]);
    request.host.auto_remove = true;
    world.create_with(request.clone()).await.unwrap();
    let waiting = world
        .engine
        .wait_container("a", WaitCondition::Removed)
        .await
        .unwrap();
    world.start("a").await.unwrap();
    assert_eq!(within(waiting.outcome()).await.unwrap().exit_code, 3);
    world.assert_nothing_left().await;
    // Also when it could not be started; the start's error is then no failure of the removal.
    request.config.cmd = Some(vec!["nothing.exe".to_owned()]);
    world.create_with(request).await.unwrap();
    let waiting = world
        .engine
        .wait_container("a", WaitCondition::Removed)
        .await
        .unwrap();
    world.start("a").await.unwrap_err();
    let outcome = within(waiting.outcome()).await.unwrap();
    assert_eq!((outcome.exit_code, outcome.error), (127, None));
    assert!(world.store().containers().unwrap().is_empty());
    world.assert_nothing_left().await;
}

#[tokio::test]
async fn restart_keeps_a_container_that_removes_itself() {
    let world = World::new().await;
    let mut request = request("a", &["ping", "-t", "x"]);
    request.host.auto_remove = true;
    world.create_with(request).await.unwrap();
    world.start("a").await.unwrap();
    let first = world
        .engine
        .inspect_container("a")
        .unwrap()
        .state
        .started_at;
    within(
        world
            .engine
            .restart_container("a", StopContainer::default()),
    )
    .await
    .unwrap();
    let state = world.engine.inspect_container("a").unwrap().state.clone();
    assert!(state.is_running() && state.started_at > first);
    within(world.engine.kill_container("a", None))
        .await
        .unwrap();
    eventually(|| world.engine.inspect_container("a").is_err()).await;
}

#[tokio::test]
async fn starting_twice_changes_nothing() {
    let world = World::new().await;
    world.create("t", &["ping", "-t", "x"]).await;
    world.start("t").await.unwrap();
    assert_eq!(
        world.start("t").await.unwrap_err().kind(),
        ErrorKind::NotModified
    );
    let force = RemoveContainer { force: true };
    within(world.engine.remove_container("t", force))
        .await
        .unwrap();
}

#[tokio::test]
async fn binds_reach_the_document() {
    let world = World::new().await;
    let source = world.host_directory();
    let mut request = request("b", &["cmd"]);
    request.host.binds = vec![format!(r"{}:C:/app:ro", source.display())];
    world.create_with(request).await.unwrap();
    let mounts = world.engine.inspect_container("b").unwrap().mounts.clone();
    assert_eq!(mounts[0].source, source);
    assert_eq!(mounts[0].destination.to_lowercase(), r"c:\app");
    assert!(!mounts[0].writable);
}

#[tokio::test]
async fn several_clients_see_the_same_output() {
    let world = World::new().await;
    world.script.program(
        "talk.exe",
        Program::new()
            .print("one\r\n")
            .await_signal()
            .print("two\r\n"),
    );
    world.create("t", &["talk.exe"]).await;
    let first = within(world.engine.attach_container("t", OUTPUT))
        .await
        .unwrap();
    world.start("t").await.unwrap();
    let second = within(world.engine.attach_container("t", OUTPUT))
        .await
        .unwrap();
    within(world.engine.stop_container("t", StopContainer::default()))
        .await
        .unwrap();
    assert_eq!(
        read_to_end(first, StreamKind::Stdout).await,
        "one\r\ntwo\r\n"
    );
    assert!(
        read_to_end(second, StreamKind::Stdout)
            .await
            .ends_with("two\r\n")
    );
}

#[tokio::test]
async fn a_client_that_left_before_the_start_is_forgotten() {
    let world = World::new().await;
    world.create("t", &["cmd", "/c", "echo", "hi"]).await;
    drop(
        within(world.engine.attach_container("t", OUTPUT))
            .await
            .unwrap(),
    );
    world.start("t").await.unwrap();
    assert_eq!(world.wait("t").await.exit_code, 0);
}

#[tokio::test]
async fn top_has_the_columns_of_windows() {
    let world = World::new().await;
    world.create("t", &["ping", "-t", "x"]).await;
    let error = within(world.engine.top_container("t")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Conflict);
    world.start("t").await.unwrap();
    let table = within(world.engine.top_container("t")).await.unwrap();
    assert_eq!(table.titles, ["Name", "PID", "CPU", "Private Working Set"]);
    assert!(table.rows.iter().all(|row| row.len() == 4));
}

#[tokio::test]
async fn a_supervisor_that_is_killed_ends_its_container() {
    let world = World::new().await;
    let id = world.create("t", &["ping", "-t", "x"]).await;
    world.start("t").await.unwrap();
    world.script.kill_supervisor(&id);
    let outcome = world.wait("t").await;
    assert_eq!(outcome.exit_code, u32::MAX);
    assert!(outcome.error.is_some());
    world.assert_nothing_left().await;
}

#[tokio::test]
async fn waiting_for_removal_ends_with_the_container() {
    let world = World::new().await;
    world.create("t", &["cmd"]).await;
    let waiting = world
        .engine
        .wait_container("t", WaitCondition::Removed)
        .await
        .unwrap();
    let events = world
        .engine
        .events(porthole_engine::event::EventQuery::default())
        .unwrap();
    within(
        world
            .engine
            .remove_container("t", RemoveContainer::default()),
    )
    .await
    .unwrap();
    within(waiting.outcome()).await.unwrap();
    let actions: Vec<String> = within(events.take(1).map(|event| event.action).collect()).await;
    assert_eq!(actions, ["destroy"]);
}

#[tokio::test]
async fn what_a_client_asked_for_is_done_when_the_client_hangs_up() {
    let world = World::new().await;
    // A request that is dropped where it first waits.
    assert!(
        world
            .engine
            .create_container(request("x", &["cmd"]))
            .now_or_never()
            .is_none()
    );
    eventually(|| world.engine.inspect_container("x").is_ok()).await;
    let removal = world
        .engine
        .remove_container("x", RemoveContainer::default());
    assert!(removal.now_or_never().is_none());
    eventually(|| world.engine.inspect_container("x").is_err()).await;
    world.assert_nothing_left().await;
}

#[tokio::test]
async fn an_endpoint_that_stayed_is_in_no_start_s_way_and_goes_with_the_container() {
    let world = World::new().await;
    world.create("s", &["ping", "-t", "x"]).await;
    for _ in 0..2 {
        world.start("s").await.unwrap();
        world.network.refuse_disconnect();
        within(world.engine.kill_container("s", None))
            .await
            .unwrap();
        assert_eq!(world.network.connected().len(), 1);
    }
    within(
        world
            .engine
            .remove_container("s", RemoveContainer::default()),
    )
    .await
    .unwrap();
    world.assert_nothing_left().await;
}

#[tokio::test]
async fn a_bind_and_a_directory_in_memory_cannot_share_a_place() {
    let world = World::new().await;
    let mut wanted = request("m", &["cmd"]);
    let source = world.host_directory();
    wanted.host.binds = vec![format!(r"{}:C:\Data", source.display())];
    wanted.host.tmpfs = [(r"C:\data".to_owned(), String::new())].into();
    let refused = world.create_with(wanted).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvalidParameter);
    assert_eq!(refused.to_string(), r"Duplicate mount point: C:\data");
}

#[tokio::test]
async fn a_fault_while_it_is_started_leaves_a_container_that_obeys() {
    let world = World::new().await;
    world.create("s", &["cmd", "/c", "exit", "3"]).await;
    world.network.panic_once();
    assert!(world.start("s").await.is_err());
    // As of a start that an engine did not see to its end.
    eventually(|| {
        let state = &world.engine.inspect_container("s").unwrap().state;
        state.status() == "created" && state.exit_code == 128
    })
    .await;
    world.start("s").await.unwrap();
    assert_eq!(world.wait("s").await.exit_code, 3);
    within(
        world
            .engine
            .remove_container("s", RemoveContainer::default()),
    )
    .await
    .unwrap();
    world.assert_nothing_left().await;
}
