//! An engine over a fake compute service, a temporary store and a network in memory.

use std::path::PathBuf;
use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use porthole_compute_service::fake::{Program, Script, service};
use porthole_compute_service::system::ComputeService;
use porthole_engine::attachment::{Attach, Attachment, StreamKind};
use porthole_engine::container::config::{ContainerConfig, CreateContainer, HostConfig};
use porthole_engine::container::state::Phase;
use porthole_engine::container::wait::{WaitCondition, WaitOutcome};
use porthole_engine::event::{Event, EventQuery};
use porthole_engine::facts::Installation;
use porthole_engine::fake::{self, FakeInstallation, MemoryNetwork};
use porthole_engine::network::Network;
use porthole_engine::{Engine, Error, Parts};
use porthole_store::Store;
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
    pub(crate) installation: Arc<FakeInstallation>,
    compute: Arc<dyn ComputeService>,
    store: Store,
    directory: tempfile::TempDir,
}

impl World {
    pub(crate) async fn new() -> Self {
        let directory = tempfile::tempdir().unwrap();
        let (store, _) = Store::open(directory.path()).unwrap();
        fake::import(&store, &[IMAGE], b"base layer").unwrap();
        let (compute, script) = service().await;
        script.program("ping -t x", Program::new().await_signal().exit(0xC000_013A));
        let network = Arc::new(MemoryNetwork::default());
        let installation = Arc::new(FakeInstallation::default());
        let engine = open(
            &store,
            &(compute.clone() as Arc<dyn ComputeService>),
            &network,
            &installation,
        )
        .await;
        Self {
            engine,
            script,
            network,
            installation,
            compute,
            store,
            directory,
        }
    }

    /// Ends the engine as a crash would, and opens another.
    pub(crate) async fn reopen(&mut self) {
        self.engine = open(
            &self.store,
            &self.compute,
            &self.network,
            &self.installation,
        )
        .await;
    }

    /// The same over another compute service.
    pub(crate) async fn reopen_over(&mut self, compute: Arc<dyn ComputeService>) {
        self.compute = compute;
        self.reopen().await;
    }

    pub(crate) fn import(&self, names: &[&str], layer: &[u8]) -> String {
        fake::import(&self.store, names, layer).unwrap()
    }

    pub(crate) fn compute(&self) -> &Arc<dyn ComputeService> {
        &self.compute
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// Lets no record be saved until what this gives is dropped.
    pub(crate) fn fill_disk(&self) -> FullDisk {
        let database =
            rusqlite::Connection::open(self.directory.path().join("porthole.db")).unwrap();
        let refuse = "CREATE TABLE refused (time);
                      CREATE TRIGGER full BEFORE UPDATE ON containers BEGIN
                          INSERT INTO refused VALUES (0);
                          SELECT RAISE(FAIL, 'database or disk is full');
                      END";
        database.execute_batch(refuse).unwrap();
        FullDisk { database }
    }

    /// A directory of the host, for binds.
    pub(crate) fn host_directory(&self) -> PathBuf {
        let path = self.directory.path().join("host");
        std::fs::create_dir_all(&path).unwrap();
        path
    }

    /// Makes `server.exe` known: it runs until it is told to stop, and ends with 5.
    pub(crate) fn know_server(&self) {
        let server = Program::new().await_signal().exit(5);
        self.script.program("server.exe", server);
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

/// A disk without room for records.
pub(crate) struct FullDisk {
    database: rusqlite::Connection,
}

impl FullDisk {
    /// How often a record could not be saved.
    pub(crate) fn refused(&self) -> u32 {
        let count = "SELECT count(*) FROM refused";
        let count = self.database.query_row(count, [], |row| row.get(0));
        count.unwrap()
    }
}

impl Drop for FullDisk {
    fn drop(&mut self) {
        self.database
            .execute_batch("DROP TRIGGER full; DROP TABLE refused")
            .unwrap();
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
    installation: &Arc<FakeInstallation>,
) -> Arc<Engine> {
    let parts = Parts {
        store: store.clone(),
        compute: Arc::clone(compute),
        network: Arc::clone(network) as Arc<dyn Network>,
        registries: fake::registries(),
        facts: fake::facts(store),
        installation: Arc::clone(installation) as Arc<dyn Installation>,
    };
    within(Engine::open(parts)).await.unwrap()
}
