//! Engines that are killed at random moments, while the Compute Service goes on.

use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use porthole_compute_service::fake::{self, Program, Script};
use porthole_compute_service::rpc;
use porthole_compute_service::system::ComputeService;
use porthole_engine::Engine;
use porthole_engine::container::list::ListContainers;
use porthole_engine::container::remove::RemoveContainer;
use porthole_engine::container::stop::StopContainer;
use porthole_engine::exec::record::{CreateExec, StartExec};
use porthole_engine::fake::MemoryNetwork;
use porthole_store::Store;
use tokio::net::UnixListener;
use tokio::runtime::Runtime;

use crate::support;

/// How many engines are killed.
const ROUNDS: u32 = 25;

/// The longest that an engine lives.
const LIFE: Duration = Duration::from_millis(60);

/// A service that outlives engines, reached through its socket as the daemon reaches it.
struct Service {
    socket: std::path::PathBuf,
    script: Script,
    _runtime: Runtime,
}

impl Service {
    fn start(directory: &std::path::Path) -> Self {
        let socket = directory.join("compute.sock");
        let runtime = Runtime::new().unwrap();
        let path = socket.clone();
        let script = runtime.block_on(async move {
            let (systems, script) = fake::service().await;
            let listener = UnixListener::bind(path).unwrap();
            tokio::spawn(rpc::server::serve(
                systems,
                listener,
                std::future::pending(),
            ));
            script
        });
        script.program(
            "steady.exe",
            Program::new().print("steady\r\n").await_signal().exit(5),
        );
        script.program(
            "short.exe",
            Program::new().sleep(Duration::from_millis(3)).exit(9),
        );
        Self {
            socket,
            script,
            _runtime: runtime,
        }
    }

    fn client(&self) -> Arc<dyn ComputeService> {
        Arc::new(rpc::Client::new(&self.socket))
    }
}

/// Runs `work` on an engine of its own, and kills the engine after at most `life`.
fn with_engine(
    service: &Service,
    store: &Store,
    network: &Arc<MemoryNetwork>,
    life: Option<Duration>,
    work: impl AsyncFnOnce(Arc<Engine>),
) {
    let runtime = Runtime::new().unwrap();
    runtime.block_on(async {
        let killed = async {
            let engine = support::open(store, &service.client(), network, &Arc::default()).await;
            work(engine).await;
        };
        match life {
            Some(life) => drop(tokio::time::timeout(life, killed).await),
            None => support::within(killed).await,
        }
    });
    // Every task ends where it waits, as in a crash.
    runtime.shutdown_background();
}

/// Whether the busy client stops the container of this round.
const fn is_stopped(round: u32) -> bool {
    round % 4 == 1
}

/// The same, by the container's name.
fn was_stopped(name: &str) -> bool {
    let round = name
        .strip_prefix("busy")
        .and_then(|round| round.parse().ok());
    round.is_some_and(is_stopped)
}

/// What a busy client does, over and over.
async fn keep_busy(engine: Arc<Engine>) {
    static ROUND: AtomicU32 = AtomicU32::new(0);
    loop {
        // Each container is started once, so that its exit code tells how that went.
        let round = ROUND.fetch_add(1, Ordering::Relaxed);
        let name = format!("busy{round}");
        let program = if round.is_multiple_of(2) {
            "steady.exe"
        } else {
            "short.exe"
        };
        let mut request = support::request(&name, &[program]);
        request.host.auto_remove = round.is_multiple_of(3);
        // Whatever fails, the next one is tried.
        let _ = engine.create_container(request).await;
        let _ = engine.start_container(&name).await;
        let exec = CreateExec {
            cmd: vec!["short.exe".to_owned()],
            ..CreateExec::default()
        };
        if let Ok(id) = engine.create_exec(&name, exec).await {
            let detached = StartExec {
                detach: true,
                ..StartExec::default()
            };
            let _ = engine.start_exec(&id, detached).await;
        }
        if is_stopped(round) {
            let _ = engine.stop_container(&name, StopContainer::default()).await;
        }
        if round % 5 == 2 {
            let force = RemoveContainer { force: true };
            let _ = engine.remove_container(&name, force).await;
        }
    }
}

#[test]
fn killed_engines_lose_no_container_and_no_exit_code() {
    let directory = tempfile::tempdir().unwrap();
    let (store, _) = Store::open(directory.path().join("data")).unwrap();
    porthole_engine::fake::import(&store, &[support::IMAGE], b"base layer").unwrap();
    let service = Service::start(directory.path());
    let network = Arc::new(MemoryNetwork::default());
    let steady = support::request("steady", &["steady.exe"]);
    with_engine(&service, &store, &network, None, async |engine| {
        engine.create_container(steady).await.unwrap();
        engine.start_container("steady").await.unwrap();
    });
    let mut seed: u32 = std::process::id();
    println!("seed {seed}");
    for _ in 0..ROUNDS {
        seed = seed.wrapping_mul(1_664_525).wrapping_add(1_013_904_223);
        let life = LIFE.mul_f64(f64::from(seed >> 16) / 65_536.0);
        with_engine(&service, &store, &network, Some(life), keep_busy);
    }
    with_engine(&service, &store, &network, None, async |engine| {
        check(&engine).await;
        finish(&engine).await;
    });
    let systems = Runtime::new().unwrap().block_on(async {
        service
            .client()
            .enumerate(&porthole_hcs::SystemQuery::default())
            .await
            .unwrap()
    });
    assert!(systems.is_empty(), "{systems:?}");
    assert!(network.connected().is_empty());
    assert!(store.containers().unwrap().is_empty());
    assert_eq!(
        std::fs::read_dir(store.root().containers())
            .unwrap()
            .count(),
        0
    );
    drop(service.script);
}

/// Every container is in a state that makes sense, with the exit code of its program.
async fn check(engine: &Engine) {
    let steady = engine.inspect_container("steady").unwrap();
    assert!(steady.state.is_running(), "{:?}", steady.state);
    let all = ListContainers {
        all: true,
        ..ListContainers::default()
    };
    for summary in engine.list_containers(all).await.unwrap() {
        let container = &summary.container;
        // A container that was short when the engine opened may still be ending.
        let waiting = engine
            .wait_container(&container.id, Default::default())
            .await
            .unwrap();
        if container.command_line == "steady.exe" && container.state.is_running() {
            continue;
        }
        waiting.outcome().await.unwrap();
        let state = &engine
            .inspect_container(&container.id)
            .map_or(container.state.clone(), |c| c.state.clone());
        let expected: &[u32] = match (state.status(), container.command_line.as_str()) {
            // Never started, or its start was undone.
            ("created", _) => &[0, 128],
            // Ended by itself, after a stop, or killed by a forced removal that was cut short.
            (_, "steady.exe") => &[5, 1067],
            // The stop may come while the program still runs: STATUS_CONTROL_C_EXIT.
            _ if was_stopped(&container.name) => &[9, 1067, 0xC000_013A],
            _ => &[9, 1067],
        };
        assert!(
            expected.contains(&state.exit_code),
            "{}: {state:?}",
            container.name
        );
    }
}

async fn finish(engine: &Engine) {
    let all = ListContainers {
        all: true,
        ..ListContainers::default()
    };
    for summary in engine.list_containers(all).await.unwrap() {
        let force = RemoveContainer { force: true };
        match engine.remove_container(&summary.container.id, force).await {
            Ok(()) => {}
            // It removed itself meanwhile.
            Err(error) => assert_eq!(
                error.kind(),
                porthole_engine::ErrorKind::NotFound,
                "{error}"
            ),
        }
    }
}
