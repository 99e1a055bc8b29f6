//! Lists of containers, and what is told of the engine itself.

use porthole_compute_service::registry::{HiveKind, MountedHive};
use porthole_engine::ErrorKind;
use porthole_engine::container::config::PortBinding;
use porthole_engine::container::list::ListContainers;
use porthole_engine::fake::BUILD;
use porthole_engine::filter::Filters;
use porthole_registry::Key;

use crate::support::{IMAGE, World, request, within};

/// Filters, whether all are wanted, and the names that are expected.
type Case = (
    &'static [(&'static str, &'static str)],
    bool,
    &'static [&'static str],
);

const CASES: &[Case] = &[
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
    (&[("network", "nat-id")], false, &["one"]),
    (&[("network", "blue")], true, &[]),
    (&[("publish", "8000-8100")], true, &["one"]),
    (&[("publish", "80")], true, &[]),
    (&[("expose", "80/tcp")], true, &["one"]),
    (&[("health", "none")], false, &["one"]),
    (&[("is-task", "0")], false, &["one"]),
    (&[("is-task", "true")], true, &[]),
];

#[tokio::test]
async fn lists_follow_dockers_filters() {
    let world = World::new().await;
    let mut one = request("one", &["ping", "-t", "x"]);
    let binding = PortBinding {
        host_ip: String::new(),
        host_port: "8080".to_owned(),
    };
    let bindings = [("80/tcp".parse().unwrap(), vec![binding])];
    one.host.port_bindings = bindings.into();
    world.create_with(one).await.unwrap();
    let mut two = request("two", &["cmd", "/c", "exit", "7"]);
    two.config
        .labels
        .insert("tier".to_owned(), "front".to_owned());
    world.create_with(two).await.unwrap();
    world.create("three", &["cmd"]).await;
    world.start("one").await.unwrap();
    world.start("two").await.unwrap();
    world.wait("two").await;
    for (filters, all, expected) in CASES {
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
}

#[tokio::test]
async fn a_limit_counts_the_newest_running_or_not() {
    let world = World::new().await;
    world.create("one", &["cmd"]).await;
    world.create("two", &["cmd"]).await;
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
}

#[tokio::test]
async fn filters_that_mean_nothing_are_refused_by_name() {
    let world = World::new().await;
    for (name, value, told) in [
        ("colour", "red", "invalid filter 'colour'"),
        ("status", "busy", "invalid filter 'status=busy'"),
        ("health", "fine", "invalid filter 'health=fine'"),
        ("publish", "8080:80", "invalid filter 'publish=8080:80'"),
        ("is-task", "perhaps", "invalid filter 'is-task=perhaps'"),
        ("exited", "x", "invalid filter 'exited=x'"),
    ] {
        let options = ListContainers {
            filters: Filters([(name.to_owned(), vec![value.to_owned()])].into()),
            ..ListContainers::default()
        };
        let error = within(world.engine.list_containers(options))
            .await
            .unwrap_err();
        assert!(error.to_string().starts_with(told), "{error}");
    }
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

#[tokio::test]
async fn files_that_changed_are_listed_whatever_became_of_the_registry() {
    let world = World::new().await;
    world.know_server();
    let id = world.create("s", &["server.exe"]).await;
    world.start("s").await.unwrap();
    let upper = world.store().container_directory(&id).upper();
    std::fs::write(upper.join("new"), "x").unwrap();
    let edit = |path: &str| {
        let software = MountedHive::Image(HiveKind::Software);
        let create = |root: &mut Key| root.create(path).symlink = false;
        let edited = world.script.edit_registry(&id, software, create);
        edited.unwrap();
    };
    let listed = async || {
        let changes = within(world.engine.container_changes("s")).await.unwrap();
        let paths = changes.into_iter().map(|change| change.path);
        paths.collect::<Vec<_>>()
    };
    edit("New");
    assert!(listed().await.contains(&r"C:\new".to_owned()));
    assert_eq!(listed().await.len(), 5);
    edit(&["n"; 600].join(r"\"));
    assert_eq!(listed().await, [r"C:\new"]);
    let refused = within(world.engine.registry_changes("s", None)).await;
    assert_eq!(refused.unwrap_err().kind(), ErrorKind::System);
}
