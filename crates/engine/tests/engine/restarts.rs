//! An engine that ends at any point, and another that goes on from there.

use std::time::Duration;

use crate::support::{OUTPUT, World, eventually, read_to_end, request, within};
use porthole_compute_service::fake::Program;
use porthole_compute_service::settings::{SiloDns, SiloUser, SystemSettings};
use porthole_engine::attachment::StreamKind;
use porthole_engine::container::config::{CreateContainer, RestartPolicy};
use porthole_engine::container::stop::StopContainer;
use porthole_engine::exec::record::{CreateExec, StartExec};
use porthole_hcs as hcs;
use serde_json::Value;

#[tokio::test]
async fn a_running_container_goes_on() {
    let mut world = World::new().await;
    world.script.program(
        "server.exe",
        Program::new().await_signal().print("bye\r\n").exit(5),
    );
    world.create("s", &["server.exe"]).await;
    world.start("s").await.unwrap();
    let before = world.engine.inspect_container("s").unwrap();
    world.reopen().await;
    assert_eq!(world.engine.inspect_container("s").unwrap(), before);
    let attachment = within(world.engine.attach_container("s", OUTPUT))
        .await
        .unwrap();
    within(world.engine.stop_container("s", StopContainer::default()))
        .await
        .unwrap();
    assert_eq!(read_to_end(attachment, StreamKind::Stdout).await, "bye\r\n");
    assert_eq!(world.wait("s").await.exit_code, 5);
    world.assert_nothing_left().await;
}

#[tokio::test]
async fn an_end_that_nobody_saw_is_recorded() {
    let mut world = World::new().await;
    world.script.program(
        "short.exe",
        Program::new().sleep(Duration::from_millis(20)).exit(9),
    );
    world.create("s", &["short.exe"]).await;
    let mut removes_itself: CreateContainer = request("r", &["short.exe"]);
    removes_itself.host.auto_remove = true;
    world.create_with(removes_itself).await.unwrap();
    world.start("s").await.unwrap();
    world.start("r").await.unwrap();
    // The record as it was when the engine ended; the engine that is still there is given up.
    let (running, removed) = (record(&world, "s"), record(&world, "r"));
    assert_eq!(running["state"]["phase"], "running");
    world.wait("s").await;
    eventually(|| world.engine.inspect_container("r").is_err()).await;
    drop(removed);
    rewrite(&world, &running);
    world.reopen().await;
    // The fake service has closed the system, so all that can be said is that it ended.
    assert_eq!(world.status("s"), "exited");
    world.assert_nothing_left().await;
}

#[tokio::test]
async fn an_exec_goes_on() {
    let mut world = World::new().await;
    world.create("s", &["ping", "-t", "x"]).await;
    world.start("s").await.unwrap();
    world.script.program(
        "long.exe",
        Program::new().sleep(Duration::from_millis(50)).exit(6),
    );
    let request = CreateExec {
        cmd: vec!["long.exe".to_owned()],
        ..CreateExec::default()
    };
    let id = within(world.engine.create_exec("s", request))
        .await
        .unwrap();
    let detached = StartExec {
        detach: true,
        ..StartExec::default()
    };
    within(world.engine.start_exec(&id, detached))
        .await
        .unwrap();
    world.reopen().await;
    assert!(world.engine.inspect_exec(&id).unwrap().0.is_running());
    eventually(|| world.engine.inspect_exec(&id).unwrap().0.exit_code() == Some(6)).await;
}

#[tokio::test]
async fn a_start_that_made_nothing_is_undone() {
    let mut world = World::new().await;
    world.create("s", &["cmd", "/c", "exit", "3"]).await;
    rewrite_phase(&world, "s", "starting");
    world.reopen().await;
    let state = world.engine.inspect_container("s").unwrap().state.clone();
    assert_eq!((state.status(), state.exit_code), ("created", 128));
    assert!(state.error.contains("the engine ended"), "{}", state.error);
    world.start("s").await.unwrap();
    assert_eq!(world.wait("s").await.exit_code, 3);
    world.assert_nothing_left().await;
}

#[tokio::test]
async fn a_start_that_made_a_system_is_undone() {
    let mut world = World::new().await;
    let id = world.create("s", &["cmd", "/c", "exit", "3"]).await;
    let system = world
        .compute()
        .create(&id, &document(), &settings())
        .await
        .unwrap();
    system.start().await.unwrap();
    rewrite_phase(&world, "s", "starting");
    world.reopen().await;
    assert_eq!(world.status("s"), "created");
    world.assert_nothing_left().await;
}

#[tokio::test]
async fn a_start_that_reached_the_main_process_has_succeeded() {
    let mut world = World::new().await;
    world.create("s", &["ping", "-t", "x"]).await;
    world.start("s").await.unwrap();
    rewrite_phase(&world, "s", "starting");
    world.reopen().await;
    assert_eq!(world.status("s"), "running");
    within(world.engine.kill_container("s", None))
        .await
        .unwrap();
    world.assert_nothing_left().await;
}

#[tokio::test]
async fn a_removal_is_finished() {
    let mut world = World::new().await;
    world.create("s", &["cmd"]).await;
    rewrite_phase(&world, "s", "removing");
    world.reopen().await;
    assert!(world.engine.inspect_container("s").is_err());
    assert!(world.store().containers().unwrap().is_empty());
    world.assert_nothing_left().await;
}

#[tokio::test]
async fn a_system_that_appears_after_its_start_was_undone_is_in_nobodys_way() {
    let world = World::new().await;
    let id = world.create("s", &["cmd", "/c", "exit", "3"]).await;
    world
        .compute()
        .create(&id, &document(), &settings())
        .await
        .unwrap();
    world.start("s").await.unwrap();
    assert_eq!(world.wait("s").await.exit_code, 3);
    world.assert_nothing_left().await;
}

#[tokio::test]
async fn a_system_without_a_container_is_ended() {
    let mut world = World::new().await;
    let system = world
        .compute()
        .create("orphan", &document(), &settings())
        .await
        .unwrap();
    system.start().await.unwrap();
    world.reopen().await;
    world.assert_nothing_left().await;
}

#[tokio::test]
async fn a_start_with_the_engine_counts_from_the_beginning() {
    let mut world = World::new().await;
    world.script.program("fails.exe", Program::new().exit(3));
    world.create("f", &["fails.exe"]).await;
    world.start("f").await.unwrap();
    world.wait("f").await;
    let mut before = record(&world, "f");
    before["host"]["restart"] = serde_json::to_value(RestartPolicy::OnFailure(2)).unwrap();
    before["restarts"] = 1.into();
    rewrite(&world, &before);
    world
        .script
        .program("fails.exe", Program::new().await_signal());
    world.reopen().await;
    eventually(|| world.status("f") == "running").await;
    assert_eq!(world.engine.inspect_container("f").unwrap().restarts, 0);
}

#[tokio::test]
async fn an_endpoint_of_what_waits_for_its_next_start_is_taken_back() {
    let mut world = World::new().await;
    let id = world.create("s", &["ping", "-t", "x"]).await;
    world.start("s").await.unwrap();
    world.network.refuse_disconnect();
    within(world.engine.kill_container("s", None))
        .await
        .unwrap();
    assert_eq!(world.network.connected(), [id.as_str()]);
    let mut waits = record(&world, "s");
    waits["state"]["phase"] = "restarting".into();
    rewrite(&world, &waits);
    let network = std::sync::Arc::clone(&world.network);
    let held = network.hold_up().await;
    world.reopen().await;
    assert!(network.connected().is_empty());
    drop(held);
}

#[tokio::test]
async fn what_runs_under_a_record_that_cannot_be_read_is_left_alone() {
    let mut world = World::new().await;
    let id = world.create("s", &["ping", "-t", "x"]).await;
    world.start("s").await.unwrap();
    let whole = world.store().container(&id).unwrap().document;
    world.store().update_container(&id, "{}").unwrap();
    world.reopen().await;
    assert!(world.engine.inspect_container("s").is_err());
    assert_eq!(world.network.connected(), [id.as_str()]);
    world.store().update_container(&id, &whole).unwrap();
    world.reopen().await;
    assert_eq!(world.status("s"), "running");
    within(world.engine.kill_container("s", None))
        .await
        .unwrap();
    world.assert_nothing_left().await;
}

#[tokio::test]
async fn a_record_that_cannot_be_read_harms_no_other() {
    let mut world = World::new().await;
    let broken = world.create("broken", &["cmd"]).await;
    world.create("whole", &["cmd"]).await;
    world.store().update_container(&broken, "{}").unwrap();
    world.reopen().await;
    assert_eq!(world.status("whole"), "created");
}

fn document() -> hcs::ComputeSystem {
    serde_json::from_str(
        r#"{"Owner":"porthole","SchemaVersion":{"Major":2,"Minor":5},
            "Container":{"Storage":{"Layers":[{"Id":"a","Path":"/l"}],"Path":"/s"}}}"#,
    )
    .unwrap()
}

fn settings() -> SystemSettings {
    SystemSettings {
        os_version: None,
        wine_build: "10.0/1/win64".to_owned(),
        user: SiloUser::ContainerUser,
        network_namespace: None,
        dns: SiloDns::default(),
        published_ports: Vec::new(),
        directories: Vec::new(),
        temporary_directories: Vec::new(),
        resource_limits: Vec::new(),
        time_zone: None,
        pids: None,
    }
}

fn record(world: &World, name: &str) -> Value {
    let id = &world.engine.inspect_container(name).unwrap().id;
    serde_json::from_str(&world.store().container(id).unwrap().document).unwrap()
}

fn rewrite(world: &World, record: &Value) {
    let id = record["id"].as_str().unwrap();
    world
        .store()
        .update_container(id, &record.to_string())
        .unwrap();
}

/// As if the engine had ended when the record said so.
fn rewrite_phase(world: &World, name: &str, phase: &str) {
    let mut record = record(world, name);
    record["state"]["phase"] = phase.into();
    record["state"]["started_at"] = Value::Null;
    rewrite(world, &record);
}
