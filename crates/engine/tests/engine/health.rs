//! Health checks.

use std::time::Duration;

use crate::support::{World, eventually, request, within};
use porthole_compute_service::fake::Program;
use porthole_engine::container::health::{Health, HealthCheck, HealthStatus};
use porthole_engine::container::list::ListContainers;
use porthole_engine::container::stop::StopContainer;
use porthole_engine::filter::Filters;

const MILLISECOND: i64 = 1_000_000;

/// A probe every few milliseconds.
fn check(test: &[&str]) -> HealthCheck {
    HealthCheck {
        test: test.iter().map(|word| (*word).to_owned()).collect(),
        interval: 20 * MILLISECOND,
        ..HealthCheck::default()
    }
}

async fn start(world: &World, check: HealthCheck) -> String {
    world.know_server();
    let mut checked = request("s", &["server.exe"]);
    checked.config.healthcheck = Some(check);
    let id = world.create_with(checked).await.unwrap();
    world.start("s").await.unwrap();
    id
}

fn health(world: &World) -> Health {
    let container = world.engine.inspect_container("s").unwrap();
    container.state.health.clone().unwrap()
}

async fn until(world: &World, status: HealthStatus) {
    eventually(|| health(world).status == status).await;
}

/// What a list says of the container, and whether a filter finds it.
async fn listed(world: &World, wanted: &str) -> (bool, String) {
    let all = |filters| ListContainers {
        all: true,
        filters,
        ..ListContainers::default()
    };
    let filters = Filters([("health".to_owned(), vec![wanted.to_owned()])].into());
    let found = within(world.engine.list_containers(all(filters)))
        .await
        .unwrap();
    let rows = within(world.engine.list_containers(all(Filters::none())))
        .await
        .unwrap();
    let status = rows[0].status.rsplit_once(" (").map(|(_, rest)| rest);
    (found.len() == 1, status.unwrap_or_default().to_owned())
}

#[tokio::test]
async fn a_probe_that_does_not_die_does_not_keep_its_failure_back() {
    let world = World::new().await;
    let hangs = Program::new().await_signal().undying();
    world.script.program("hangs.exe", hangs);
    let check = HealthCheck {
        timeout: 20 * MILLISECOND,
        retries: 1,
        ..check(&["CMD", "hangs.exe"])
    };
    start(&world, check).await;
    until(&world, HealthStatus::Unhealthy).await;
}

#[tokio::test]
async fn probes_tell_health_and_its_changes_are_events() {
    let world = World::new().await;
    let probe = |code| Program::new().print("told\r\n").exit(code);
    world.script.program("cmd /S /C \"probe || x\"", probe(3));
    start(&world, check(&["CMD-SHELL", "probe || x"])).await;
    until(&world, HealthStatus::Unhealthy).await;
    assert_eq!(
        listed(&world, "unhealthy").await,
        (true, "unhealthy)".to_owned())
    );
    let failed = health(&world);
    assert!(failed.failing_streak >= 3, "{failed:?}");
    let last = failed.log.last().unwrap();
    assert_eq!((last.exit_code, last.output.as_str()), (3, "told\r\n"));

    world.script.program("cmd /S /C \"probe || x\"", probe(0));
    until(&world, HealthStatus::Healthy).await;
    eventually(|| health(&world).log.len() == 5).await;
    assert_eq!(health(&world).failing_streak, 0);
    assert_eq!(
        listed(&world, "healthy").await,
        (true, "healthy)".to_owned())
    );
    let events = world.events(&["exitCode"]).await;
    for event in [
        "container exec_create: cmd /S /C probe || x",
        "container exec_start: cmd /S /C probe || x",
        "container exec_die exitCode=3",
        "container health_status: unhealthy",
        "container health_status: healthy",
    ] {
        assert!(events.iter().any(|it| it == event), "{event}: {events:?}");
    }
    let container = world.engine.inspect_container("s").unwrap();
    assert!(container.execs.is_empty());
}

#[tokio::test]
async fn a_probe_that_takes_too_long_is_ended() {
    let world = World::new().await;
    let slow = Program::new().print("wait").sleep(Duration::from_secs(600));
    world.script.program("slow.exe", slow);
    let limited = HealthCheck {
        timeout: 20 * MILLISECOND,
        retries: 1,
        ..check(&["CMD", "slow.exe"])
    };
    start(&world, limited).await;
    until(&world, HealthStatus::Unhealthy).await;
    let told = health(&world).log[0].clone();
    assert_eq!(told.exit_code, -1);
    assert!(
        told.output
            .starts_with("Health check exceeded timeout (20ms)"),
        "{told:?}"
    );
    within(world.engine.stop_container("s", StopContainer::default()))
        .await
        .unwrap();
    world.assert_nothing_left().await;
}

#[tokio::test]
async fn a_probe_that_cannot_be_started_is_a_failure_that_tells_why() {
    let world = World::new().await;
    start(&world, check(&["CMD", "missing.exe"])).await;
    assert_eq!(
        listed(&world, "starting").await,
        (true, "health: starting)".to_owned())
    );
    eventually(|| !health(&world).log.is_empty()).await;
    let told = health(&world).log[0].clone();
    assert_eq!(told.exit_code, -1);
    assert!(told.output.contains("cannot find the file"), "{told:?}");
}

#[tokio::test]
async fn nobody_probes_a_container_that_is_paused_or_has_ended() {
    let world = World::new().await;
    world.script.program("ok.exe", Program::new());
    start(&world, check(&["CMD", "ok.exe"])).await;
    until(&world, HealthStatus::Healthy).await;
    within(world.engine.pause_container("s")).await.unwrap();
    let paused = health(&world);
    assert_eq!(paused.status, HealthStatus::Unhealthy);
    within(world.engine.unpause_container("s")).await.unwrap();
    until(&world, HealthStatus::Healthy).await;
    within(world.engine.stop_container("s", StopContainer::default()))
        .await
        .unwrap();
    assert_eq!(health(&world).status, HealthStatus::Unhealthy);
    world.start("s").await.unwrap();
    until(&world, HealthStatus::Healthy).await;
}

#[tokio::test]
async fn the_next_engine_goes_on_probing() {
    let mut world = World::new().await;
    world.script.program("probe.exe", Program::new().exit(1));
    start(&world, check(&["CMD", "probe.exe"])).await;
    until(&world, HealthStatus::Unhealthy).await;
    world.reopen().await;
    world.script.program("probe.exe", Program::new());
    until(&world, HealthStatus::Healthy).await;
}

#[tokio::test]
async fn health_is_not_checked_unless_it_is_asked_for() {
    let world = World::new().await;
    start(&world, check(&["NONE"])).await;
    let container = world.engine.inspect_container("s").unwrap();
    assert_eq!(container.state.health, None);
    assert!(listed(&world, "none").await.0);
    let mut wrong = request("w", &["server.exe"]);
    wrong.config.healthcheck = Some(HealthCheck {
        interval: 1,
        ..check(&["CMD", "x"])
    });
    let refused = world.create_with(wrong).await.unwrap_err();
    assert_eq!(
        refused.to_string(),
        "Interval in Healthcheck cannot be less than 1ms"
    );
}
