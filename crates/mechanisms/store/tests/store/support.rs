//! Images and containers to store.

use std::path::Path;

use anyhow::Result;
use porthole_store::{
    Digest, ImageConfig, ImageId, ImageImport, LayerContents, LayerImport, NewContainer, Reference,
    RootFs, Store,
};

/// Far above any blob here.
pub(crate) const LIMIT: u64 = 1 << 20;

/// An image configuration of layers with these contents, base first.
pub(crate) fn config(layers: &[&str]) -> Vec<u8> {
    let diff_ids = layers
        .iter()
        .map(|layer| Digest::of(layer.as_bytes()))
        .collect();
    let config = ImageConfig {
        architecture: "amd64".to_owned(),
        os: "windows".to_owned(),
        rootfs: RootFs {
            diff_ids,
            ..RootFs::default()
        },
        ..ImageConfig::default()
    };
    serde_json::to_vec(&config).expect("a configuration is JSON")
}

/// Imports an image of layers with these contents, each with a blob, under a name.
pub(crate) fn import(store: &Store, layers: &[&str], name: &str) -> Result<ImageId> {
    let staging = store.staging_directory()?;
    let mut imports = Vec::new();
    for (index, layer) in layers.iter().enumerate() {
        let directory = staging.path().join(index.to_string());
        std::fs::create_dir_all(directory.join("Files/Windows"))?;
        std::fs::write(directory.join("Files/Windows/layer.txt"), layer)?;
        let blob = store
            .blob_writer(LIMIT)?
            .copy_from(&mut format!("gz {layer}").as_bytes(), None)?;
        let contents = LayerContents::Unpacked {
            directory,
            size: layer.len() as u64,
        };
        imports.push(LayerImport {
            contents,
            blob: Some(blob.into()),
        });
    }
    Ok(store.import_image(&ImageImport {
        tags: vec![name.parse::<Reference>()?.or_latest()],
        ..ImageImport::new(config(layers), imports)
    })?)
}

pub(crate) fn container(id: &str, name: &str, image: ImageId) -> NewContainer {
    NewContainer {
        id: id.to_owned(),
        name: name.to_owned(),
        image,
        base: None,
        created: 1,
        document: "{}".to_owned(),
    }
}

/// The names in a directory, sorted.
pub(crate) fn names(directory: &Path) -> Vec<String> {
    let entries = std::fs::read_dir(directory).expect("the directory is there");
    let mut names: Vec<_> = entries
        .map(|entry| {
            entry
                .expect("an entry")
                .file_name()
                .to_string_lossy()
                .into_owned()
        })
        .collect();
    names.sort();
    names
}
