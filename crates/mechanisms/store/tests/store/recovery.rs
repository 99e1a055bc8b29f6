//! What recovery does with each kind of leftover.

use crate::support::{container, import, names};
use anyhow::Result;
use porthole_store::{Recovery, Store};

#[test]
fn cleans_up_orphans_and_abandoned_work() -> Result<()> {
    let root = tempfile::tempdir()?;
    let path = root.path();
    let (store, recovery) = Store::open(path)?;
    assert_eq!(recovery, Recovery::default());
    let image = import(&store, &["a"], "x")?;
    store.create_container(&container("kept", "kept", image))?;
    drop(store);

    let orphans = [
        "containers/orphan",
        "containers/other-removing",
        "layers/orphan",
        "blobs/sha256/orphan",
    ];
    for orphan in orphans {
        std::fs::create_dir_all(path.join(orphan).join("below"))?;
    }
    std::fs::create_dir_all(path.join("tmp/abandoned"))?;
    let stale = porthole_store::Digest::of(b"stale").hex();
    std::fs::create_dir_all(path.join("registry").join(&stale))?;
    std::fs::create_dir_all(path.join("registry/being-made"))?;

    let (store, recovery) = Store::open(path)?;
    let mut found = recovery.orphans;
    found.sort();
    let mut expected = orphans.map(|orphan| path.join(orphan));
    expected.sort();
    assert_eq!(found, expected);
    assert_eq!(recovery.abandoned, 1);
    assert_eq!(names(&path.join("containers")), ["kept"]);
    assert_eq!(names(&path.join("registry")), ["being-made"]);
    assert_eq!(store.images()?.len(), 1);
    drop(store);
    assert_eq!(Store::open(path)?.1, Recovery::default());
    Ok(())
}

#[test]
fn undoes_a_removal_that_was_not_committed() -> Result<()> {
    let root = tempfile::tempdir()?;
    let (store, _) = Store::open(root.path())?;
    let image = import(&store, &["a"], "x")?;
    let directory = store.create_container(&container("c", "c", image))?;
    let layer = store.image(image)?.layers[0].directory.clone();
    drop(store);
    for path in [directory.path(), &layer] {
        let mut aside = path.as_os_str().to_owned();
        aside.push("-removing");
        std::fs::rename(path, aside)?;
    }
    let (_store, recovery) = Store::open(root.path())?;
    assert_eq!(recovery.restored.len(), 2);
    assert!(directory.upper().is_dir() && layer.is_dir());
    Ok(())
}

#[test]
fn reports_what_somebody_else_deleted() -> Result<()> {
    let root = tempfile::tempdir()?;
    let (store, _) = Store::open(root.path())?;
    let image = import(&store, &["a"], "x")?;
    let directory = store.create_container(&container("c", "c", image))?;
    let layer = store.image(image)?.layers[0].clone();
    let blob = store.root().blob(layer.blob.expect("a blob"));
    drop(store);
    std::fs::remove_dir_all(directory.path())?;
    std::fs::remove_dir_all(&layer.directory)?;
    std::fs::remove_file(&blob)?;
    let (store, recovery) = Store::open(root.path())?;
    assert_eq!(recovery.lost_containers, ["c"]);
    assert_eq!(recovery.damaged, [layer.directory, blob]);
    assert!(store.containers()?.is_empty());
    Ok(())
}
