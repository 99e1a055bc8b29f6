//! Containers and values through the store's public side.

use std::time::{Duration, Instant};

use crate::support::{container, import, names};
use anyhow::Result;
use porthole_store::{Digest, ErrorKind, ImageId, NewContainer, Store};

#[test]
fn a_container_has_record_and_directory() -> Result<()> {
    let root = tempfile::tempdir()?;
    let (store, _) = Store::open(root.path())?;
    let image = import(&store, &["a"], "x")?;
    let directory = store.create_container(&container("c1", "web", image))?;
    assert!(
        directory.upper().is_dir() && directory.work().is_dir() && directory.registry().is_dir()
    );
    assert_eq!(
        directory.log(),
        root.path().join("containers/c1/c1-json.log")
    );
    store.update_container("c1", r#"{"state":"running"}"#)?;
    let record = store.container("c1")?;
    assert_eq!((record.name.as_str(), record.image), ("web", image));
    assert_eq!(record.document, r#"{"state":"running"}"#);
    assert_eq!(store.containers()?, [record]);
    assert_eq!(store.containers_of_image(image)?, ["c1"]);
    store.remove_container("c1")?;
    assert!(store.containers()?.is_empty() && names(&root.path().join("containers")).is_empty());
    assert!(store.container("c1").unwrap_err().is_not_found());
    assert!(store.remove_container("c1").unwrap_err().is_not_found());
    assert!(store.update_container("c1", "").unwrap_err().is_not_found());
    Ok(())
}

#[test]
fn a_containers_size_is_its_own_files_and_the_layers_beneath() -> Result<()> {
    let root = tempfile::tempdir()?;
    let (store, _) = Store::open(root.path())?;
    let image = import(&store, &["a", "bcd"], "x")?;
    let directory = store.create_container(&container("c1", "web", image))?;
    std::fs::create_dir(directory.upper().join("app"))?;
    std::fs::write(directory.upper().join("app/file"), "12345")?;
    store.remove_image(image)?;
    let size = store.container_size("c1")?;
    assert_eq!((size.own, size.layers), (5, 4));
    assert!(store.container_size("c2").is_err());
    Ok(())
}

#[test]
fn names_are_unique() -> Result<()> {
    let root = tempfile::tempdir()?;
    let (store, _) = Store::open(root.path())?;
    let image = import(&store, &["a"], "x")?;
    store.create_container(&container("c1", "web", image))?;
    let in_use = ErrorKind::NameInUse {
        holder: "c1".to_owned(),
    };
    assert_eq!(
        store
            .create_container(&container("c2", "web", image))
            .unwrap_err()
            .kind(),
        &in_use
    );
    store.create_container(&container("c2", "db", image))?;
    assert_eq!(
        store
            .rename_container("c2", "web", "{}")
            .unwrap_err()
            .kind(),
        &in_use
    );
    store.rename_container("c2", "db", "{}")?;
    store.rename_container("c2", "cache", "{}")?;
    store.create_container(&container("c3", "db", image))?;
    let error = store
        .create_container(&container("c1", "new", image))
        .unwrap_err();
    assert_eq!(error.kind(), &ErrorKind::AlreadyExists);
    assert!(
        root.path().join("containers/c1").is_dir(),
        "a refused create touches nothing"
    );
    Ok(())
}

#[test]
fn refuses_what_leads_elsewhere() -> Result<()> {
    let root = tempfile::tempdir()?;
    let (store, _) = Store::open(root.path())?;
    let image = import(&store, &["a"], "x")?;
    for id in [
        "",
        ".",
        "..",
        "../x",
        "a/b",
        "a\0",
        "-x",
        "x-removing",
        &"a".repeat(129),
    ] {
        let error = store
            .create_container(&container(id, "n", image))
            .unwrap_err();
        assert_eq!(error.kind(), &ErrorKind::Invalid, "{id:?}");
    }
    assert!(
        store
            .create_container(&container("c", "a/b", image))
            .is_err()
    );
    let nowhere = ImageId(Digest::of(b"nowhere"));
    assert!(
        store
            .create_container(&container("c", "n", nowhere))
            .unwrap_err()
            .is_not_found()
    );
    assert!(names(&root.path().join("containers")).is_empty());
    Ok(())
}

#[test]
fn one_daemon_at_a_time() -> Result<()> {
    let root = tempfile::tempdir()?;
    let (store, _) = Store::open(root.path())?;
    let clone = store.clone();
    drop(store);
    assert_eq!(
        Store::open(root.path()).unwrap_err().kind(),
        &ErrorKind::Locked
    );
    drop(clone);
    Store::open(root.path())?;
    Ok(())
}

#[test]
fn values_are_kept() -> Result<()> {
    let root = tempfile::tempdir()?;
    let (store, _) = Store::open(root.path())?;
    assert_eq!(store.value("engine", "id")?, None);
    assert_eq!(store.value_or_insert("engine", "id", b"1")?, b"1");
    assert_eq!(store.value_or_insert("engine", "id", b"2")?, b"1");
    store.set_value("engine", "a", b"3")?;
    store.set_value("other", "a", b"4")?;
    drop(store);
    let (store, _) = Store::open(root.path())?;
    let expected = [
        ("a".to_owned(), b"3".to_vec()),
        ("id".to_owned(), b"1".to_vec()),
    ];
    assert_eq!(store.values("engine")?, expected);
    assert!(store.remove_value("engine", "a")? && !store.remove_value("engine", "a")?);
    Ok(())
}

/// The promise is 10 ms for the API with 1,000 containers, and two seconds for a daemon's start.
#[test]
fn a_thousand_containers_are_listed_quickly() -> Result<()> {
    // In memory: what is measured is reading, and making a thousand on a busy disk takes long.
    let root = tempfile::tempdir_in("/dev/shm").or_else(|_| tempfile::tempdir())?;
    let (store, _) = Store::open(root.path())?;
    let image = import(&store, &["a"], "x")?;
    let start = Instant::now();
    for number in 0..1000 {
        let id = format!("c{number}");
        let document = format!("{{\"filler\":\"{}\"}}", "x".repeat(2000));
        store.create_container(&NewContainer {
            document,
            ..container(&id, &id, image)
        })?;
    }
    println!("create: {:?} each", start.elapsed() / 1000);
    let start = Instant::now();
    assert_eq!(store.containers()?.len(), 1000);
    let listed = start.elapsed();
    drop(store);
    let start = Instant::now();
    let (_store, _) = Store::open(root.path())?;
    let opened = start.elapsed();
    println!("list: {listed:?}, open: {opened:?}");
    assert!(listed < Duration::from_millis(100) && opened < Duration::from_secs(2));
    Ok(())
}
