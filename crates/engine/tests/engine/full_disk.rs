//! A store that cannot be written for a while, as on a full disk.

use porthole_compute_service::fake::Program;
use porthole_engine::container::config::RestartPolicy;
use porthole_engine::container::remove::RemoveContainer;
use porthole_engine::container::stop::StopContainer;

use crate::support::{World, eventually, request, within};

async fn running(policy: RestartPolicy) -> World {
    let world = World::new().await;
    world.know_server();
    let mut request = request("s", &["server.exe"]);
    request.host.restart = policy;
    world.create_with(request).await.unwrap();
    world.start("s").await.unwrap();
    world
}

#[tokio::test]
async fn what_fills_the_disk_can_be_stopped_and_killed() {
    let world = running(RestartPolicy::Always).await;
    let full = world.fill_disk();
    within(world.engine.stop_container("s", StopContainer::default()))
        .await
        .unwrap();
    assert_eq!(world.status("s"), "exited");
    drop(full);
    world.start("s").await.unwrap();
    let full = world.fill_disk();
    within(world.engine.kill_container("s", None))
        .await
        .unwrap();
    assert_eq!(world.status("s"), "exited");
    drop(full);
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
async fn a_removal_by_force_ends_it_and_can_be_tried_again() {
    let world = running(RestartPolicy::No).await;
    let full = world.fill_disk();
    let forced = RemoveContainer { force: true };
    let refused = within(world.engine.remove_container("s", forced)).await;
    let reason = refused.unwrap_err().to_string();
    assert!(reason.contains("cannot remove container"), "{reason}");
    assert_eq!(world.status("s"), "exited");
    drop(full);
    within(world.engine.remove_container("s", forced))
        .await
        .unwrap();
    world.assert_nothing_left().await;
}

#[tokio::test]
async fn an_end_that_could_not_be_saved_is_found_by_the_next_engine() {
    let mut world = running(RestartPolicy::No).await;
    let full = world.fill_disk();
    within(world.engine.stop_container("s", StopContainer::default()))
        .await
        .unwrap();
    assert_eq!(world.wait("s").await.exit_code, 5);
    drop(full);
    world.reopen().await;
    let outcome = world.wait("s").await;
    assert_eq!((outcome.exit_code, outcome.error), (5, None));
    world.assert_nothing_left().await;
}

#[tokio::test]
async fn what_is_left_of_an_unsaved_end_gives_way_to_a_start() {
    let world = running(RestartPolicy::No).await;
    let full = world.fill_disk();
    within(world.engine.stop_container("s", StopContainer::default()))
        .await
        .unwrap();
    drop(full);
    world.start("s").await.unwrap();
    within(world.engine.kill_container("s", None))
        .await
        .unwrap();
    world.assert_nothing_left().await;
}

#[tokio::test]
async fn a_policy_goes_on_when_there_is_room_again() {
    let world = World::new().await;
    world.script.program("fails.exe", Program::new().exit(3));
    let mut request = request("f", &["fails.exe"]);
    request.host.restart = RestartPolicy::Always;
    world.create_with(request).await.unwrap();
    world.start("f").await.unwrap();
    let restarts = || world.engine.inspect_container("f").unwrap().restarts;
    eventually(|| restarts() > 0).await;
    let full = world.fill_disk();
    // At most the end of one run, and one start after another.
    eventually(|| full.refused() > 3).await;
    drop(full);
    let before = restarts();
    eventually(|| restarts() > before).await;
    within(world.engine.stop_container("f", StopContainer::default()))
        .await
        .ok();
}
