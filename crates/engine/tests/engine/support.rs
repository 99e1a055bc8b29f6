//! An engine over a fake compute service, a temporary store and a network in memory.

use std::collections::BTreeSet;
use std::path::PathBuf;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use async_trait::async_trait;
use futures::StreamExt;
use porthole_compute_service::fake::{self, Program, Script};
use porthole_compute_service::system::ComputeService;
use porthole_engine::attachment::{Attach, Attachment, StreamKind};
use porthole_engine::container::config::{ContainerConfig, CreateContainer, HostConfig};
use porthole_engine::container::record::{BoundPort, Endpoint};
use porthole_engine::container::state::Phase;
use porthole_engine::container::wait::{WaitCondition, WaitOutcome};
use porthole_engine::event::{Event, EventQuery};
use porthole_engine::facts::Facts;
use porthole_engine::network::{ConnectRequest, Network};
use porthole_engine::{Engine, Error, ErrorKind, Parts};
use porthole_store::{Digest, ImageConfig, ImageImport, LayerContents, LayerImport, Store};
use time::OffsetDateTime;

/// How long anything in these tests may take.
const PATIENCE: Duration = Duration::from_secs(20);

/// The image that is there.
pub(crate) const IMAGE: &str = "porthole/nanoserver";

/// An engine and everything around it.
pub(crate) struct World {
    pub(crate) engine: Arc<Engine>,
    pub(crate) script: Script,
    pub(crate) network: Arc<MemoryNetwork>,
    compute: Arc<dyn ComputeService>,
    store: Store,
    directory: tempfile::TempDir,
}

impl World {
    pub(crate) async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (store, _) = Store::open(directory.path()).unwrap();
        import(&store, &[IMAGE], b"base layer");
        let (compute, script) = fake::service().await;
        script.program("ping -t x", Program::new().await_signal().exit(0xC000_013A));
        let network = Arc::new(MemoryNetwork::default());
        let engine = open(
            &store,
            &(compute.clone() as Arc<dyn ComputeService>),
            &network,
        )
        .await;
        Self {
            engine,
            script,
            network,
            compute,
            store,
            directory,
        }
    }

    /// Ends the engine as a crash would, and opens another.
    pub(crate) async fn reopen(&mut self) {
        self.engine = open(&self.store, &self.compute, &self.network).await;
    }

    pub(crate) fn import(&self, names: &[&str], layer: &[u8]) -> String {
        import(&self.store, names, layer)
    }

    pub(crate) fn compute(&self) -> &Arc<dyn ComputeService> {
        &self.compute
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// A directory of the host, for binds.
    pub(crate) fn host_directory(&self) -> PathBuf {
        let path = self.directory.path().join("host");
        std::fs::create_dir_all(&path).unwrap();
        path
    }

    /// Creates a container of `cmd`.
    pub(crate) async fn create(&self, name: &str, cmd: &[&str]) -> String {
        self.create_with(request(name, cmd)).await.unwrap()
    }

    pub(crate) async fn create_with(&self, request: CreateContainer) -> Result<String, Error> {
        within(self.engine.create_container(request))
            .await
            .map(|created| created.id)
    }

    pub(crate) async fn start(&self, name: &str) -> Result<(), Error> {
        within(self.engine.start_container(name)).await
    }

    pub(crate) async fn wait(&self, name: &str) -> WaitOutcome {
        let waiting = self
            .engine
            .wait_container(name, WaitCondition::NotRunning)
            .await
            .unwrap();
        within(waiting.outcome()).await.unwrap()
    }

    /// Begins a start; returns once it is under way.
    pub(crate) async fn begin_start(
        &self,
        name: &'static str,
    ) -> tokio::task::JoinHandle<Result<(), Error>> {
        let engine = Arc::clone(&self.engine);
        let start = tokio::spawn(async move { engine.start_container(name).await });
        eventually(|| {
            let container = self.engine.inspect_container(name).unwrap();
            container.state.phase == Phase::Starting
        })
        .await;
        start
    }

    pub(crate) fn status(&self, name: &str) -> &'static str {
        self.engine.inspect_container(name).unwrap().state.status()
    }

    /// Nothing is left of any container but what the store lists.
    pub(crate) async fn assert_nothing_left(&self) {
        assert!(
            self.network.connected().is_empty(),
            "endpoints: {:?}",
            self.network.connected()
        );
        let systems = self
            .compute
            .enumerate(&porthole_hcs::SystemQuery::default())
            .await
            .unwrap();
        assert!(systems.is_empty(), "systems: {systems:?}");
        let records = self.store.containers().unwrap().len();
        let directories = std::fs::read_dir(self.store.root().containers())
            .unwrap()
            .count();
        assert_eq!(directories, records);
    }

    /// All events so far, as `kind action` with the wanted attributes.
    pub(crate) async fn events(&self, attributes: &[&str]) -> Vec<String> {
        let query = EventQuery {
            since: Some(OffsetDateTime::UNIX_EPOCH),
            until: Some(OffsetDateTime::now_utc()),
            ..EventQuery::default()
        };
        let events: Vec<Event> = within(self.engine.events(query).unwrap().collect()).await;
        events
            .iter()
            .map(|event| shown(event, attributes))
            .collect()
    }
}

fn shown(event: &Event, attributes: &[&str]) -> String {
    let mut text = format!("{} {}", event.kind.name(), event.action);
    for name in attributes {
        if let Some(value) = event.attributes.get(*name) {
            text.push_str(&format!(" {name}={value}"));
        }
    }
    text
}

/// Fails the test instead of hanging.
pub(crate) async fn within<T>(future: impl Future<Output = T>) -> T {
    tokio::time::timeout(PATIENCE, future)
        .await
        .expect("it took too long")
}

/// Waits until `condition` holds.
pub(crate) async fn eventually(condition: impl Fn() -> bool) {
    within(async {
        while !condition() {
            tokio::time::sleep(Duration::from_millis(2)).await;
        }
    })
    .await;
}

pub(crate) fn request(name: &str, cmd: &[&str]) -> CreateContainer {
    CreateContainer {
        name: (!name.is_empty()).then(|| name.to_owned()),
        config: ContainerConfig {
            image: IMAGE.to_owned(),
            cmd: Some(cmd.iter().map(|word| (*word).to_owned()).collect()),
            ..ContainerConfig::default()
        },
        host: HostConfig::default(),
    }
}

pub(crate) const OUTPUT: Attach = Attach {
    stdin: false,
    stdout: true,
    stderr: true,
    logs: false,
    stream: true,
};

/// Everything that comes on a stream until it ends.
pub(crate) async fn read_to_end(attachment: Attachment, kind: StreamKind) -> String {
    let pieces: Vec<_> = within(attachment.output.collect()).await;
    let bytes = pieces
        .into_iter()
        .map(Result::unwrap)
        .filter(|(from, _)| *from == kind);
    String::from_utf8(bytes.flat_map(|(_, bytes)| bytes).collect()).unwrap()
}

pub(crate) async fn open(
    store: &Store,
    compute: &Arc<dyn ComputeService>,
    network: &Arc<MemoryNetwork>,
) -> Arc<Engine> {
    let facts = Facts {
        engine_id: "test".to_owned(),
        host_name: "host".to_owned(),
        processors: 2,
        memory: 1 << 30,
        windows_build: 20348,
        wine_build: Some("10.0/1/win64".to_owned()),
        data_root: store.root().path().display().to_string(),
    };
    let parts = Parts {
        store: store.clone(),
        compute: Arc::clone(compute),
        network: Arc::clone(network) as Arc<dyn Network>,
        facts,
    };
    within(Engine::open(parts)).await.unwrap()
}

/// Imports an image with one layer; returns its ID.
pub(crate) fn import(store: &Store, names: &[&str], layer: &[u8]) -> String {
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
    config.config.labels.insert(
        "io.porthole.wine-build".to_owned(),
        "10.0/1/win64".to_owned(),
    );
    let staging = store.staging_directory().unwrap();
    let directory = staging.path().join("layer");
    std::fs::create_dir_all(directory.join("Files")).unwrap();
    let import = ImageImport {
        config: serde_json::to_vec(&config).unwrap(),
        manifest: None,
        layers: vec![LayerImport {
            contents: LayerContents::Unpacked {
                directory,
                size: 1000,
            },
            blob: None,
        }],
        tags: names
            .iter()
            .map(|name| {
                name.parse::<porthole_store::Reference>()
                    .unwrap()
                    .or_latest()
            })
            .collect(),
        repositories: Vec::new(),
    };
    store.import_image(&import).unwrap().to_string()
}

/// A network in memory.
#[derive(Debug, Default)]
pub(crate) struct MemoryNetwork {
    endpoints: Mutex<std::collections::BTreeMap<String, Endpoint>>,
    taken: Mutex<BTreeSet<u16>>,
    /// Whoever holds it for writing holds up every start.
    gate: tokio::sync::RwLock<()>,
}

impl MemoryNetwork {
    pub(crate) fn connected(&self) -> Vec<String> {
        self.endpoints.lock().unwrap().keys().cloned().collect()
    }

    /// Starts stay under way until what this gives is dropped.
    pub(crate) async fn hold_up(&self) -> tokio::sync::RwLockWriteGuard<'_, ()> {
        self.gate.write().await
    }

    /// Nobody gets this port.
    pub(crate) fn take(&self, port: u16) {
        self.taken.lock().unwrap().insert(port);
    }
}

#[async_trait]
impl Network for MemoryNetwork {
    async fn connect(&self, request: &ConnectRequest) -> Result<Endpoint, Error> {
        let _open = self.gate.read().await;
        let mut endpoints = self.endpoints.lock().unwrap();
        let mut ports = Vec::new();
        for port in &request.ports {
            let host_port = port.host_port.unwrap_or(40_000);
            if self.taken.lock().unwrap().contains(&host_port) {
                return Err(Error::new(
                    ErrorKind::System,
                    format!("Bind for 0.0.0.0:{host_port} failed: port is already allocated"),
                ));
            }
            let host_ip = port.host_ip.unwrap_or([0, 0, 0, 0].into());
            ports.push(BoundPort {
                container: port.container,
                host_ip,
                host_port,
            });
        }
        let endpoint = Endpoint {
            id: format!("endpoint-{}", request.container),
            network_id: "nat-id".to_owned(),
            namespace: PathBuf::from("/run/porthole/netns").join(&request.container),
            address: Some([172, 30, 0, 2].into()),
            prefix_length: 16,
            gateway: Some([172, 30, 0, 1].into()),
            mac_address: "02:50:ac:1e:00:02".to_owned(),
            ports,
            dns_servers: Vec::new(),
            dns_search: Vec::new(),
        };
        endpoints.insert(request.container.clone(), endpoint.clone());
        Ok(endpoint)
    }

    async fn endpoint(&self, container: &str) -> Result<Option<Endpoint>, Error> {
        Ok(self.endpoints.lock().unwrap().get(container).cloned())
    }

    async fn reconcile(&self, connected: &[String]) -> Result<(), Error> {
        self.endpoints
            .lock()
            .unwrap()
            .retain(|id, _| connected.contains(id));
        Ok(())
    }

    async fn disconnect(&self, container: &str) -> Result<(), Error> {
        self.endpoints.lock().unwrap().remove(container);
        Ok(())
    }
}
