//! Images through the store's public side.

use crate::support::{LIMIT, config, container, import, names};
use anyhow::Result;
use porthole_store::{
    Digest, ErrorKind, ImageImport, LayerContents, LayerImport, Reference, Store,
};

fn reference(text: &str) -> Reference {
    text.parse().expect("a reference")
}

#[test]
fn an_image_is_found_by_every_name() -> Result<()> {
    let root = tempfile::tempdir()?;
    let (store, _) = Store::open(root.path())?;
    let id = import(&store, &["base", "top"], "porthole/x:1")?;
    store.tag(id, &reference("other").or_latest())?;
    for name in [
        id.to_string(),
        id.0.hex(),
        id.short(),
        "porthole/x:1".into(),
        "other".into(),
        "docker.io/library/other:latest".into(),
        id.to_string()[..12].into(),
    ] {
        assert_eq!(store.find_image(&name)?.id, id, "{name}");
    }
    for name in [
        "porthole/x",
        "porthole/x:2",
        "ffffffffffff",
        &Digest::of(b"").to_string(),
    ] {
        assert!(store.find_image(name).unwrap_err().is_not_found(), "{name}");
    }
    assert_eq!(
        store.find_image("Bad Name").unwrap_err().kind(),
        &ErrorKind::Invalid
    );
    let image = store.image(id)?;
    assert_eq!(image.size(), 7);
    assert_eq!(
        image.tags,
        [reference("other:latest"), reference("porthole/x:1")]
    );
    assert_eq!(
        std::fs::read_to_string(image.layers[1].directory.join("Files/Windows/layer.txt"))?,
        "top"
    );
    assert_eq!(store.image_config(id)?, config(&["base", "top"]));
    Ok(())
}

#[test]
fn a_short_id_of_two_is_ambiguous() -> Result<()> {
    let root = tempfile::tempdir()?;
    let (store, _) = Store::open(root.path())?;
    let mut seen = std::collections::HashMap::new();
    for number in 0.. {
        let layer = number.to_string();
        let id = import(&store, &[&layer], &format!("x:{number}"))?;
        if let Some(other) = seen.insert(id.0.hex()[..1].to_owned(), id) {
            let prefix = &id.0.hex()[..1];
            assert_ne!(other, id);
            assert_eq!(
                store.find_image(prefix).unwrap_err().kind(),
                &ErrorKind::Ambiguous
            );
            return Ok(());
        }
    }
    Ok(())
}

#[test]
fn a_tag_moves_and_goes() -> Result<()> {
    let root = tempfile::tempdir()?;
    let (store, _) = Store::open(root.path())?;
    let first = import(&store, &["a"], "x")?;
    let second = import(&store, &["b"], "x")?;
    assert_eq!(store.find_image("x")?.id, second);
    assert!(store.image(first)?.tags.is_empty(), "dangling");
    assert_eq!(store.tag(first, &reference("x:latest"))?, Some(second));
    assert_eq!(store.tag(first, &reference("x:latest"))?, None);
    let untagged = store.untag(&reference("x:latest"))?;
    assert_eq!((untagged.image, untagged.remaining), (first, 0));
    assert!(
        store
            .untag(&reference("x:latest"))
            .unwrap_err()
            .is_not_found()
    );
    assert_eq!(store.images()?.len(), 2);
    Ok(())
}

#[test]
fn layers_are_shared_and_removed_with_the_last_user() -> Result<()> {
    let root = tempfile::tempdir()?;
    let (store, _) = Store::open(root.path())?;
    let base = import(&store, &["base"], "base")?;
    let top = import(&store, &["base", "top"], "top")?;
    assert_eq!(names(&store.root().layers()).len(), 2);
    let [shared, own] = [0, 1].map(|index| store.image(top).expect("there").layers[index].clone());
    // As one release named the merged registry of a chain, and as this one does.
    let registries = store.root().registries();
    let own_registries = [own.id.to_string(), format!("{}-0123456789abcdef", own.id)];
    for name in [&own_registries[..], &[format!("{}-01", shared.id)]].concat() {
        std::fs::create_dir(registries.join(name))?;
    }

    let removed = store.remove_image(top)?;
    assert_eq!(removed.layers, [own.id]);
    assert_eq!(removed.names, [reference("top:latest")]);
    assert_eq!(names(&registries), [format!("{}-01", shared.id)]);
    assert!(!own.directory.exists() && shared.directory.exists());
    assert!(!store.has_blob(own.blob.expect("a blob"))?);

    store.create_container(&container("c1", "c1", base))?;
    let removed = store.remove_image(base)?;
    assert!(removed.layers.is_empty(), "the container keeps them");
    assert_eq!(store.container_layers("c1")?, [shared.id]);
    assert!(shared.directory.exists());
    store.remove_container("c1")?;
    assert!(!shared.directory.exists());
    assert!(names(&root.path().join("blobs/sha256")).is_empty());
    assert!(names(&root.path().join("tmp")).is_empty());
    Ok(())
}

#[test]
fn an_import_is_all_or_nothing_and_repeatable() -> Result<()> {
    let root = tempfile::tempdir()?;
    let (store, _) = Store::open(root.path())?;
    let staging = store.staging_directory()?;
    let directory = staging.path().join("layer");
    std::fs::create_dir(&directory)?;
    let contents = LayerContents::Unpacked { directory, size: 1 };
    let layers = vec![
        LayerImport {
            contents,
            blob: None,
        },
        LayerImport {
            contents: LayerContents::Present,
            blob: None,
        },
    ];
    let mut import_of_two = ImageImport::new(config(&["a", "b"]), layers);
    assert!(
        store
            .import_image(&import_of_two)
            .unwrap_err()
            .is_not_found()
    );
    assert!(names(&store.root().layers()).is_empty() && store.images()?.is_empty());
    import_of_two.layers.pop();
    assert_eq!(
        store.import_image(&import_of_two).unwrap_err().kind(),
        &ErrorKind::Invalid
    );

    let id = import(&store, &["a", "b"], "x")?;
    assert_eq!(import(&store, &["a", "b"], "y")?, id);
    assert_eq!(store.image(id)?.tags.len(), 2);
    Ok(())
}

#[test]
fn manifests_give_names_with_digests() -> Result<()> {
    let root = tempfile::tempdir()?;
    let (store, _) = Store::open(root.path())?;
    import(&store, &["a"], "x")?;
    let manifest = b"{\"schemaVersion\":2}".to_vec();
    let digest = Digest::of(&manifest);
    let layers = vec![LayerImport {
        contents: LayerContents::Present,
        blob: None,
    }];
    let id = store.import_image(&ImageImport {
        manifest: Some(manifest.clone()),
        repositories: vec![reference("r.example/x")],
        ..ImageImport::new(config(&["a"]), layers)
    })?;
    let name = format!("r.example/x@{digest}");
    let image = store.find_image(&name)?;
    assert_eq!((image.id, image.manifest_digest), (id, Some(digest)));
    assert_eq!(image.digests, [reference(&name)]);
    assert!(
        image.layers[0].blob.is_some(),
        "the blob that was there stays"
    );
    assert_eq!(store.image_manifest(id)?, Some(manifest));
    assert_eq!(store.untag(&reference(&name))?.remaining, 1);
    Ok(())
}

#[test]
fn blobs_are_checked() -> Result<()> {
    let root = tempfile::tempdir()?;
    let (store, _) = Store::open(root.path())?;
    let wrong = store
        .blob_writer(LIMIT)?
        .copy_from(&mut &b"abc"[..], Some(Digest::of(b"abd")));
    assert_eq!(wrong.unwrap_err().kind(), &ErrorKind::DigestMismatch);
    assert!(
        store
            .blob_writer(2)?
            .copy_from(&mut &b"abc"[..], None)
            .is_err(),
        "too large"
    );
    assert!(
        names(&root.path().join("tmp")).is_empty(),
        "nothing is left of them"
    );

    let id = import(&store, &["a"], "x")?;
    let blob = store.image(id)?.layers[0].blob.expect("a blob");
    store.verify_blob(blob)?;
    assert_eq!(store.open_blob(blob)?.size, 4);
    std::fs::write(store.root().blob(blob), "other")?;
    assert_eq!(
        store.verify_blob(blob).unwrap_err().kind(),
        &ErrorKind::DigestMismatch
    );
    Ok(())
}

#[test]
fn a_base_build_works_beside_a_daemon() -> Result<()> {
    let root = tempfile::tempdir()?;
    let (daemon, _) = Store::open(root.path())?;
    let build = Store::open_beside_daemon(root.path())?;
    let id = import(&build, &["a"], "porthole/nanoserver")?;
    assert_eq!(daemon.find_image("porthole/nanoserver")?.id, id);
    // Its work survives the start of a daemon.
    let staging = build.staging_directory()?;
    drop(daemon);
    let (_daemon, recovery) = Store::open(root.path())?;
    assert_eq!(recovery, porthole_store::Recovery::default());
    assert!(staging.path().exists());
    Ok(())
}

#[test]
fn an_image_that_a_container_was_made_from_goes_only_by_force() -> Result<()> {
    let root = tempfile::tempdir()?;
    let (store, _) = Store::open(root.path())?;
    let used = import(&store, &["base", "used"], "used")?;
    let unused = import(&store, &["base", "unused"], "unused")?;
    store.create_container(&container("c", "c", used))?;
    let error = store.remove_unused_image(used).expect_err("in use");
    assert_eq!(error.kind(), &ErrorKind::InUse);
    assert_eq!(store.image(used)?.tags.len(), 1);
    assert_eq!(store.remove_unused_image(unused)?.layers.len(), 1);
    assert_eq!(store.remove_image(used)?.names.len(), 1);
    Ok(())
}
