//! How much space everything takes.

use std::collections::BTreeMap;

use crate::container::list::{self, ContainerSummary, ListContainers};
use crate::context::Context;
use crate::error::Result;
use crate::image::{self, ImageSummary};

/// How much space everything takes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Usage {
    /// Bytes of all layers, each counted once.
    pub layers: u64,
    /// The images, each with the bytes that it shares with others.
    pub images: Vec<(ImageSummary, u64)>,
    /// The containers, with their sizes.
    pub containers: Vec<ContainerSummary>,
}

/// What is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wanted {
    /// The images.
    pub images: bool,
    /// The containers; each has its files counted.
    pub containers: bool,
}

/// Measures.
pub(crate) async fn measure(context: &Context, wanted: Wanted) -> Result<Usage> {
    let mut usage = Usage {
        layers: 0,
        images: Vec::new(),
        containers: Vec::new(),
    };
    if wanted.images {
        let images = context.records.images().await?;
        let layers = images.iter().flat_map(|image| &image.layers);
        let layers: BTreeMap<_, _> = layers.map(|layer| (layer.id, layer.size)).collect();
        usage.layers = layers.values().sum();
        let shared = image::list::shared_sizes(&images);
        usage.images = image::list::all(context, &images)
            .into_iter()
            .map(|image| {
                let shared = shared.get(&image.id).copied().unwrap_or_default();
                (image, shared)
            })
            .collect();
    }
    if wanted.containers {
        let all = ListContainers {
            all: true,
            size: true,
            ..ListContainers::default()
        };
        usage.containers = list::list(context, all).await?;
    }
    Ok(usage)
}
