//! Local images.

use crate::support::{IMAGE, World, within};
use porthole_engine::ErrorKind;
use porthole_engine::container::remove::RemoveContainer;
use porthole_engine::filter::Filters;
use porthole_engine::image::{RemoveImage, RemovedImage};

const FORCE: RemoveImage = RemoveImage { force: true };

async fn remove(
    world: &World,
    name: &str,
    options: RemoveImage,
) -> Result<Vec<RemovedImage>, String> {
    let removed = within(world.engine.remove_image(name, options)).await;
    removed.map_err(|error| {
        assert_eq!(error.kind(), ErrorKind::Conflict, "{error}");
        error.to_string()
    })
}

#[tokio::test]
async fn an_image_is_found_by_name_and_id() {
    let world = World::new().await;
    let by_name = within(world.engine.inspect_image(IMAGE)).await.unwrap();
    assert_eq!(by_name.repo_tags, ["porthole/nanoserver:latest"]);
    assert_eq!(
        (by_name.os.as_str(), by_name.os_version.as_str()),
        ("windows", "10.0.20348.1")
    );
    assert_eq!(by_name.config.user, "ContainerUser");
    let short = &by_name.id["sha256:".len()..][..12];
    assert_eq!(
        within(world.engine.inspect_image(short)).await.unwrap(),
        by_name
    );
    let error = within(world.engine.inspect_image("porthole/none"))
        .await
        .unwrap_err();
    assert_eq!(
        (error.kind(), error.to_string().as_str()),
        (ErrorKind::NotFound, "No such image: porthole/none:latest")
    );
    let history = within(world.engine.image_history(IMAGE)).await.unwrap();
    assert_eq!((history.len(), history[0].size), (1, 1000));
    assert_eq!(history[0].id, by_name.id);
}

#[tokio::test]
async fn lists_follow_dockers_filters() {
    let world = World::new().await;
    world.import(&["other/app:1", "other/app:2"], b"another layer");
    world.import(&[], b"nameless layer");
    let cases: &[(&[(&str, &str)], usize)] = &[
        (&[], 3),
        (&[("dangling", "true")], 1),
        (&[("dangling", "false")], 2),
        (&[("reference", "other/*")], 1),
        (&[("reference", "porthole/nanoserver")], 1),
        (&[("label", "io.porthole.wine-build=10.0/1/win64")], 3),
        (&[("label", "none")], 0),
        (&[("before", IMAGE)], 0),
    ];
    for (filters, expected) in cases {
        let filters = Filters(
            filters
                .iter()
                .map(|(name, value)| ((*name).to_owned(), vec![(*value).to_owned()]))
                .collect(),
        );
        let images = within(world.engine.list_images(filters.clone(), false))
            .await
            .unwrap();
        assert_eq!(images.len(), *expected, "{filters:?}");
    }
}

#[tokio::test]
async fn removing_the_last_name_removes_the_image() {
    let world = World::new().await;
    let id = world.import(&["other/app:1", "other/app:2"], b"another layer");
    let removed = remove(&world, "other/app:1", RemoveImage::default())
        .await
        .unwrap();
    assert_eq!(removed, [RemovedImage::Untagged("other/app:1".to_owned())]);
    let removed = remove(&world, "other/app:2", RemoveImage::default())
        .await
        .unwrap();
    assert_eq!(
        removed[..2],
        [
            RemovedImage::Untagged("other/app:2".to_owned()),
            RemovedImage::Deleted(id)
        ]
    );
    assert_eq!(removed.len(), 3);
    assert!(
        within(world.engine.inspect_image("other/app:2"))
            .await
            .is_err()
    );
}

#[tokio::test]
async fn an_image_with_several_names_is_removed_by_id_only_by_force() {
    let world = World::new().await;
    let id = world.import(&["other/app:1", "second/app:1"], b"another layer");
    let refused = remove(&world, &id, RemoveImage::default())
        .await
        .unwrap_err();
    assert!(
        refused.contains("(must be forced) - image is referenced in multiple repositories"),
        "{refused}"
    );
    assert_eq!(remove(&world, &id, FORCE).await.unwrap().len(), 4);
}

#[tokio::test]
async fn containers_keep_their_image() {
    let world = World::new().await;
    let container = world.create("c1", &["ping", "-t", "x"]).await;
    let id = within(world.engine.inspect_image(IMAGE)).await.unwrap().id;
    let refused = remove(&world, IMAGE, RemoveImage::default())
        .await
        .unwrap_err();
    assert_eq!(
        refused,
        format!(
            "conflict: unable to remove repository reference \"{IMAGE}\" (must force) - container {} is using \
             its referenced image {}",
            &container[..12],
            &id["sha256:".len()..][..12]
        )
    );
    let refused = remove(&world, &id, RemoveImage::default())
        .await
        .unwrap_err();
    assert!(
        refused.contains("(must be forced) - image is being used by stopped container"),
        "{refused}"
    );
    world.start("c1").await.unwrap();
    let refused = remove(&world, &id, FORCE).await.unwrap_err();
    assert!(
        refused.contains("(cannot be forced) - image is being used by running container"),
        "{refused}"
    );
    // By its name it only loses the name.
    let removed = remove(&world, IMAGE, FORCE).await.unwrap();
    assert_eq!(removed, [RemovedImage::Untagged(format!("{IMAGE}:latest"))]);
    let force = RemoveContainer { force: true };
    within(world.engine.remove_container("c1", force))
        .await
        .unwrap();
    remove(&world, &id, RemoveImage::default()).await.unwrap();
    assert!(
        within(world.engine.list_images(Filters::none(), false))
            .await
            .unwrap()
            .is_empty()
    );
}

#[tokio::test]
async fn a_container_runs_on_after_its_image_was_removed_by_force() {
    let world = World::new().await;
    world.create("c1", &["cmd", "/c", "exit", "3"]).await;
    remove(&world, IMAGE, FORCE).await.unwrap();
    world.start("c1").await.unwrap();
    assert_eq!(world.wait("c1").await.exit_code, 3);
}

#[tokio::test]
async fn an_image_gets_further_names() {
    let world = World::new().await;
    let id = world.import(&["other/app:1"], b"another layer");
    let tag = async |name: &str, repository: &str, tag: Option<&str>| {
        within(world.engine.tag_image(name, repository, tag)).await
    };
    tag(IMAGE, "other/app", Some("1")).await.unwrap();
    tag("other/app:1", "r.example:5000/app", None)
        .await
        .unwrap();
    tag(IMAGE, "porthole/nanoserver:kept", None).await.unwrap();
    let names = within(world.engine.inspect_image(IMAGE)).await.unwrap();
    assert_eq!(
        names.repo_tags,
        [
            "other/app:1",
            "porthole/nanoserver:kept",
            "porthole/nanoserver:latest",
            "r.example:5000/app:latest"
        ]
    );
    assert_eq!(
        world.events(&["name"]).await,
        [
            "image tag name=other/app:1",
            "image tag name=r.example:5000/app:latest",
            "image tag name=porthole/nanoserver:kept"
        ]
    );
    // The image that had the name is still there, and has none.
    let other = within(world.engine.inspect_image(&id)).await.unwrap();
    assert_eq!(other.repo_tags, [""; 0]);
    for (name, repository, wanted, kind, words) in [
        (
            IMAGE,
            "Upper",
            None,
            ErrorKind::InvalidParameter,
            "lowercase",
        ),
        (
            IMAGE,
            "x",
            Some("-"),
            ErrorKind::InvalidParameter,
            "invalid",
        ),
        (IMAGE, "", None, ErrorKind::InvalidParameter, "invalid"),
        (
            IMAGE,
            "sha256",
            None,
            ErrorKind::InvalidParameter,
            "ambiguous",
        ),
        (
            "none",
            "x",
            None,
            ErrorKind::NotFound,
            "No such image: none",
        ),
        (
            &id,
            "porthole/nanoserver",
            None,
            ErrorKind::Forbidden,
            "built on",
        ),
        (
            IMAGE,
            "porthole/mine",
            None,
            ErrorKind::Forbidden,
            "built on",
        ),
    ] {
        let error = tag(name, repository, wanted).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{error}");
        assert!(error.to_string().contains(words), "{error}");
    }
}
