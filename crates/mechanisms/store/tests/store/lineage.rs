//! What images stand on, come from and are known to be in; and what a check of the store finds.

use crate::support::{config, container, import};
use anyhow::Result;
use porthole_oci::{Descriptor, MicrosoftKind};
use porthole_store::{
    CheckDepth, Digest, ErrorKind, ImageId, ImageImport, LayerBlob, LayerContents, LayerImport,
    NewContainer, ProblemKind, Reference, Store, SubstitutedBase, SubstitutedLayer,
};

fn repository(name: &str) -> Reference {
    name.parse().expect("a name")
}

fn substituted(name: &str) -> SubstitutedLayer {
    let mut descriptor = Descriptor::of("application/foreign", name.as_bytes());
    descriptor.urls = vec![format!("https://example/{name}")];
    SubstitutedLayer {
        diff_id: Digest::of(name.as_bytes()),
        descriptor: Some(descriptor),
    }
}

/// An image of one layer on two of Microsoft's.
fn import_on_base(store: &Store) -> Result<ImageId> {
    let staging = store.staging_directory()?;
    let directory = staging.path().join("layer");
    std::fs::create_dir_all(directory.join("Files"))?;
    let layers = vec![LayerImport {
        contents: LayerContents::Unpacked { directory, size: 0 },
        blob: None,
    }];
    let base = SubstitutedBase {
        kind: MicrosoftKind::Nanoserver,
        repository: Some(repository("mcr.example/app")),
        layers: vec![substituted("ms1"), substituted("ms2")],
    };
    Ok(store.import_image(&ImageImport {
        base: Some(base),
        ..ImageImport::new(config(&["ms1", "ms2", "own"]), layers)
    })?)
}

/// An archive may say less of an image than the registry did that it came from.
#[test]
fn an_image_keeps_its_base_and_its_manifest_when_it_comes_again() -> Result<()> {
    let root = tempfile::tempdir()?;
    let (store, _) = Store::open(root.path())?;
    let id = import_on_base(&store)?;
    let before = store.image(id)?;
    let staging = store.staging_directory()?;
    let layer = |name: &str| {
        let directory = staging.path().join(name);
        std::fs::create_dir_all(directory.join("Files"))?;
        anyhow::Ok(LayerImport {
            contents: LayerContents::Unpacked { directory, size: 0 },
            blob: None,
        })
    };
    let layers = vec![layer("ms1")?, layer("ms2")?, layer("own")?];
    let mut again = ImageImport::new(config(&["ms1", "ms2", "own"]), layers);
    again.tags = vec![repository("app:again")];
    assert_eq!(store.import_image(&again)?, id);
    let after = store.image(id)?;
    assert_eq!((&after.base, &after.layers), (&before.base, &before.layers));
    assert_eq!(after.tags, again.tags);
    assert_eq!(store.check(CheckDepth::Content)?, []);

    let first = import_with_manifest(&store, b"{\"first\":1}")?;
    import_with_manifest(&store, b"{\"second\":2}")?;
    let kept = store.image_manifest(first)?;
    assert_eq!(kept.as_deref(), Some(&b"{\"first\":1}"[..]));
    Ok(())
}

fn import_with_manifest(store: &Store, manifest: &[u8]) -> Result<ImageId> {
    let staging = store.staging_directory()?;
    let directory = staging.path().join("layer");
    std::fs::create_dir_all(directory.join("Files"))?;
    let layers = vec![LayerImport {
        contents: LayerContents::Unpacked { directory, size: 0 },
        blob: None,
    }];
    Ok(store.import_image(&ImageImport {
        manifest: Some(manifest.to_vec()),
        ..ImageImport::new(config(&["alone"]), layers)
    })?)
}

#[test]
fn an_image_on_a_base_that_is_not_here_keeps_what_is_known_of_it() -> Result<()> {
    let root = tempfile::tempdir()?;
    let (store, _) = Store::open(root.path())?;
    let id = import_on_base(&store)?;
    let image = store.image(id)?;
    let base = image.base.expect("a base");
    assert_eq!(base.layers, [substituted("ms1"), substituted("ms2")]);
    let name = base.repository.expect("a repository").full_repository();
    assert_eq!(
        (base.kind, name.as_str()),
        (MicrosoftKind::Nanoserver, "mcr.example/app")
    );
    assert_eq!(image.layers.len(), 1);
    assert_eq!(image.layers[0].id, image.config.layer_ids()[2]);
    assert_eq!(import_on_base(&store)?, id);
    assert_eq!(store.check(CheckDepth::Content)?, []);

    let ours = import(&store, &["ours"], "porthole")?;
    let made = |base| NewContainer {
        base,
        ..container("c", "c", id)
    };
    for wrong in [None, Some(id)] {
        let error = store.create_container(&made(wrong)).expect_err("no base");
        assert_eq!(error.kind(), &ErrorKind::Invalid);
    }
    store.create_container(&made(Some(ours)))?;
    let expected = [store.image(ours)?.layers[0].id, image.layers[0].id];
    store.remove_image(ours)?;
    store.remove_image(id)?;
    assert_eq!(store.container_layers("c")?, expected);
    assert!(
        expected
            .iter()
            .all(|layer| store.root().layer(*layer).is_dir())
    );
    Ok(())
}

#[test]
fn a_base_must_be_that_of_the_configuration() -> Result<()> {
    let root = tempfile::tempdir()?;
    let (store, _) = Store::open(root.path())?;
    let base = SubstitutedBase {
        kind: MicrosoftKind::Servercore,
        repository: None,
        layers: vec![substituted("another")],
    };
    let import = ImageImport {
        base: Some(base),
        ..ImageImport::new(config(&["ms1"]), Vec::new())
    };
    let error = store.import_image(&import).expect_err("another base");
    assert_eq!(error.kind(), &ErrorKind::Invalid);
    assert!(store.images()?.is_empty());
    Ok(())
}

#[test]
fn parents_have_children_and_layers_their_blobs() -> Result<()> {
    let root = tempfile::tempdir()?;
    let (store, _) = Store::open(root.path())?;
    let parent = import(&store, &["a"], "x")?;
    let blob = store.image(parent)?.layers[0].blob.expect("a blob");
    let staging = store.staging_directory()?;
    let directory = staging.path().join("layer");
    std::fs::create_dir_all(directory.join("Files"))?;
    let present = LayerImport {
        contents: LayerContents::Present,
        blob: None,
    };
    let new = LayerImport {
        contents: LayerContents::Unpacked { directory, size: 0 },
        blob: Some(LayerBlob::Stored(blob)),
    };
    let child = store.import_image(&ImageImport {
        parent: Some(parent),
        ..ImageImport::new(config(&["a", "b"]), vec![present, new])
    })?;
    assert_eq!(store.image(child)?.parent, Some(parent));
    assert_eq!(store.children(parent)?, [child]);
    assert_eq!(store.image(child)?.layers[0].blob, Some(blob));
    store.remove_image(parent)?;
    assert_eq!(store.image(child)?.parent, Some(parent));
    assert!(store.has_blob(blob)?);
    store.remove_image(child)?;
    assert_eq!(store.children(parent)?, []);
    let nowhere = LayerImport {
        contents: LayerContents::Present,
        blob: Some(LayerBlob::Stored(blob)),
    };
    let gone = ImageImport::new(config(&["a"]), vec![nowhere]);
    assert!(
        store
            .import_image(&gone)
            .expect_err("it is gone")
            .is_not_found()
    );
    Ok(())
}

#[test]
fn where_blobs_are_is_known_for_as_long_as_they_are_here() -> Result<()> {
    let root = tempfile::tempdir()?;
    let (store, _) = Store::open(root.path())?;
    let image = import(&store, &["a"], "x")?;
    let blob = store.image(image)?.layers[0].blob.expect("a blob");
    let (one, two) = (repository("r.example/one"), repository("r.example/two"));
    store.note_blob_source(blob, &two)?;
    store.note_blob_source(blob, &one)?;
    store.note_blob_source(blob, &one)?;
    let names = |store: &Store| -> Result<Vec<String>> {
        let all = store.blob_sources(blob)?;
        Ok(all.iter().map(Reference::full_repository).collect())
    };
    assert_eq!(names(&store)?, ["r.example/one", "r.example/two"]);
    store.forget_blob_source(blob, &one)?;
    assert_eq!(names(&store)?, ["r.example/two"]);
    store.remove_image(image)?;
    assert!(names(&store)?.is_empty());
    Ok(())
}

#[test]
fn a_check_finds_what_somebody_did() -> Result<()> {
    let root = tempfile::tempdir()?;
    let (store, _) = Store::open(root.path())?;
    let image = import(&store, &["a", "b"], "x")?;
    store.create_container(&container("c", "c", image))?;
    let staging = store.staging_directory()?;
    assert_eq!(store.check(CheckDepth::Content)?, []);
    drop(staging);

    let layers = store.image(image)?.layers;
    let blob = |index: usize| store.root().blob(layers[index].blob.expect("a blob"));
    std::fs::write(layers[0].directory.join("Files/Windows/layer.txt"), "")?;
    let changed = std::fs::read(blob(0))?
        .iter()
        .map(|byte| byte ^ 1)
        .collect::<Vec<_>>();
    std::fs::write(blob(0), changed)?;
    std::fs::write(blob(1), "longer than it was")?;
    std::fs::remove_dir_all(&layers[1].directory)?;
    std::fs::create_dir(store.root().layers().join("x"))?;
    std::fs::remove_dir_all(store.container_directory("c").path())?;
    std::fs::create_dir(root.path().join("tmp/left"))?;
    let of_nothing = format!("registry/{}-x", "0".repeat(64));
    std::fs::create_dir(root.path().join(&of_nothing))?;
    std::fs::create_dir(root.path().join(format!("registry/{}-x", layers[0].id)))?;
    let mut found: Vec<_> = store.check(CheckDepth::Content)?;
    let mut kind_of = |path: &std::path::Path| {
        let at = found
            .iter()
            .position(|problem| problem.subject == path.display().to_string());
        at.map(|at| found.remove(at).kind)
    };
    assert_eq!(kind_of(&layers[0].directory), Some(ProblemKind::Incomplete));
    assert_eq!(kind_of(&blob(0)), Some(ProblemKind::Damaged));
    assert_eq!(kind_of(&blob(1)), Some(ProblemKind::Damaged));
    assert_eq!(kind_of(&layers[1].directory), Some(ProblemKind::Missing));
    assert_eq!(
        kind_of(&store.root().layers().join("x")),
        Some(ProblemKind::Unknown)
    );
    let container = store.container_directory("c");
    assert_eq!(kind_of(container.path()), Some(ProblemKind::Missing));
    assert_eq!(
        kind_of(&root.path().join(of_nothing)),
        Some(ProblemKind::Unknown)
    );
    assert_eq!(
        kind_of(&root.path().join("tmp/left")),
        Some(ProblemKind::Abandoned)
    );
    // One of another length is seen without reading it, and again when it is read.
    found.retain(|problem| problem.kind != ProblemKind::Damaged);
    assert_eq!(found, []);
    Ok(())
}
