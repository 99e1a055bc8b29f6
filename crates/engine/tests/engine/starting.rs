//! Requests that meet a container while it is being started.

use std::sync::Arc;
use std::time::Duration;

use futures::FutureExt;
use porthole_engine::container::remove::RemoveContainer;
use porthole_engine::container::stop::StopContainer;
use porthole_engine::image::RemoveImage;
use porthole_engine::{Engine, Error, ErrorKind};

use crate::support::{IMAGE, World, within};

/// Makes a request while `c` is being started, then lets the start go on.
async fn during_start<F>(world: &World, request: impl FnOnce(Arc<Engine>) -> F) -> Result<(), Error>
where
    F: Future<Output = Result<(), Error>> + Send + 'static,
{
    world.create("c", &["ping", "-t", "x"]).await;
    let held = world.network.hold_up().await;
    let start = world.begin_start("c").await;
    let mut request = tokio::spawn(request(Arc::clone(&world.engine)));
    tokio::time::sleep(Duration::from_millis(20)).await;
    assert!((&mut request).now_or_never().is_none(), "it did not wait");
    drop(held);
    within(start).await.unwrap().unwrap();
    within(request).await.unwrap()
}

#[tokio::test]
async fn a_container_is_removed_by_force() {
    let world = World::new().await;
    let removed = during_start(&world, |engine| async move {
        let force = RemoveContainer { force: true };
        engine.remove_container("c", force).await
    });
    removed.await.unwrap();
    assert!(world.engine.inspect_container("c").is_err());
    world.assert_nothing_left().await;
}

#[tokio::test]
async fn a_container_is_stopped() {
    let world = World::new().await;
    let stopped = during_start(&world, |engine| async move {
        engine.stop_container("c", StopContainer::default()).await
    });
    stopped.await.unwrap();
    assert_eq!(world.status("c"), "exited");
}

#[tokio::test]
async fn a_container_is_killed_and_waited_for() {
    let world = World::new().await;
    let killed = during_start(&world, |engine| async move {
        let waiting = engine.wait_container("c", Default::default()).await?;
        engine.kill_container("c", None).await?;
        waiting.outcome().await.map(drop)
    });
    killed.await.unwrap();
    assert_eq!(world.status("c"), "exited");
}

#[tokio::test]
async fn its_image_is_in_use() {
    let world = World::new().await;
    let id = within(world.engine.inspect_image(IMAGE)).await.unwrap().id;
    world.create("c", &["ping", "-t", "x"]).await;
    let held = world.network.hold_up().await;
    let start = world.begin_start("c").await;
    let force = RemoveImage { force: true };
    let refused = within(world.engine.remove_image(&id, force))
        .await
        .unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Conflict);
    drop(held);
    within(start).await.unwrap().unwrap();
}
