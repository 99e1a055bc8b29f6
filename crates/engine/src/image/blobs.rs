//! An image's layers as archives, and the manifest that names them.

use std::io::{self, Read, Write};

use flate2::write::GzEncoder;
use porthole_layers::Compression;
use porthole_oci::{Descriptor, Digest, Document, Format, Manifest, media_type};
use porthole_store::{
    Image, ImageImport, ImageLayer, LayerContents, LayerImport, StagedBlob, Store,
};
use sha2::Digest as _;

use crate::error::{Error, Result};
use crate::image::layer_failed;
use crate::records::stored;

/// A manifest and its bytes.
#[derive(Debug, Clone)]
pub(crate) struct Described {
    /// What it says.
    pub(crate) manifest: Manifest,
    /// Byte for byte.
    pub(crate) bytes: Vec<u8>,
}

impl Described {
    /// What others say of it.
    pub(crate) fn descriptor(&self) -> Descriptor {
        Descriptor::of(self.manifest.media_type(), &self.bytes)
    }
}

/// The image once every layer that is here has its archive in the store: a base that was built here
/// is packed the first time that somebody asks for it.
pub(crate) fn complete(store: &Store, image: Image) -> Result<Image> {
    if image.layers.iter().all(|layer| layer.blob.is_some()) {
        return Ok(image);
    }
    let layers = image.layers.iter().map(|layer| {
        let blob = match layer.blob {
            Some(_) => None,
            None => Some(pack(store, layer)?),
        };
        Ok(LayerImport {
            contents: LayerContents::Present,
            blob: blob.map(Into::into),
        })
    });
    let layers = layers.collect::<Result<Vec<_>>>()?;
    let config = store.image_config(image.id).map_err(stored)?;
    let mut import = ImageImport::new(config, layers);
    import.base = image.base;
    import.parent = image.parent;
    let id = store.import_image(&import).map_err(stored)?;
    store.image(id).map_err(stored)
}

/// Packs a layer, which must give the bytes that its digest names.
fn pack(store: &Store, layer: &ImageLayer) -> Result<StagedBlob> {
    let failed = |error: io::Error| {
        Error::system(format!("cannot pack layer {}", layer.id)).with_source(error)
    };
    let writer = store.blob_writer(u64::MAX).map_err(stored)?;
    let output = Hashing {
        hasher: sha2::Sha256::new(),
        output: GzEncoder::new(writer, flate2::Compression::default()),
    };
    let (output, _) = porthole_layers::pack_layer(&layer.directory, &[], output, &mut |_| {})
        .map_err(layer_failed)?;
    let found = Digest::from_bytes(output.hasher.finalize().into());
    if found != layer.diff_id {
        return Err(Error::system(format!(
            "layer {} is damaged: its files give {found} instead of {}; 'porthole base verify' and \
             'porthole store check' look closer",
            layer.id, layer.diff_id
        )));
    }
    let writer = output.output.finish().map_err(failed)?;
    writer.finish(None).map_err(stored)
}

/// Counts nothing, hashes everything.
struct Hashing<W> {
    hasher: sha2::Sha256,
    output: W,
}

impl<W: Write> Write for Hashing<W> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let written = self.output.write(bytes)?;
        self.hasher.update(&bytes[..written]);
        Ok(written)
    }

    fn flush(&mut self) -> io::Result<()> {
        self.output.flush()
    }
}

/// The manifest of a complete image: the one that it came with, byte for byte, else one of our own.
pub(crate) fn describe(store: &Store, image: &Image) -> Result<Described> {
    if let Some(described) = original(store, image)? {
        return Ok(described);
    }
    let config = store.image_config(image.id).map_err(stored)?;
    let base = image.base.iter().flat_map(|base| &base.layers);
    let base = base.map(|layer| {
        let missing = || {
            Error::invalid(format!(
                "nothing is known of base layer {} but its digest, so that no manifest can name it",
                layer.diff_id
            ))
        };
        layer.descriptor.clone().ok_or_else(missing)
    });
    let own = image.layers.iter().map(|layer| own_layer(store, layer));
    let mut layers = base.chain(own).collect::<Result<Vec<Descriptor>>>()?;
    // OCI's form, since other tools keep its configuration as it is, and make that of the other anew
    // in their own words, without the version of Windows. Docker's only where a base is of that form.
    let is_dockers = layers
        .iter()
        .any(|layer| layer.media_type.contains("docker"));
    let (format, config_type) = if is_dockers {
        layers.iter_mut().for_each(to_docker);
        (Format::Docker, media_type::DOCKER_CONFIG)
    } else {
        (Format::Oci, media_type::OCI_CONFIG)
    };
    let manifest = Manifest::new(format, Descriptor::of(config_type, &config), layers);
    let bytes = manifest
        .to_bytes()
        .map_err(|error| Error::system("cannot write a manifest").with_source(error))?;
    Ok(Described { manifest, bytes })
}

/// The manifest that an image came with, if the archives that it names are still those in the store.
fn original(store: &Store, image: &Image) -> Result<Option<Described>> {
    let Some(bytes) = store.image_manifest(image.id).map_err(stored)? else {
        return Ok(None);
    };
    let document = Document::parse(&bytes, None)
        .map_err(|error| Error::system("cannot read a manifest").with_source(error))?;
    let Document::Manifest(manifest) = document else {
        return Err(Error::system("an image's manifest is an index"));
    };
    let own = manifest.layers.iter().rev().zip(image.layers.iter().rev());
    let is_same = own
        .clone()
        .all(|(named, layer)| layer.blob == Some(named.digest));
    Ok(is_same.then_some(Described { manifest, bytes }))
}

fn own_layer(store: &Store, layer: &ImageLayer) -> Result<Descriptor> {
    let digest = layer
        .blob
        .ok_or_else(|| Error::system(format!("layer {} has no archive", layer.id)))?;
    let mut blob = store.open_blob(digest).map_err(stored)?;
    let mut beginning = Vec::new();
    (&mut blob.file)
        .take(4)
        .read_to_end(&mut beginning)
        .map_err(|error| Error::system(format!("cannot read {digest}")).with_source(error))?;
    let media_type = match Compression::of(&beginning) {
        Compression::Plain => media_type::OCI_LAYER,
        Compression::Gzip => media_type::OCI_LAYER_GZIP,
        Compression::Zstd => media_type::OCI_LAYER_ZSTD,
    };
    Ok(Descriptor::new(media_type, digest, blob.size))
}

fn to_docker(layer: &mut Descriptor) {
    let docker = match layer.media_type.as_str() {
        media_type::OCI_LAYER_GZIP => media_type::DOCKER_LAYER_GZIP,
        media_type::OCI_LAYER => "application/vnd.docker.image.rootfs.diff.tar",
        _ => return,
    };
    docker.clone_into(&mut layer.media_type);
}
