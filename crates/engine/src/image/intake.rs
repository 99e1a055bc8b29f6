//! Bringing an image in from elsewhere: what of it is to be taken, and what is here already.

use std::path::PathBuf;

use porthole_layers::TakenLayer;
use porthole_oci::{Descriptor, Digest, ImageConfig, ImageId, LayerId, MicrosoftBase, Reference};
use porthole_store::{
    ImageImport, LayerContents, LayerImport, StagingDirectory, Store, SubstitutedBase,
    SubstitutedLayer,
};

use crate::error::{Error, Result};
use crate::image::blobs::Described;
use crate::image::{ONLY_WINDOWS, base, layer_failed};
use crate::records::stored;

/// An image that is on its way in.
#[derive(Debug)]
pub(crate) struct Incoming {
    /// Its configuration.
    pub(crate) config: ImageConfig,
    /// Byte for byte.
    pub(crate) config_bytes: Vec<u8>,
    /// Its manifest, if it has one.
    pub(crate) described: Option<Described>,
    /// The base of Microsoft's that it stands on, in whose place one of ours stands.
    pub(crate) base: Option<SubstitutedBase>,
    /// Its own layers, base first.
    pub(crate) layers: Vec<IncomingLayer>,
}

/// A layer that is wanted here.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct IncomingLayer {
    /// Its ID here.
    pub(crate) id: LayerId,
    /// The digest of its archive, uncompressed.
    pub(crate) diff_id: Digest,
    /// What the manifest says of it.
    pub(crate) descriptor: Option<Descriptor>,
}

/// Where a layer comes from.
#[derive(Debug)]
pub(crate) enum Source {
    /// It is here.
    Present,
    /// It has been fetched.
    Taken(Box<TakenLayer>),
}

impl Incoming {
    /// Reads an image's documents. `layers` are the descriptors of all its layers, where they are
    /// known; `names` are those that it is known by, the one that it comes from first.
    pub(crate) fn read(
        config_bytes: Vec<u8>,
        described: Option<Described>,
        layers: &[Descriptor],
        names: &[Reference],
    ) -> Result<Self> {
        let invalid =
            |error: porthole_oci::Error| Error::invalid(error.to_string()).with_source(error);
        let config = ImageConfig::parse(&config_bytes).map_err(invalid)?;
        check_platform(&config)?;
        let recognised = MicrosoftBase::of(&config, layers, names).map_err(invalid)?;
        let below = recognised.map_or(0, |base| base.layers);
        let base = recognised.map(|recognised| substituted(recognised, &config, layers, names));
        let ids = config.layer_ids().into_iter();
        let all = ids.zip(&config.rootfs.diff_ids).enumerate();
        let own = all
            .skip(below)
            .map(|(position, (id, diff_id))| IncomingLayer {
                id,
                diff_id: *diff_id,
                descriptor: layers.get(position).cloned(),
            });
        let own = own.collect();
        Ok(Self {
            config,
            config_bytes,
            described,
            base,
            layers: own,
        })
    }

    /// Its ID here.
    pub(crate) fn id(&self) -> ImageId {
        ImageId(Digest::of(&self.config_bytes))
    }

    /// The directories of the layers that take the place of Microsoft's, the topmost first. Blocks.
    ///
    /// # Errors
    /// `Conflict` while they are not there.
    pub(crate) fn below(&self, store: &Store) -> Result<Vec<PathBuf>> {
        match &self.base {
            Some(base) => base::directories(store, base.kind, &self.id().short()),
            None => Ok(Vec::new()),
        }
    }

    /// Gives the layers the spelling of those below, and brings everything in, all or nothing.
    /// Blocks.
    pub(crate) fn import(
        self,
        store: &Store,
        sources: Vec<Source>,
        tags: Vec<Reference>,
        origin: Option<&Reference>,
    ) -> Result<ImageId> {
        let below = self.below(store)?;
        settle(store, below, self.base.is_some(), &self.layers, &sources)?;
        let mut staging: Vec<StagingDirectory> = Vec::new();
        let layers = sources.into_iter().map(|source| match source {
            Source::Present => LayerImport {
                contents: LayerContents::Present,
                blob: None,
            },
            Source::Taken(layer) => {
                let (layer, directory) = layer.into_import();
                staging.push(directory);
                layer
            }
        });
        let layers = layers.collect();
        let mut import = ImageImport::new(self.config_bytes, layers);
        import.base = self.base;
        import.tags = tags;
        import.sources = sources_of(self.described.as_ref(), origin);
        import.manifest = self.described.map(|described| described.bytes);
        store.import_image(&import).map_err(stored)
    }
}

/// Blobs and the repository that is known to have them, for pushes to its registry.
fn sources_of(
    described: Option<&Described>,
    origin: Option<&Reference>,
) -> Vec<(Digest, Reference)> {
    let (Some(described), Some(origin)) = (described, origin) else {
        return Vec::new();
    };
    let layers = described.manifest.layers.iter();
    let held = layers.filter(|layer| !layer.is_foreign_layer());
    held.map(|layer| (layer.digest, origin.clone())).collect()
}

/// Settles each layer that was taken over those below it, base first; `lowers` is what is below all, and
/// with `is_substitute` not what the layers were made for.
fn settle(
    store: &Store,
    mut lowers: Vec<PathBuf>,
    is_substitute: bool,
    layers: &[IncomingLayer],
    sources: &[Source],
) -> Result<()> {
    for (layer, source) in layers.iter().zip(sources) {
        let directory = match source {
            Source::Present => store.root().layer(layer.id),
            Source::Taken(taken) => {
                let below: Vec<_> = lowers.iter().map(AsRef::as_ref).collect();
                if is_substitute {
                    let links = taken.settle_on_another_base(&below);
                    tell_left_out(layer.id, links.map_err(layer_failed)?);
                } else {
                    taken.settle(&below).map_err(layer_failed)?;
                }
                taken.directory().to_owned()
            }
        };
        lowers.insert(0, directory);
    }
    Ok(())
}

fn tell_left_out(layer: LayerId, links: usize) {
    if links > 0 {
        tracing::warn!(
            %layer,
            links,
            "hard links to files of Microsoft's base that Porthole's has not are left out"
        );
    }
}

fn check_platform(config: &ImageConfig) -> Result<()> {
    let os = config.os.to_ascii_lowercase();
    let architecture = config.architecture.to_ascii_lowercase();
    if os == "windows" && matches!(architecture.as_str(), "amd64" | "x86_64") {
        return Ok(());
    }
    if os != "windows" {
        return Err(Error::invalid(format!(
            "image operating system \"{}\" cannot be used on this platform: {ONLY_WINDOWS}",
            config.os
        )));
    }
    Err(Error::invalid(format!(
        "image architecture \"{}\" cannot be used on this platform: {ONLY_WINDOWS}",
        config.architecture
    )))
}

fn substituted(
    recognised: MicrosoftBase,
    config: &ImageConfig,
    layers: &[Descriptor],
    names: &[Reference],
) -> SubstitutedBase {
    let diff_ids = config.rootfs.diff_ids.iter().take(recognised.layers);
    let layers = diff_ids
        .enumerate()
        .map(|(position, diff_id)| SubstitutedLayer {
            diff_id: *diff_id,
            descriptor: layers.get(position).cloned(),
        });
    SubstitutedBase {
        kind: recognised.kind,
        repository: names.first().cloned(),
        layers: layers.collect(),
    }
}

/// Whether a layer is here.
pub(crate) fn present(store: &Store, layer: LayerId) -> Result<bool> {
    store.has_layer(layer).map_err(stored)
}

#[cfg(test)]
mod tests {
    use porthole_oci::HistoryEntry;

    use super::*;
    use crate::error::ErrorKind;
    use crate::fake;

    #[test]
    fn what_stands_on_a_base_that_is_not_here_is_not_brought_in() {
        let directory = tempfile::tempdir().unwrap();
        let (store, _) = Store::open(directory.path()).unwrap();
        let mut config = ImageConfig {
            os: "windows".to_owned(),
            architecture: "amd64".to_owned(),
            ..ImageConfig::default()
        };
        for (step, layer) in [("Apply image 10.0.17763.1", "base"), ("COPY", "own")] {
            config.history.push(HistoryEntry {
                created_by: Some(step.to_owned()),
                ..HistoryEntry::default()
            });
            config.rootfs.diff_ids.push(Digest::of(layer.as_bytes()));
        }
        let bytes = serde_json::to_vec(&config).unwrap();
        let incoming = Incoming::read(bytes, None, &[], &[]).unwrap();
        let error = incoming.below(&store).unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Conflict);
        let told = error.to_string();
        assert!(told.contains("porthole base build servercore"), "{told}");
        fake::import(&store, &["porthole/servercore"], b"layer").unwrap();
        assert_eq!(incoming.below(&store).unwrap().len(), 1);
    }
}
