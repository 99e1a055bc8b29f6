//! Removing what nothing uses, and how much space everything takes.

use porthole_engine::filter::Filters;
use porthole_engine::image::RemovedImage;
use porthole_engine::usage::Wanted;

use crate::support::{IMAGE, World, request, within};

fn filters(pairs: &[(&str, &str)]) -> Filters {
    let pairs = pairs.iter();
    Filters(
        pairs
            .map(|(name, value)| ((*name).to_owned(), vec![(*value).to_owned()]))
            .collect(),
    )
}

#[tokio::test]
async fn containers_that_do_not_run_are_pruned() {
    let world = World::new().await;
    world.know_server();
    world.create("runs", &["server.exe"]).await;
    world.start("runs").await.unwrap();
    let mut kept = request("kept", &["cmd"]);
    kept.config.labels.insert("keep".to_owned(), String::new());
    world.create_with(kept).await.unwrap();
    let gone = world.create("gone", &["cmd"]).await;
    let prune = |pairs| within(world.engine.prune_containers(filters(pairs)));

    assert_eq!(prune(&[("until", "1h")]).await.unwrap().removed, [""; 0]);
    let wrong = prune(&[("name", "gone")]).await.unwrap_err();
    assert_eq!(wrong.to_string(), "invalid filter 'name'");
    let wrong = prune(&[("until", "soon")]).await.unwrap_err();
    assert_eq!(wrong.to_string(), "invalid filter 'until=soon'");
    assert_eq!(prune(&[("label!", "keep")]).await.unwrap().removed, [gone]);
    assert_eq!(
        (world.status("runs"), world.status("kept")),
        ("running", "created")
    );
    assert_eq!(prune(&[]).await.unwrap().removed.len(), 1);
    let events = world.events(&["reclaimed"]).await;
    assert!(
        events.iter().any(|event| event.contains("prune")),
        "{events:?}"
    );
}

#[tokio::test]
async fn images_are_pruned_when_no_container_is_made_from_them() {
    let world = World::new().await;
    world.create("user", &["cmd"]).await;
    let unused = world.import(&["unused:1"], b"another layer");
    let prune = |pairs| within(world.engine.prune_images(filters(pairs)));
    assert_eq!(prune(&[]).await.unwrap().removed, []);

    let wanted = Wanted {
        images: true,
        containers: true,
    };
    let usage = within(world.engine.usage(wanted)).await.unwrap();
    assert_eq!((usage.images.len(), usage.containers.len()), (2, 1));
    assert!(usage.layers > 0 && usage.containers[0].size.is_some());

    let pruned = prune(&[("dangling", "false")]).await.unwrap();
    assert!(
        pruned.removed.contains(&RemovedImage::Deleted(unused)),
        "{pruned:?}"
    );
    assert!(pruned.reclaimed > 0);
    within(world.engine.inspect_image(IMAGE)).await.unwrap();
}
