//! Files that are copied while a container starts, ends and goes.

use std::io;
use std::time::Duration;

use bytes::Bytes;
use futures::{StreamExt, stream};
use porthole_engine::ErrorKind;
use porthole_engine::container::remove::RemoveContainer;

use crate::support::{World, within};

/// Far more than is under way at once.
const LARGE: usize = 32 << 20;

async fn world() -> (World, std::path::PathBuf) {
    let world = World::new().await;
    world.know_server();
    let id = world.create("s", &["server.exe"]).await;
    let drive = world.script.drive(&id).unwrap();
    std::fs::write(drive.join("large"), vec![1; LARGE]).unwrap();
    (world, drive)
}

#[tokio::test]
async fn a_start_waits_for_a_copy() {
    let (world, _drive) = world().await;
    let (stat, mut archive) = within(world.engine.read_archive("s", "/LARGE"))
        .await
        .unwrap();
    assert_eq!((&*stat.name, stat.stat.size), ("LARGE", LARGE as u64));
    let engine = world.engine.clone();
    let starting = tokio::spawn(async move { engine.start_container("s").await });
    let mut bytes = 0;
    while let Some(piece) = within(archive.next()).await {
        assert_eq!(world.status("s"), "created");
        bytes += piece.unwrap().len();
    }
    assert!(bytes > LARGE);
    within(starting).await.unwrap().unwrap();
    assert_eq!(world.status("s"), "running");
    // And the next copy for no start: it is of what runs.
    let stat = within(world.engine.stat_path("s", r"C:\large"))
        .await
        .unwrap();
    assert_eq!(stat.stat.size, LARGE as u64);
}

#[tokio::test]
async fn a_removal_breaks_copies_off() {
    let (world, _drive) = world().await;
    let (_, mut out) = within(world.engine.read_archive("s", "large"))
        .await
        .unwrap();
    let engine = world.engine.clone();
    let into = tokio::spawn(async move {
        let endless = stream::pending::<io::Result<Bytes>>();
        engine.write_archive("s", "/", true, endless).await
    });
    // Both are under way.
    within(out.next()).await.unwrap().unwrap();
    tokio::task::yield_now().await;
    within(
        world
            .engine
            .remove_container("s", RemoveContainer::default()),
    )
    .await
    .unwrap();
    let broken = within(into).await.unwrap().unwrap_err();
    assert!(
        matches!(broken.kind(), ErrorKind::Conflict | ErrorKind::NotFound),
        "{broken}"
    );
    let mut last = None;
    while let Some(piece) = within(out.next()).await {
        last = Some(piece);
    }
    assert!(
        last.is_some_and(|last| last.is_err()),
        "the archive seems whole"
    );
    let gone = within(world.engine.stat_path("s", "/")).await.unwrap_err();
    assert_eq!(gone.kind(), ErrorKind::NotFound);
}

#[tokio::test]
async fn a_client_that_leaves_ends_its_copy() {
    let (world, drive) = world().await;
    let (_, out) = within(world.engine.read_archive("s", "large"))
        .await
        .unwrap();
    drop(out);
    let broken = stream::iter([Err(io::Error::other("the client has left"))]);
    let refused = within(world.engine.write_archive("s", "/", true, broken)).await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::InvalidParameter);
    let endless = stream::pending::<io::Result<Bytes>>();
    let left = tokio::time::timeout(
        Duration::from_millis(1),
        world.engine.write_archive("s", "/", true, endless),
    );
    assert!(left.await.is_err());
    world.start("s").await.unwrap();
    assert_eq!(std::fs::read_dir(drive).unwrap().count(), 1);
}
