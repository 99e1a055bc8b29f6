//! One fetch of a layer at a time: who wants the same one waits, and then finds it here.

use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError, Weak};

use porthole_oci::LayerId;
use tokio::sync::OwnedMutexGuard;

/// Layers that somebody fetches.
///
/// A layer's ID stands for all layers below it too, so that whoever takes the layers of an image
/// from the base up takes them in the same order as everybody else: nobody waits in a circle.
#[derive(Debug, Default)]
pub(crate) struct Fetches {
    layers: Mutex<BTreeMap<LayerId, Weak<tokio::sync::Mutex<()>>>>,
}

/// Nobody else fetches the layer until this is dropped.
pub(crate) type Fetching = OwnedMutexGuard<()>;

impl Fetches {
    /// Waits until nobody fetches the layer.
    pub(crate) async fn begin(&self, layer: LayerId) -> Fetching {
        let lock = {
            let mut layers = self.layers.lock().unwrap_or_else(PoisonError::into_inner);
            layers.retain(|_, lock| lock.strong_count() > 0);
            let known = layers.get(&layer).and_then(Weak::upgrade);
            known.unwrap_or_else(|| {
                let lock = Arc::default();
                layers.insert(layer, Arc::downgrade(&lock));
                lock
            })
        };
        lock.lock_owned().await
    }
}

#[cfg(test)]
mod tests {
    use futures::FutureExt;
    use porthole_oci::Digest;

    use super::*;

    #[tokio::test]
    async fn the_second_waits_for_the_first_of_the_same_layer() {
        let fetches = Fetches::default();
        let layer = |text: &[u8]| LayerId::chain(None, Digest::of(text));
        let first = fetches.begin(layer(b"a")).await;
        let _other = fetches.begin(layer(b"b")).await;
        let mut second = Box::pin(fetches.begin(layer(b"a")));
        assert!(second.as_mut().now_or_never().is_none());
        drop(first);
        let _second = second.await;
        assert_eq!(fetches.layers.lock().unwrap().len(), 2);
    }
}
