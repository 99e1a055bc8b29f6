//! Limits of what a container may use.

use crate::support::{World, request, within};
use porthole_engine::container::config::RestartPolicy;
use porthole_engine::container::resources::Resources;
use porthole_engine::container::stop::StopContainer;
use porthole_engine::container::update::UpdateContainer;
use porthole_engine::{Error, ErrorKind};

#[tokio::test]
async fn limits_reach_the_compute_service() {
    let world = World::new().await;
    world.know_server();
    let mut limited = request("s", &["server.exe"]);
    limited.host.resources = Resources {
        memory: 64 << 20,
        cpu_shares: 7,
        cpu_percent: 50,
        ..Resources::default()
    };
    let created = within(world.engine.create_container(limited))
        .await
        .unwrap();
    assert_eq!(
        created.warnings,
        [
            "Conflicting options: CPU shares takes priority over CPU percent on Windows Server Containers. CPU percent discarded"
        ]
    );
    world.start("s").await.unwrap();
    let limits = world.script.limits(&created.id).unwrap();
    assert_eq!(
        (limits.memory, limits.processors, limits.processor_weight),
        (Some(64 << 20), None, Some(7))
    );
    let container = world.engine.inspect_container("s").unwrap();
    assert_eq!(container.host.resources.cpu_percent, 0);
}

fn memory(mebibytes: i64) -> UpdateContainer {
    UpdateContainer {
        resources: Resources {
            memory: mebibytes << 20,
            ..Resources::default()
        },
        restart: None,
    }
}

fn shares(cpu_shares: i64) -> UpdateContainer {
    UpdateContainer {
        resources: Resources {
            cpu_shares,
            ..Resources::default()
        },
        restart: None,
    }
}

async fn update(world: &World, update: UpdateContainer) -> Result<Vec<String>, Error> {
    within(world.engine.update_container("s", update)).await
}

#[tokio::test]
async fn limits_change_live_and_stay_for_the_next_start() {
    let world = World::new().await;
    world.know_server();
    let id = world.create("s", &["server.exe"]).await;
    update(&world, memory(64)).await.unwrap();
    world.start("s").await.unwrap();
    assert_eq!(world.script.limits(&id).unwrap().memory, Some(64 << 20));
    update(&world, memory(128)).await.unwrap();
    update(&world, shares(9)).await.unwrap();
    within(
        world
            .engine
            .restart_container("s", StopContainer::default()),
    )
    .await
    .unwrap();
    let limits = world.script.limits(&id).unwrap();
    assert_eq!(
        (limits.memory, limits.processor_weight),
        (Some(128 << 20), Some(9))
    );
    let events = world.events(&[]).await;
    let updates = events.iter().filter(|event| *event == "container update");
    assert_eq!(updates.count(), 3);
}

#[tokio::test]
async fn a_change_that_the_host_refuses_changes_nothing() {
    let world = World::new().await;
    world.know_server();
    let id = world.create("s", &["server.exe"]).await;
    update(&world, shares(5)).await.unwrap();
    world.start("s").await.unwrap();
    world.script.refuse_memory_changes();
    let both = UpdateContainer {
        resources: Resources {
            cpu_shares: 6,
            ..memory(64).resources
        },
        restart: Some(RestartPolicy::Always),
    };
    let refused = update(&world, both).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::System);
    assert!(
        refused
            .to_string()
            .starts_with(&format!("Cannot update container {id}: ")),
        "{refused}"
    );
    let limits = world.script.limits(&id).unwrap();
    assert_eq!((limits.memory, limits.processor_weight), (None, Some(5)));
    let host = world.engine.inspect_container("s").unwrap().host.clone();
    assert_eq!(host.resources, shares(5).resources);
    assert_eq!(host.restart, RestartPolicy::No);
}

#[tokio::test]
async fn a_container_that_removes_itself_gets_no_restart_policy() {
    let world = World::new().await;
    let mut own = request("s", &["cmd", "/c", "exit", "0"]);
    own.host.auto_remove = true;
    let id = world.create_with(own).await.unwrap();
    let policy = |restart| UpdateContainer {
        restart: Some(restart),
        ..UpdateContainer::default()
    };
    let refused = update(&world, policy(RestartPolicy::Always))
        .await
        .unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Conflict);
    assert_eq!(
        refused.to_string(),
        format!(
            "Cannot update container {id}: Restart policy cannot be updated because AutoRemove is enabled for the container"
        )
    );
    update(&world, policy(RestartPolicy::No)).await.unwrap();
    let wrong = update(&world, memory(1)).await.unwrap_err();
    assert_eq!(wrong.to_string(), "Minimum memory limit allowed is 6MB");
}

#[tokio::test]
async fn a_restart_policy_that_comes_after_a_stop_respects_it() {
    let mut world = World::new().await;
    world.know_server();
    world.create("s", &["server.exe"]).await;
    world.start("s").await.unwrap();
    within(world.engine.stop_container("s", StopContainer::default()))
        .await
        .unwrap();
    let policy = UpdateContainer {
        restart: Some(RestartPolicy::UnlessStopped),
        ..UpdateContainer::default()
    };
    update(&world, policy).await.unwrap();
    world.reopen().await;
    assert_eq!(world.status("s"), "exited");
}
