//! `docker save`: images as one archive, in the OCI layout and with Docker's own table of contents.

use std::collections::{BTreeMap, BTreeSet};
use std::io::{Read, Write};

use porthole_oci::{Descriptor, Digest, Format, Index, Reference};
use porthole_store::{Image, ImageId, Store};
use serde_json::{Map, Value, json};
use tar::{Builder, EntryType, Header};

use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::image::blobs::{self, Described};
use crate::image::{platform_of, publish};
use crate::pipe::{self, ByteStream};
use crate::records::stored;

/// The most images in one archive.
const MAX_IMAGES: usize = 1024;

/// An image to save, with the names that it keeps.
#[derive(Debug)]
struct Wanted {
    image: Image,
    names: BTreeSet<Reference>,
}

/// Saves what the names name.
pub(crate) async fn save(context: &Context, names: &[String]) -> Result<ByteStream> {
    if names.is_empty() {
        return Err(Error::invalid("no image to save is named"));
    }
    if names.len() > MAX_IMAGES {
        return Err(Error::invalid(format!("more than {MAX_IMAGES} images")));
    }
    let mut wanted: BTreeMap<ImageId, Wanted> = BTreeMap::new();
    for name in names {
        for (image, name) in find(context, name).await? {
            let entry = wanted.entry(image.id).or_insert_with(|| Wanted {
                image,
                names: BTreeSet::new(),
            });
            entry.names.extend(name);
        }
    }
    for entry in wanted.values() {
        publish(context, &entry.image, "save", &entry.image.id.to_string());
    }
    // What is missing is told before the archive begins.
    let wanted: Vec<_> = wanted.into_values().collect();
    let ready = context.records.work(move |store| {
        let ready = wanted.into_iter().map(|wanted| Ready::new(store, wanted));
        ready.collect::<Result<Vec<_>>>()
    });
    let (ready, store) = (ready.await?, context.records.store());
    Ok(pipe::written(move |output| write(&store, ready, output)))
}

/// An image that can be written.
#[derive(Debug)]
struct Ready {
    image: Image,
    described: Described,
    names: BTreeSet<Reference>,
}

impl Ready {
    fn new(store: &Store, wanted: Wanted) -> Result<Self> {
        let image = blobs::complete(store, wanted.image)?;
        Ok(Self {
            described: blobs::describe(store, &image)?,
            names: wanted.names,
            image,
        })
    }
}

/// An image and its name, or all images that have the repository when that alone is named.
async fn find(context: &Context, name: &str) -> Result<Vec<(Image, Option<Reference>)>> {
    let reference = name.parse::<Reference>().ok();
    let only_repository = reference
        .clone()
        .filter(|reference| reference.tag().is_none() && reference.digest().is_none());
    if let Some(repository) = only_repository.map(|reference| reference.repository()) {
        let images = context.records.images().await?;
        let named = images.iter().flat_map(|image| {
            let names = image.tags.iter();
            let names = names.filter(|name| name.repository() == repository);
            names.map(|name| (image.clone(), Some(name.clone())))
        });
        let named: Vec<_> = named.collect();
        if !named.is_empty() {
            return Ok(named);
        }
    }
    let image = context.records.find_image(name).await?;
    let name = reference.filter(|name| image.tags.contains(name));
    Ok(vec![(image, name)])
}

fn write(store: &Store, images: Vec<Ready>, output: &mut pipe::Writer) -> Result<()> {
    let mut archive = Archive {
        store,
        builder: Builder::new(output),
        written: BTreeSet::new(),
    };
    let mut contents = Vec::new();
    let mut repositories: BTreeMap<String, Map<String, Value>> = BTreeMap::new();
    let mut manifests = Vec::new();
    for Ready {
        image,
        described,
        names,
    } in images
    {
        archive.image(&image, &described)?;
        contents.push(content(&image, &described, &names));
        manifests.extend(entries(&image, &described, &names));
        for name in &names {
            let tags = repositories.entry(name.repository()).or_default();
            tags.insert(
                name.tag().unwrap_or_default().to_owned(),
                top(&image).into(),
            );
        }
    }
    let index = Index::new(Format::Oci, manifests);
    let index = index
        .to_bytes()
        .map_err(|error| Error::system("cannot write the index").with_source(error))?;
    archive.file("index.json", &index)?;
    archive.file("manifest.json", &serialized(&json!(contents))?)?;
    archive.file("oci-layout", br#"{"imageLayoutVersion":"1.0.0"}"#)?;
    archive.file("repositories", &serialized(&json!(repositories))?)?;
    archive.builder.finish().map_err(broken)
}

/// The entry of `manifest.json`.
fn content(image: &Image, described: &Described, names: &BTreeSet<Reference>) -> Value {
    let layers = described.manifest.layers.iter();
    let mut content = json!({
        "Config": path(image.id.0),
        "RepoTags": names.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "Layers": layers.map(|layer| path(layer.digest)).collect::<Vec<_>>(),
    });
    // Where layers come from that are not in the archive.
    if let Some(base) = &image.base {
        let sources: Map<String, Value> = base
            .layers
            .iter()
            .zip(&described.manifest.layers)
            .map(|(layer, descriptor)| (layer.diff_id.to_string(), json!(descriptor)))
            .collect();
        content["LayerSources"] = sources.into();
    }
    content
}

/// The entries of the OCI index: one for each name.
fn entries(image: &Image, described: &Described, names: &BTreeSet<Reference>) -> Vec<Descriptor> {
    let mut plain = described.descriptor();
    plain.platform = Some(platform_of(&image.config));
    if names.is_empty() {
        return vec![plain];
    }
    let named = names.iter().map(|name| {
        let mut entry = plain.clone();
        let notes = [
            ("io.containerd.image.name", full(name)),
            (
                "org.opencontainers.image.ref.name",
                name.tag().unwrap_or_default().to_owned(),
            ),
        ];
        let notes = notes.map(|(key, value)| (key.to_owned(), value));
        entry.annotations = notes.into();
        entry
    });
    named.collect()
}

/// The name with its registry, as containerd writes it.
fn full(name: &Reference) -> String {
    let tag = name.tag().unwrap_or_default();
    format!("{}/{}:{tag}", name.domain(), name.path())
}

fn top(image: &Image) -> String {
    let top = image.layers.last();
    top.map_or_else(|| image.id.0.hex(), |layer| layer.id.to_string())
}

fn path(digest: Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

fn serialized(value: &Value) -> Result<Vec<u8>> {
    serde_json::to_vec(value)
        .map_err(|error| Error::system("cannot write a table of contents").with_source(error))
}

fn broken(error: std::io::Error) -> Error {
    Error::new(ErrorKind::System, "cannot write the archive").with_source(error)
}

/// The archive that is written; blobs that images share are in it once.
struct Archive<'a, W: Write> {
    store: &'a Store,
    builder: Builder<W>,
    written: BTreeSet<Digest>,
}

impl<W: Write> Archive<'_, W> {
    fn image(&mut self, image: &Image, described: &Described) -> Result<()> {
        let config = self.store.image_config(image.id).map_err(stored)?;
        self.bytes(image.id.0, &config)?;
        for layer in &image.layers {
            let Some(digest) = layer.blob else { continue };
            if self.written.insert(digest) {
                let mut blob = self.store.open_blob(digest).map_err(stored)?;
                self.entry(&path(digest), blob.size, &mut blob.file)?;
            }
        }
        self.bytes(Digest::of(&described.bytes), &described.bytes)
    }

    fn bytes(&mut self, digest: Digest, bytes: &[u8]) -> Result<()> {
        if self.written.insert(digest) {
            self.file(&path(digest), bytes)?;
        }
        Ok(())
    }

    fn file(&mut self, name: &str, mut bytes: &[u8]) -> Result<()> {
        self.entry(name, bytes.len() as u64, &mut bytes)
    }

    fn entry(&mut self, name: &str, size: u64, content: &mut dyn Read) -> Result<()> {
        let mut header = Header::new_gnu();
        header.set_entry_type(EntryType::Regular);
        header.set_mode(0o644);
        header.set_mtime(0);
        header.set_uid(0);
        header.set_gid(0);
        header.set_size(size);
        let appended = self.builder.append_data(&mut header, name, content);
        appended.map_err(broken)
    }
}
