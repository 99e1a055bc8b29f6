//! The services that the cases run on.

use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::Duration;

use futures::StreamExt;
use porthole_compute_service::fake;
use porthole_compute_service::launch;
use porthole_compute_service::rpc::{self, Client};
use porthole_compute_service::service::Systems;
use porthole_compute_service::settings::{ProcessSettings, SiloDns, SiloUser, SystemSettings};
use porthole_compute_service::system::{ComputeService, ComputeSystem, Process, Stdio, Wanted};
use porthole_hcs as hcs;
use porthole_protocol::supervisor::StreamKind;
use tokio::net::UnixListener;

use crate::silo_host::SiloHost;

/// How long anything may take.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// A service, and what systems on it are made from.
pub(crate) struct Ground {
    pub(crate) service: Arc<dyn ComputeService>,
    directory: tempfile::TempDir,
    layers: Vec<PathBuf>,
    wine_build: String,
    systems: AtomicU32,
    /// Of silos: where their service keeps things.
    pub(crate) host: Option<SiloHost>,
    prefix: String,
}

impl Ground {
    fn new(service: Arc<dyn ComputeService>, layers: Vec<PathBuf>, wine_build: &str) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let name = directory.path().file_name().unwrap().to_string_lossy();
        let prefix = format!("contract{}", name.trim_start_matches(['.', 't', 'm', 'p']));
        let wine_build = wine_build.to_owned();
        Self {
            service,
            directory,
            layers,
            wine_build,
            systems: AtomicU32::new(0),
            host: None,
            prefix,
        }
    }

    fn on_silos(service: Arc<dyn ComputeService>, host: SiloHost) -> Self {
        let layers = vec![host.base.clone()];
        let ground = Self::new(service, layers, &host.wine_build());
        Self {
            host: Some(host),
            ..ground
        }
    }

    /// An ID that nobody else uses.
    pub(crate) fn id(&self) -> String {
        format!(
            "{}-{}",
            self.prefix,
            self.systems.fetch_add(1, Ordering::Relaxed)
        )
    }

    /// A directory of this ground, made anew.
    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn document(&self, id: &str) -> hcs::ComputeSystem {
        let sandbox = self.path(id).join("sandbox");
        std::fs::create_dir_all(&sandbox).unwrap();
        let layers = self
            .layers
            .iter()
            .enumerate()
            .map(|(index, path)| hcs::Layer {
                id: format!("layer-{index}"),
                path: path.to_string_lossy().into_owned(),
                path_type: hcs::PathType::AbsolutePath,
            });
        hcs::ComputeSystem {
            owner: "contract".into(),
            schema_version: hcs::Version::V2_5,
            hosting_system_id: None,
            hosted_system: None,
            container: Some(hcs::Container {
                storage: Some(hcs::Storage {
                    layers: layers.collect(),
                    path: sandbox.to_string_lossy().into_owned(),
                }),
                ..Default::default()
            }),
            virtual_machine: None,
            should_terminate_on_last_handle_closed: false,
        }
    }

    pub(crate) fn settings(&self) -> SystemSettings {
        SystemSettings {
            os_version: None,
            wine_build: self.wine_build.clone(),
            user: SiloUser::ContainerAdministrator,
            network_namespace: None,
            dns: SiloDns::default(),
            published_ports: Vec::new(),
            directories: Vec::new(),
            temporary_directories: Vec::new(),
            resource_limits: Vec::new(),
            time_zone: None,
            pids: None,
        }
    }

    /// The user that containers of this ground's base run as by default: nanoserver has no 32-bit side,
    /// and an unprivileged one.
    pub(crate) fn default_user(&self) -> SiloUser {
        match self.layers.last() {
            Some(base) if base.join("Files/Windows/SysWOW64").exists() => {
                SiloUser::ContainerAdministrator
            }
            _ => SiloUser::ContainerUser,
        }
    }

    pub(crate) async fn created(&self) -> Arc<dyn ComputeSystem> {
        let id = self.id();
        self.service
            .create(&id, &self.document(&id), &self.settings())
            .await
            .unwrap()
    }

    pub(crate) async fn started(&self) -> Arc<dyn ComputeSystem> {
        let system = self.created().await;
        system.start().await.unwrap();
        system
    }

    /// Ends and closes every system of this ground, and expects that none is left.
    pub(crate) async fn leave(self) {
        for properties in self
            .service
            .enumerate(&hcs::SystemQuery::default())
            .await
            .unwrap()
        {
            if !properties.id.starts_with(&self.prefix) {
                continue;
            }
            let system = self.service.open(&properties.id).await.unwrap();
            // Fails for one that has ended.
            let _ = system.terminate().await;
            system.close().await.unwrap();
            assert!(self.service.open(&properties.id).await.is_err());
        }
        // A service that was killed while it closed a system leaves the rest to its successor.
        let left = || self.host.as_ref().is_some_and(|host| !host.is_clean());
        for _ in 0..100 {
            if !left() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
        panic!("a system left something behind");
    }
}

/// Parameters of a process with output and errors.
pub(crate) fn parameters(command_line: &str) -> hcs::ProcessParameters {
    hcs::ProcessParameters {
        command_line: Some(command_line.into()),
        create_std_out_pipe: true,
        create_std_err_pipe: true,
        ..Default::default()
    }
}

/// Starts a process that holds its output back until somebody is attached.
pub(crate) async fn attached(
    system: &dyn ComputeSystem,
    parameters: &hcs::ProcessParameters,
    settings: ProcessSettings,
) -> (Arc<dyn Process>, Stdio) {
    let settings = ProcessSettings {
        wait_for_attach: true,
        ..settings
    };
    let process = system.create_process(parameters, &settings).await.unwrap();
    let want = Wanted {
        stdin: parameters.create_std_in_pipe,
        stdout: true,
        stderr: true,
    };
    let stdio = process.stdio(want).await.unwrap();
    (process, stdio)
}

/// A process that runs until it is ended.
pub(crate) async fn endless(system: &dyn ComputeSystem, main: bool) -> Arc<dyn Process> {
    let settings = ProcessSettings {
        main,
        ..Default::default()
    };
    system
        .create_process(&with_input(COPY), &settings)
        .await
        .unwrap()
}

/// Copies its input to its output, and runs until its input ends.
pub(crate) const COPY: &str = r"C:\Windows\System32\sort.exe";

/// Parameters of a process with input, too.
pub(crate) fn with_input(command_line: &str) -> hcs::ProcessParameters {
    hcs::ProcessParameters {
        create_std_in_pipe: true,
        ..parameters(command_line)
    }
}

/// All output and all errors, to their ends.
pub(crate) async fn read_all(stdio: &mut Stdio) -> (String, String) {
    let (mut output, mut errors) = (Vec::new(), Vec::new());
    let read = async {
        while let Some(piece) = stdio.output.next().await {
            match piece.unwrap() {
                (StreamKind::Stderr, bytes) => errors.extend(bytes),
                (_, bytes) => output.extend(bytes),
            }
        }
    };
    tokio::time::timeout(PATIENCE, read)
        .await
        .expect("the streams end");
    (
        String::from_utf8(output).unwrap(),
        String::from_utf8(errors).unwrap(),
    )
}

/// Silos behind the daemon, which is started when it is needed.
pub(crate) async fn daemon() -> Option<Ground> {
    let host = SiloHost::find()?;
    let launch = host.launch()?;
    Some(Ground::on_silos(Arc::new(launch::client(launch)), host))
}

pub(crate) async fn fake() -> Option<Ground> {
    let (systems, _) = fake::service().await;
    Some(Ground::new(
        systems,
        vec!["/layers/base".into()],
        "10.0/855/wow64",
    ))
}

pub(crate) async fn fake_over_grpc() -> Option<Ground> {
    let (systems, _) = fake::service().await;
    Some(Ground::new(
        over_grpc(systems),
        vec!["/layers/base".into()],
        "10.0/855/wow64",
    ))
}

/// A client of `systems`, served for as long as the test's runtime lives.
fn over_grpc(systems: Arc<Systems>) -> Arc<Client> {
    let directory = tempfile::tempdir().unwrap();
    let socket = directory.path().join("compute.sock");
    let listener = UnixListener::bind(&socket).unwrap();
    tokio::spawn(async move {
        rpc::server::serve(systems, listener, std::future::pending())
            .await
            .unwrap();
        drop(directory);
    });
    Arc::new(Client::new(&socket))
}

pub(crate) async fn silo() -> Option<Ground> {
    let host = SiloHost::find()?;
    let systems = host.systems().await;
    Some(Ground::on_silos(systems, host))
}

/// Silos of each base.
pub(crate) async fn silos() -> Vec<Ground> {
    let mut grounds = Vec::new();
    for host in SiloHost::find_all() {
        let systems = host.systems().await;
        grounds.push(Ground::on_silos(systems, host));
    }
    grounds
}

pub(crate) async fn silo_over_grpc() -> Option<Ground> {
    let host = SiloHost::find()?;
    let systems = host.systems().await;
    Some(Ground::on_silos(over_grpc(systems), host))
}
