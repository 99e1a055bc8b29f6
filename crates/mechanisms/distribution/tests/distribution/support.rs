//! What the tests share: images, settings, credentials.

use std::io;
use std::pin::Pin;
use std::sync::{Arc, LazyLock, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures::TryStreamExt as _;
use porthole_distribution::{
    BlobSource, Client, Credentials, Error, Progress, Proxies, Result, Settings,
};
use porthole_oci::media_type::{DOCKER_CONFIG, DOCKER_LAYER_GZIP};
use porthole_oci::{Descriptor, Digest, Format, ImageConfig, Manifest, Reference, Wanted};
use tokio::io::AsyncRead;

/// An image in memory.
pub(crate) struct Image {
    pub(crate) config: Vec<u8>,
    pub(crate) layer: Vec<u8>,
    pub(crate) manifest: Manifest,
    pub(crate) bytes: Vec<u8>,
}

impl Image {
    /// One with a layer of `size` bytes that differ by `seed`.
    pub(crate) fn new(seed: u8, size: usize) -> Self {
        let layer: Vec<u8> = (0..size)
            .map(|index| u8::try_from((index * 31 + index / 251) % 256).unwrap() ^ seed)
            .collect();
        let mut config = ImageConfig {
            os: "windows".to_owned(),
            architecture: "amd64".to_owned(),
            os_version: Some("10.0.20348.1".to_owned()),
            ..ImageConfig::default()
        };
        config.rootfs.diff_ids = vec![Digest::of(&layer)];
        let config = serde_json::to_vec(&config).unwrap();
        let manifest = Manifest::new(
            Format::Docker,
            Descriptor::of(DOCKER_CONFIG, &config),
            vec![Descriptor::of(DOCKER_LAYER_GZIP, &layer)],
        );
        let bytes = manifest.to_bytes().unwrap();
        Self {
            config,
            layer,
            manifest,
            bytes,
        }
    }

    pub(crate) fn layer_descriptor(&self) -> &Descriptor {
        &self.manifest.layers[0]
    }
}

pub(crate) fn client() -> Client {
    Client::new(settings())
}

/// A client that waits for nobody.
pub(crate) fn hasty() -> Client {
    Client::new(Settings {
        patience: Duration::from_millis(200),
        ..settings()
    })
}

pub(crate) fn settings() -> Settings {
    Settings {
        certificates: Vec::new(),
        proxies: Proxies::default(),
        patience: Duration::from_secs(60),
        attempts: 3,
        pause: Duration::from_millis(1),
        ..Settings::default()
    }
}

/// What these tests are wanted for: any Windows will do.
pub(crate) fn wanted() -> Wanted {
    Wanted::windows("10.0.20348".parse().unwrap())
}

pub(crate) fn nobody() -> &'static Credentials {
    static NOBODY: LazyLock<Credentials> = LazyLock::new(Credentials::anonymous);
    &NOBODY
}

pub(crate) fn reference(text: impl AsRef<str>) -> Reference {
    text.as_ref().parse().unwrap()
}

/// The bytes of a blob.
pub(crate) async fn fetch(
    client: &Client,
    repository: &Reference,
    descriptor: &Descriptor,
    offset: u64,
) -> Result<Vec<u8>> {
    let stream = client.blob(repository, descriptor, nobody(), offset, Arc::new(()));
    let pieces: Vec<_> = stream.await?.try_collect().await?;
    Ok(pieces.concat())
}

/// A blob in memory, which may end early.
pub(crate) struct Memory(pub(crate) Vec<u8>);

#[async_trait]
impl BlobSource for Memory {
    async fn open(&self, offset: u64) -> io::Result<Pin<Box<dyn AsyncRead + Send>>> {
        let offset = usize::try_from(offset).unwrap();
        Ok(Box::pin(io::Cursor::new(self.0[offset..].to_vec())))
    }
}

/// What a transfer told of itself.
#[derive(Default)]
pub(crate) struct Told {
    pub(crate) moved: Mutex<Vec<u64>>,
    pub(crate) retries: Mutex<Vec<String>>,
}

impl Progress for Told {
    fn moved(&self, total: u64) {
        self.moved.lock().unwrap().push(total);
    }

    fn retrying(&self, _pause: Duration, error: &Error) {
        self.retries.lock().unwrap().push(error.to_string());
    }
}

/// Uploads an image and gives it a name.
pub(crate) async fn push(
    client: &Client,
    name: &Reference,
    image: &Image,
    credentials: &Credentials,
) -> Result<Digest> {
    for bytes in [&image.config, &image.layer] {
        let digest = Digest::of(bytes);
        let source = Memory(bytes.clone());
        let size = bytes.len() as u64;
        client
            .upload_blob(name, digest, size, &source, credentials, Arc::new(()))
            .await?;
    }
    let media_type = image.manifest.media_type();
    client
        .put_manifest(name, media_type, image.bytes.clone(), credentials)
        .await
}
