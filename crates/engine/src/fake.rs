//! An engine's surroundings in memory, for the tests of the engine and of what stands on it. The
//! Compute Service has a fake of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use porthole_store::{Digest, ImageConfig, ImageImport, LayerContents, LayerImport, Store};

use crate::container::record::{BoundPort, Endpoint};
use crate::error::{Error, ErrorKind, Result};
use crate::facts::{Facts, Installation};
use crate::image::config::WINE_BUILD;
use crate::image::registry::{Client, Registries};
use crate::network::{ConnectRequest, Network, NetworkRecord, Subnet, Traffic};

/// The Wine build of the images of [`import`] and of a new [`FakeInstallation`].
pub const BUILD: &str = "10.0/1/win64";

/// Bytes of the one layer of an image of [`import`].
pub const LAYER_SIZE: u64 = 1000;

/// The host port that a container gets who names none.
const FREE_PORT: u16 = 40_000;

/// Facts of a small host.
#[must_use]
pub fn facts(store: &Store) -> Facts {
    Facts {
        engine_id: "test".to_owned(),
        host_name: "host".to_owned(),
        processors: 2,
        memory: 1 << 30,
        windows_build: 20348,
        data_root: store.root().path().display().to_string(),
        time_zone: None,
        warnings: Vec::new(),
    }
}

/// Registries with nothing set up.
#[must_use]
pub fn registries() -> Registries {
    Registries {
        client: Client::new(porthole_distribution::Settings::default()),
        push_base_layers: false,
    }
}

/// An installation whose kernel package can be replaced.
#[derive(Debug)]
pub struct FakeInstallation {
    wine_build: Mutex<Option<String>>,
}

impl Default for FakeInstallation {
    fn default() -> Self {
        Self {
            wine_build: Mutex::new(Some(BUILD.to_owned())),
        }
    }
}

impl FakeInstallation {
    /// Installs a kernel package of this Wine build, or takes it away.
    pub fn install(&self, wine_build: Option<&str>) {
        *locked(&self.wine_build) = wine_build.map(str::to_owned);
    }
}

impl Installation for FakeInstallation {
    fn wine_build(&self) -> Option<String> {
        locked(&self.wine_build).clone()
    }
}

/// Imports an image of one layer, for which any bytes will do; gives its ID.
///
/// # Errors
/// What the store or the file system says.
pub fn import(
    store: &Store,
    names: &[&str],
    layer: &[u8],
) -> std::result::Result<String, Box<dyn std::error::Error + Send + Sync>> {
    let mut config = ImageConfig {
        created: Some("2026-01-02T03:04:05Z".to_owned()),
        architecture: "amd64".to_owned(),
        os: "windows".to_owned(),
        os_version: Some("10.0.20348.1".to_owned()),
        ..ImageConfig::default()
    };
    config.rootfs.diff_ids = vec![Digest::of(layer)];
    config.config.user = "ContainerUser".to_owned();
    config.config.cmd = Some(vec!["cmd".to_owned()]);
    let labels = &mut config.config.labels;
    labels.insert(WINE_BUILD.to_owned(), BUILD.to_owned());
    let staging = store.staging_directory()?;
    let directory = staging.path().join("layer");
    std::fs::create_dir_all(directory.join("Files"))?;
    let tags = names
        .iter()
        .map(|name| name.parse().map(porthole_store::Reference::or_latest));
    let layer = LayerImport {
        contents: LayerContents::Unpacked {
            directory,
            size: LAYER_SIZE,
        },
        blob: None,
    };
    let mut import = ImageImport::new(serde_json::to_vec(&config)?, vec![layer]);
    import.tags = tags.collect::<Result<_, porthole_oci::Error>>()?;
    Ok(store.import_image(&import)?.to_string())
}

/// A network in memory.
#[derive(Debug, Default)]
pub struct MemoryNetwork {
    endpoints: Mutex<BTreeMap<String, Endpoint>>,
    taken: Mutex<BTreeSet<u16>>,
    /// Whoever holds it for writing holds up every start.
    gate: tokio::sync::RwLock<()>,
    refused_disconnect: AtomicBool,
    panics: AtomicBool,
}

impl MemoryNetwork {
    /// IDs of the containers that have an endpoint.
    #[must_use]
    pub fn connected(&self) -> Vec<String> {
        locked(&self.endpoints).keys().cloned().collect()
    }

    /// Starts stay under way until what this gives is dropped.
    pub async fn hold_up(&self) -> tokio::sync::RwLockWriteGuard<'_, ()> {
        self.gate.write().await
    }

    /// The next endpoint to be taken back stays.
    pub fn refuse_disconnect(&self) {
        self.refused_disconnect.store(true, Ordering::SeqCst);
    }

    /// The next connection is a fault of the program: a panic.
    pub fn panic_once(&self) {
        self.panics.store(true, Ordering::SeqCst);
    }

    /// Nobody gets this port.
    pub fn take(&self, port: u16) {
        locked(&self.taken).insert(port);
    }

    fn publish(&self, request: &ConnectRequest) -> Result<Vec<BoundPort>> {
        let taken = locked(&self.taken);
        let ports = request.ports.iter().map(|port| {
            let host_port = port
                .host_ports
                .as_ref()
                .map_or(FREE_PORT, |ports| *ports.start());
            if taken.contains(&host_port) {
                return Err(Error::new(
                    ErrorKind::System,
                    format!("Bind for 0.0.0.0:{host_port} failed: port is already allocated"),
                ));
            }
            Ok(BoundPort {
                container: port.container,
                host_ip: port.host_ip.unwrap_or([0, 0, 0, 0].into()),
                host_port,
            })
        });
        ports.collect()
    }
}

#[async_trait]
impl Network for MemoryNetwork {
    async fn connect(&self, request: &ConnectRequest) -> Result<Endpoint> {
        let _open = self.gate.read().await;
        assert!(!self.panics.swap(false, Ordering::SeqCst), "asked for");
        if locked(&self.endpoints).contains_key(&request.container) {
            return Err(Error::conflict("there is one with this ID"));
        }
        let endpoint = Endpoint {
            id: format!("endpoint-{}", request.container),
            network_id: format!("{}-id", request.network),
            namespace: PathBuf::from("/run/porthole/netns").join(&request.container),
            address: Some([172, 30, 0, 2].into()),
            prefix_length: 16,
            gateway: Some([172, 30, 0, 1].into()),
            mac_address: "02:50:ac:1e:00:02".to_owned(),
            ports: self.publish(request)?,
            dns_servers: Vec::new(),
            dns_search: Vec::new(),
        };
        locked(&self.endpoints).insert(request.container.clone(), endpoint.clone());
        Ok(endpoint)
    }

    async fn endpoint(&self, container: &str) -> Result<Option<Endpoint>> {
        Ok(locked(&self.endpoints).get(container).cloned())
    }

    async fn traffic(&self, container: &str) -> Result<Option<Traffic>> {
        let connected = locked(&self.endpoints).contains_key(container);
        Ok(connected.then(Traffic::default))
    }

    fn list(&self) -> Vec<NetworkRecord> {
        let subnet = Subnet {
            range: "172.30.0.0/16".to_owned(),
            gateway: [172, 30, 0, 1].into(),
        };
        let network = |name: &str, driver, subnet| NetworkRecord {
            id: format!("{name}-id"),
            name: name.to_owned(),
            driver,
            subnet,
        };
        vec![
            network("nat", "nat", Some(subnet)),
            network("none", "null", None),
        ]
    }

    async fn reconcile(&self, claimed: &[String]) -> Result<Vec<String>> {
        let mut endpoints = locked(&self.endpoints);
        endpoints.retain(|id, _| claimed.contains(id));
        let lost = claimed.iter().filter(|id| !endpoints.contains_key(*id));
        Ok(lost.cloned().collect())
    }

    async fn disconnect(&self, container: &str) -> Result<()> {
        if self.refused_disconnect.swap(false, Ordering::SeqCst) {
            return Err(Error::system("the fake network refused it"));
        }
        locked(&self.endpoints).remove(container);
        Ok(())
    }
}

fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
