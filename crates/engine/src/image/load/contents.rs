//! Which images an archive holds: by Docker's `manifest.json`, else by the index of an OCI layout.

use std::collections::BTreeMap;
use std::io::Read;

use porthole_oci::{
    Descriptor, Digest, Document, Index, MAX_LAYERS, Reference, Wanted, media_type,
};
use serde::Deserialize;
use sha2::Digest as _;

use super::spool::Spool;
use crate::error::{Error, Result};
use crate::image::blobs::Described;

/// The most images in one archive.
const MAX_IMAGES: usize = 1024;

/// Bytes of all manifests at most: they are kept in memory.
const MAX_MANIFEST_BYTES: usize = 64 << 20;

/// How deep indexes may lie in one another.
const MAX_LEVELS: usize = 4;

/// An image of an archive.
#[derive(Debug)]
pub(super) struct Archived {
    /// Its configuration, byte for byte.
    pub(super) config: Vec<u8>,
    /// Its manifest, if the archive has one.
    pub(super) described: Option<Described>,
    /// Its layers, base first.
    pub(super) layers: Vec<ArchivedLayer>,
    /// Its names.
    pub(super) names: Vec<Reference>,
}

/// A layer of an archive.
#[derive(Debug)]
pub(super) struct ArchivedLayer {
    /// The file, unless it is elsewhere.
    pub(super) file: Option<String>,
    /// The digest of the file, where a manifest names it.
    pub(super) blob: Option<Digest>,
    /// What is known of it.
    pub(super) descriptor: Descriptor,
}

/// Images as they are read.
pub(super) type Images<'a> = Box<dyn Iterator<Item = Result<Archived>> + 'a>;

/// An entry of `manifest.json`.
#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Entry {
    config: String,
    #[serde(default)]
    repo_tags: Option<Vec<String>>,
    #[serde(default)]
    layers: Option<Vec<String>>,
    #[serde(default)]
    layer_sources: Option<BTreeMap<String, Descriptor>>,
}

/// The images of an archive, of which one at a time is read: each may have a large configuration.
pub(super) fn read(spool: &Spool) -> Result<Images<'_>> {
    let manifests = manifests(spool)?;
    let count;
    let images: Images<'_> = if spool.has("manifest.json") {
        let entries: Vec<Entry> = parsed("manifest.json", &spool.document("manifest.json")?)?;
        count = entries.len();
        let mut described = BTreeMap::new();
        let read = move |entry| of_entry(spool, entry, &manifests, &mut described);
        Box::new(entries.into_iter().map(read))
    } else if spool.has("index.json") {
        count = manifests.len();
        let images = manifests.into_iter();
        Box::new(images.map(|(described, names)| of_manifest(spool, described, names)))
    } else {
        return Err(Error::invalid(
            "the archive is none of images: it has neither manifest.json nor index.json",
        ));
    };
    if count == 0 {
        return Err(Error::invalid(
            "the archive has no image for windows/amd64: Porthole runs Windows images",
        ));
    }
    check_count(count)?;
    Ok(images)
}

fn check_count(images: usize) -> Result<()> {
    if images > MAX_IMAGES {
        return Err(Error::invalid(format!(
            "the archive has more than {MAX_IMAGES} images"
        )));
    }
    Ok(())
}

fn parsed<T: serde::de::DeserializeOwned>(name: &str, bytes: &[u8]) -> Result<T> {
    serde_json::from_slice(bytes)
        .map_err(|error| Error::invalid(format!("{name} is malformed: {error}")).with_source(error))
}

fn of_entry(
    spool: &Spool,
    entry: Entry,
    manifests: &[(Described, Vec<Reference>)],
    descriptions: &mut BTreeMap<String, Descriptor>,
) -> Result<Archived> {
    let config = spool.document(&entry.config)?;
    let id = Digest::of(&config);
    let names = entry.repo_tags.unwrap_or_default();
    let names = names.iter().map(|name| reference(name));
    let names = names.collect::<Result<_>>()?;
    let known = manifests
        .iter()
        .find(|(described, _)| described.manifest.config.digest == id);
    if let Some((described, _)) = known {
        return of_manifest(spool, described.clone(), names);
    }
    let sources = entry.layer_sources.unwrap_or_default();
    let diff_ids = porthole_oci::ImageConfig::parse(&config)
        .map_err(|error| Error::invalid(error.to_string()).with_source(error))?
        .rootfs
        .diff_ids;
    let files = entry.layers.unwrap_or_default();
    if files.len() > MAX_LAYERS {
        return Err(Error::invalid(format!(
            "an image of the archive has more than {MAX_LAYERS} layers"
        )));
    }
    let layers = files.into_iter().enumerate().map(|(position, file)| {
        let diff_id = diff_ids.get(position);
        let source = diff_id.and_then(|diff_id| sources.get(&diff_id.to_string()));
        let descriptor = match source {
            Some(source) => source.clone(),
            None => described(spool, &file, descriptions)?,
        };
        Ok(ArchivedLayer {
            file: spool.has(&file).then_some(file),
            blob: None,
            descriptor,
        })
    });
    Ok(Archived {
        layers: layers.collect::<Result<_>>()?,
        described: None,
        config,
        names,
    })
}

/// What can be said of a layer that nobody describes; found out once, however many images have it.
fn described(
    spool: &Spool,
    name: &str,
    known: &mut BTreeMap<String, Descriptor>,
) -> Result<Descriptor> {
    if let Some(descriptor) = known.get(name) {
        return Ok(descriptor.clone());
    }
    let descriptor = describe(spool, name)?;
    known.insert(name.to_owned(), descriptor.clone());
    Ok(descriptor)
}

/// A file's digest and size.
fn describe(spool: &Spool, name: &str) -> Result<Descriptor> {
    let (mut file, size) = spool.open(name)?;
    let mut hasher = sha2::Sha256::new();
    let mut buffer = vec![0; 1 << 16];
    loop {
        let read = file
            .read(&mut buffer)
            .map_err(|error| Error::system("cannot read the archive").with_source(error))?;
        if read == 0 {
            break;
        }
        hasher.update(&buffer[..read]);
    }
    let digest = Digest::from_bytes(hasher.finalize().into());
    Ok(Descriptor::new(media_type::OCI_LAYER, digest, size))
}

fn of_manifest(spool: &Spool, described: Described, names: Vec<Reference>) -> Result<Archived> {
    let manifest = &described.manifest;
    let config = spool.document(&path(manifest.config.digest))?;
    let layers = manifest.layers.iter().map(|layer| {
        let file = path(layer.digest);
        ArchivedLayer {
            file: spool.has(&file).then_some(file),
            blob: Some(layer.digest),
            descriptor: layer.clone(),
        }
    });
    Ok(Archived {
        config,
        layers: layers.collect(),
        names,
        described: Some(described),
    })
}

/// The manifests that the index names, of Windows images, each with its names.
fn manifests(spool: &Spool) -> Result<Vec<(Described, Vec<Reference>)>> {
    if !spool.has("index.json") {
        return Ok(Vec::new());
    }
    let bytes = spool.document("index.json")?;
    let Document::Index(index) = document("index.json", &bytes, Some(media_type::OCI_INDEX))?
    else {
        return Err(Error::invalid("index.json is no index"));
    };
    check_count(index.manifests.len())?;
    let mut found: Vec<(Described, Vec<Reference>)> = Vec::new();
    let mut bytes = 0;
    for entry in &index.manifests {
        let Some(described) = resolve(spool, entry, MAX_LEVELS)? else {
            continue;
        };
        bytes += described.bytes.len();
        if bytes > MAX_MANIFEST_BYTES {
            return Err(Error::invalid(format!(
                "the archive's manifests have more than {MAX_MANIFEST_BYTES} bytes"
            )));
        }
        let name = entry.annotations.get("io.containerd.image.name");
        let name = name
            .or_else(|| entry.annotations.get("org.opencontainers.image.ref.name"))
            .filter(|name| name.contains([':', '/']));
        let name = name.map(|name| reference(name)).transpose()?;
        match found
            .iter_mut()
            .find(|(known, _)| known.bytes == described.bytes)
        {
            Some((_, names)) => names.extend(name),
            None => found.push((described, name.into_iter().collect())),
        }
    }
    Ok(found)
}

/// The manifest for Windows that a descriptor leads to; none when it leads elsewhere.
fn resolve(spool: &Spool, entry: &Descriptor, levels: usize) -> Result<Option<Described>> {
    let name = path(entry.digest);
    if levels == 0 || !spool.has(&name) {
        return Ok(None);
    }
    let bytes = spool.document(&name)?;
    if Digest::of(&bytes) != entry.digest {
        return Err(Error::invalid(format!("{name} has another digest")));
    }
    match document(&name, &bytes, Some(&entry.media_type))? {
        Document::Manifest(manifest) => {
            let is_windows = entry.platform.as_ref().is_none_or(|platform| {
                platform.os.is_empty() || platform.os.eq_ignore_ascii_case("windows")
            });
            let is_image = manifest.check_image().is_ok();
            Ok((is_windows && is_image).then_some(Described { manifest, bytes }))
        }
        Document::Index(index) => match chosen(&index) {
            Some(entry) => resolve(spool, entry, levels - 1),
            None => Ok(None),
        },
    }
}

fn chosen(index: &Index) -> Option<&Descriptor> {
    let wanted = Wanted {
        os: "windows".to_owned(),
        architecture: "amd64".to_owned(),
        variant: None,
        version: None,
    };
    index.choose(&wanted).ok()
}

fn document(name: &str, bytes: &[u8], sent_as: Option<&str>) -> Result<Document> {
    Document::parse(bytes, sent_as)
        .map_err(|error| Error::invalid(format!("{name}: {error}")).with_source(error))
}

fn reference(name: &str) -> Result<Reference> {
    let parsed = name.parse::<Reference>().map(Reference::or_latest);
    parsed.map_err(|error| {
        Error::invalid(format!("invalid reference format: {error}")).with_source(error)
    })
}

fn path(digest: Digest) -> String {
    format!("blobs/sha256/{}", digest.hex())
}

#[cfg(test)]
mod tests {
    use porthole_store::Store;

    use super::*;

    fn read_of(manifest: &str) -> Result<usize> {
        let mut archive = tar::Builder::new(Vec::new());
        let mut header = tar::Header::new_gnu();
        header.set_size(manifest.len() as u64);
        archive
            .append_data(&mut header, "manifest.json", manifest.as_bytes())
            .unwrap();
        let directory = tempfile::tempdir().unwrap();
        let (store, _) = Store::open(directory.path()).unwrap();
        let spool = Spool::fill(&store, &*archive.into_inner().unwrap()).unwrap();
        read(&spool).map(Iterator::count)
    }

    #[test]
    fn images_are_counted_before_the_first_is_read() {
        let of = |count: usize| format!("[{}]", vec![r#"{"Config":"none"}"#; count].join(","));
        assert_eq!(read_of(&of(MAX_IMAGES)).unwrap(), MAX_IMAGES);
        for (count, words) in [(0, "no image"), (MAX_IMAGES + 1, "more than 1024 images")] {
            let error = read_of(&of(count)).unwrap_err();
            assert!(error.to_string().contains(words), "{error}");
        }
    }
}
