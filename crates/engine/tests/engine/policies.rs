//! Restart policies.

use crate::support::{World, eventually, request, within};
use porthole_compute_service::fake::Program;
use porthole_engine::ErrorKind;
use porthole_engine::container::config::RestartPolicy;
use porthole_engine::container::remove::RemoveContainer;
use porthole_engine::container::stop::StopContainer;
use porthole_engine::container::update::UpdateContainer;

async fn create(world: &World, name: &str, program: &str, restart: RestartPolicy) {
    let mut request = request(name, &[program]);
    request.host.restart = restart;
    world.create_with(request).await.unwrap();
}

fn restarts(world: &World, name: &str) -> u32 {
    world.engine.inspect_container(name).unwrap().restarts
}

#[tokio::test]
async fn a_failing_program_is_started_as_often_as_was_said() {
    let world = World::new().await;
    world.script.program("fails.exe", Program::new().exit(3));
    create(&world, "f", "fails.exe", RestartPolicy::OnFailure(2)).await;
    world.start("f").await.unwrap();
    assert_eq!(world.wait("f").await.exit_code, 3);
    assert_eq!((world.status("f"), restarts(&world, "f")), ("exited", 2));
    let starts = world.events(&[]).await;
    let starts = starts.iter().filter(|event| *event == "container start");
    assert_eq!(starts.count(), 3);
    // A client's start counts from the beginning.
    world.start("f").await.unwrap();
    assert_eq!(restarts(&world, "f"), 0);
    world.wait("f").await;
}

#[tokio::test]
async fn success_is_no_failure() {
    let world = World::new().await;
    world.script.program("works.exe", Program::new().exit(0));
    create(&world, "w", "works.exe", RestartPolicy::OnFailure(0)).await;
    world.start("w").await.unwrap();
    assert_eq!(world.wait("w").await.exit_code, 0);
    assert_eq!(restarts(&world, "w"), 0);
}

#[tokio::test]
async fn what_a_client_ends_stays_ended() {
    let world = World::new().await;
    world.know_server();
    for policy in [RestartPolicy::Always, RestartPolicy::UnlessStopped] {
        create(&world, "s", "server.exe", policy).await;
        world.start("s").await.unwrap();
        within(world.engine.stop_container("s", StopContainer::default()))
            .await
            .unwrap();
        assert_eq!(world.status("s"), "exited");
        world.start("s").await.unwrap();
        within(world.engine.kill_container("s", None))
            .await
            .unwrap();
        assert_eq!((world.status("s"), restarts(&world, "s")), ("exited", 0));
        world.start("s").await.unwrap();
        let forced = RemoveContainer { force: true };
        within(world.engine.remove_container("s", forced))
            .await
            .unwrap();
    }
    world.assert_nothing_left().await;
}

#[tokio::test]
async fn one_between_two_runs_can_be_stopped_and_removed() {
    let world = World::new().await;
    world.script.program("fails.exe", Program::new().exit(3));
    create(&world, "a", "fails.exe", RestartPolicy::Always).await;
    world.start("a").await.unwrap();
    eventually(|| world.status("a") == "restarting" && restarts(&world, "a") > 1).await;
    let removed = world
        .engine
        .remove_container("a", RemoveContainer::default());
    let refused = within(removed).await.unwrap_err();
    assert!(
        refused
            .to_string()
            .contains("container is restarting: stop the container"),
        "{refused}"
    );
    within(world.engine.stop_container("a", StopContainer::default()))
        .await
        .unwrap();
    assert_eq!(world.status("a"), "exited");
    let again = world.engine.stop_container("a", StopContainer::default());
    assert_eq!(
        within(again).await.unwrap_err().kind(),
        ErrorKind::NotModified
    );

    world.start("a").await.unwrap();
    eventually(|| world.status("a") == "restarting").await;
    let forced = RemoveContainer { force: true };
    within(world.engine.remove_container("a", forced))
        .await
        .unwrap();
    world.assert_nothing_left().await;
}

#[tokio::test]
async fn the_next_engine_starts_what_should_run() {
    let mut world = World::new().await;
    world.know_server();
    world.script.program("once.exe", Program::new().exit(1));
    let policies = [
        ("always", RestartPolicy::Always),
        ("unless", RestartPolicy::UnlessStopped),
        ("no", RestartPolicy::No),
    ];
    for (name, policy) in policies {
        create(&world, name, "server.exe", policy).await;
        world.start(name).await.unwrap();
        within(world.engine.stop_container(name, StopContainer::default()))
            .await
            .unwrap();
    }
    create(&world, "never", "server.exe", RestartPolicy::Always).await;
    create(&world, "ended", "once.exe", RestartPolicy::No).await;
    world.start("ended").await.unwrap();
    world.wait("ended").await;
    // As if its engine had ended before it could start it again: nobody else starts it.
    let policy = UpdateContainer {
        restart: Some(RestartPolicy::UnlessStopped),
        ..UpdateContainer::default()
    };
    within(world.engine.update_container("ended", policy))
        .await
        .unwrap();
    world
        .script
        .program("once.exe", Program::new().await_signal());
    world.reopen().await;
    eventually(|| world.status("always") == "running").await;
    eventually(|| world.status("ended") == "running").await;
    assert_eq!(world.status("unless"), "exited");
    assert_eq!(world.status("no"), "exited");
    assert_eq!(world.status("never"), "created");
}

#[tokio::test]
async fn a_policy_and_automatic_removal_exclude_each_other() {
    let world = World::new().await;
    let mut request = request("x", &["cmd"]);
    request.host.restart = RestartPolicy::Always;
    request.host.auto_remove = true;
    let refused = world.create_with(request).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::InvalidParameter);
}

#[tokio::test]
async fn a_signal_that_is_none_ends_nothing_and_no_policy() {
    let world = World::new().await;
    world.know_server();
    create(&world, "s", "server.exe", RestartPolicy::Always).await;
    world.start("s").await.unwrap();
    let wrong = || StopContainer {
        signal: Some("BOGUS".to_owned()),
        timeout: None,
    };
    for refused in [
        within(world.engine.stop_container("s", wrong())).await,
        within(world.engine.restart_container("s", wrong())).await,
    ] {
        assert_eq!(refused.unwrap_err().kind(), ErrorKind::InvalidParameter);
    }
    let container = world.engine.inspect_container("s").unwrap();
    assert!(container.state.is_running() && !container.ended_by_client);
}
