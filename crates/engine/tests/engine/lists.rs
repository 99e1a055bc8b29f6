//! Lists of containers, and what is told of the engine itself.

use porthole_engine::container::list::ListContainers;
use porthole_engine::fake::BUILD;
use porthole_engine::filter::Filters;

use crate::support::{IMAGE, World, request, within};

/// Filters, whether all are wanted, and the names that are expected.
type Case = (
    &'static [(&'static str, &'static str)],
    bool,
    &'static [&'static str],
);

#[tokio::test]
async fn lists_follow_dockers_filters() {
    let world = World::new().await;
    world.create("one", &["ping", "-t", "x"]).await;
    let mut two = request("two", &["cmd", "/c", "exit", "7"]);
    two.config
        .labels
        .insert("tier".to_owned(), "front".to_owned());
    world.create_with(two).await.unwrap();
    world.create("three", &["cmd"]).await;
    world.start("one").await.unwrap();
    world.start("two").await.unwrap();
    world.wait("two").await;
    let cases: &[Case] = &[
        (&[], false, &["one"]),
        (&[], true, &["three", "two", "one"]),
        (&[("label", "tier=front")], true, &["two"]),
        (&[("status", "created")], false, &["three"]),
        (&[("exited", "7")], false, &["two"]),
        (&[("name", "o")], true, &["two", "one"]),
        (&[("before", "two")], true, &["one"]),
        (&[("since", "one")], true, &["three", "two"]),
        (&[("ancestor", IMAGE)], true, &["three", "two", "one"]),
        (&[("ancestor", "other")], true, &[]),
        (&[("network", "nat")], false, &["one"]),
    ];
    for (filters, all, expected) in cases {
        let filters = Filters(
            filters
                .iter()
                .map(|(name, value)| ((*name).to_owned(), vec![(*value).to_owned()]))
                .collect(),
        );
        let options = ListContainers {
            all: *all,
            filters: filters.clone(),
            ..ListContainers::default()
        };
        let list = within(world.engine.list_containers(options)).await.unwrap();
        let names: Vec<_> = list
            .iter()
            .map(|summary| summary.container.name.as_str())
            .collect();
        assert_eq!(names, *expected, "{filters:?}");
    }
    let options = ListContainers {
        limit: Some(1),
        ..ListContainers::default()
    };
    let list = within(world.engine.list_containers(options)).await.unwrap();
    assert_eq!(
        (list.len(), list[0].status.as_str(), list[0].image.as_str()),
        (1, "Created", IMAGE)
    );
    assert_eq!(list[0].size, None);
    let filters = Filters([("colour".to_owned(), vec!["red".to_owned()])].into());
    let options = ListContainers {
        filters,
        ..ListContainers::default()
    };
    let error = within(world.engine.list_containers(options))
        .await
        .unwrap_err();
    assert_eq!(error.to_string(), "invalid filter 'colour'");
}

#[tokio::test]
async fn a_list_with_sizes_counts_what_each_container_wrote() {
    let world = World::new().await;
    let id = world.create("one", &["cmd"]).await;
    let upper = world.store().container_directory(&id).upper();
    std::fs::write(upper.join("file"), "12345").unwrap();
    let options = ListContainers {
        all: true,
        size: true,
        ..ListContainers::default()
    };
    let list = within(world.engine.list_containers(options)).await.unwrap();
    let size = list[0].size.unwrap();
    assert_eq!((size.own, size.total), (5, 1005));
}

#[tokio::test]
async fn info_tells_the_kernel_package_that_is_there_now() {
    let world = World::new().await;
    let kernel = async || within(world.engine.info()).await.unwrap().wine_build;
    assert_eq!(kernel().await.as_deref(), Some(BUILD));
    world.installation.install(None);
    assert_eq!(kernel().await, None);
    world.installation.install(Some("10.1/2/wow64"));
    assert_eq!(kernel().await.as_deref(), Some("10.1/2/wow64"));
}
