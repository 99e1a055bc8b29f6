//! The back end of silos.

use std::fs::{self, DirBuilder};
use std::io;
use std::num::NonZero;
use std::os::unix::fs::DirBuilderExt;
use std::path::PathBuf;
use std::sync::Arc;

use async_trait::async_trait;
use porthole_hcs as hcs;
use porthole_protocol::supervisor::Request;
use porthole_sandbox::cgroup::Hierarchies;
use porthole_systemd::Systemd;

use super::directory::RunDirectory;
use super::place::Place;
use super::supervised::SiloSupervised;
use super::{files, image, registry, spawn, spec};
use crate::document::{self, SystemPlan};
use crate::error::{Error, ErrorKind, Result};
use crate::registry::{RegistryChanges, turn};
use crate::service::backend::{Backend, Note, Recovered, Supervised};
use crate::service::call::call;
use crate::settings::SystemSettings;
use crate::timeout;

/// The directory of run directories, in the run-time root.
const SYSTEMS: &str = "compute";

/// Where things are.
#[derive(Debug, Clone)]
pub struct SiloConfig {
    /// The data root: kernel packages and merged registries.
    pub data_root: PathBuf,
    /// The run-time root.
    pub exec_root: PathBuf,
    /// The supervisor program.
    pub supervisor: PathBuf,
}

/// Makes silos.
#[derive(Debug)]
pub struct SiloBackend {
    config: Arc<SiloConfig>,
    processors: u32,
    systemd: Systemd,
}

impl SiloBackend {
    /// A back end on this host. The run-time root is made if it is not there.
    ///
    /// # Errors
    /// `Host` when it cannot be made.
    pub fn new(config: SiloConfig) -> Result<Self> {
        let systems = config.exec_root.join(SYSTEMS);
        // For root alone: logs and documents of every container are below it.
        let made = DirBuilder::new()
            .recursive(true)
            .mode(0o700)
            .create(&systems);
        let made = made.and_then(|()| files::make_directory(&config.exec_root));
        made.map_err(|source| {
            let message = format!("cannot make {} ready", config.exec_root.display());
            Error::new(ErrorKind::Host, "open the silo back end", message).with_source(source)
        })?;
        let processors = std::thread::available_parallelism().map_or(1, NonZero::get);
        Ok(Self {
            config: Arc::new(config),
            processors: u32::try_from(processors).unwrap_or(u32::MAX),
            systemd: Systemd::default(),
        })
    }
}

#[async_trait]
impl Backend for SiloBackend {
    fn processors(&self) -> u32 {
        self.processors
    }

    async fn prepare(
        &self,
        plan: &SystemPlan,
        document: &hcs::ComputeSystem,
        settings: &SystemSettings,
    ) -> Result<Arc<dyn Supervised>> {
        let directory = run_directory(&self.config, &plan.id);
        let failed = |source: io::Error| {
            host(&plan.id, "cannot start the system's supervisor").with_source(source)
        };
        let hierarchies = Hierarchies::detect().map_err(|error| failed(io::Error::other(error)))?;
        let place = Place::choose(&plan.id, &hierarchies);
        let work = (
            plan.clone(),
            settings.clone(),
            self.config.clone(),
            directory.clone(),
            place.clone(),
        );
        blocking(&plan.id, move || {
            write_files(&work.0, &work.1, &work.2, &work.3, &work.4)
        })
        .await?;
        let program = &self.config.supervisor;
        let scope = place.scope.as_ref().map(|scope| (&self.systemd, scope));
        let started = spawn::supervisor(program, directory.path(), scope).await;
        let exists = match started {
            Ok(()) => directory.write_document(document).map_err(failed),
            Err(error) => Err(failed(error)),
        };
        let supervised = SiloSupervised {
            id: plan.id.clone(),
            directory,
        };
        match exists {
            Ok(()) => Ok(Arc::new(supervised)),
            Err(error) => {
                undo(&supervised).await;
                Err(error)
            }
        }
    }

    async fn open_files(&self, plan: &SystemPlan, runs: bool) -> Result<PathBuf> {
        let supervisor = run_directory(&self.config, &plan.id).socket();
        let supervisor = runs.then_some(supervisor);
        let view = files::view(plan, supervisor.as_deref());
        if !runs {
            let plan = plan.clone();
            blocking(&plan.id.clone(), move || image::check(&plan)).await?;
        }
        let config = &self.config;
        let started = files::start(&config.supervisor, &config.exec_root, &view).await;
        started.map_err(|source| {
            let message = "cannot start the program that copies files";
            Error::new(ErrorKind::Host, format!("OpenFiles {}", plan.id), message)
                .with_source(source)
        })
    }

    async fn registry_changes(&self, plan: &SystemPlan, runs: bool) -> Result<RegistryChanges> {
        let now = match runs {
            true => {
                let directory = run_directory(&self.config, &plan.id);
                let id = plan.id.clone();
                registry::live(&SiloSupervised { id, directory }).await?
            }
            false => None,
        };
        let (now, turn) = match now {
            Some((texts, turn)) => (Some(texts), turn),
            None => (None, turn().await),
        };
        let (plan, config) = (plan.clone(), self.config.clone());
        blocking(&plan.id.clone(), move || {
            let _turn = turn;
            registry::changes(&plan, &config.data_root, now)
        })
        .await
    }

    async fn recover(&self) -> Result<Vec<Recovered>> {
        let (config, processors) = (self.config.clone(), self.processors);
        let found = blocking("", move || find(&config, processors)).await?;
        // At the same time, and further on if that takes long: systems that run are waited for.
        let undone = found
            .half
            .into_iter()
            .map(async |supervised| undo(&supervised).await);
        let undone = tokio::spawn(futures::future::join_all(undone));
        if tokio::time::timeout(timeout::UNCLEAR_START, undone)
            .await
            .is_err()
        {
            tracing::warn!("still removing half-made systems");
        }
        Ok(found.whole)
    }
}

fn run_directory(config: &SiloConfig, id: &str) -> RunDirectory {
    RunDirectory::new(config.exec_root.join(SYSTEMS).join(id))
}

fn host(id: &str, message: impl Into<String>) -> Error {
    Error::new(
        ErrorKind::Host,
        format!("CreateComputeSystem {id}"),
        message,
    )
}

async fn blocking<T: Send + 'static>(
    id: &str,
    work: impl FnOnce() -> Result<T> + Send + 'static,
) -> Result<T> {
    tokio::task::spawn_blocking(work)
        .await
        .unwrap_or_else(|error| Err(host(id, "the operation was cut short").with_source(error)))
}

/// Makes the run directory with everything that the supervisor reads.
fn write_files(
    plan: &SystemPlan,
    settings: &SystemSettings,
    config: &SiloConfig,
    directory: &RunDirectory,
    place: &Place,
) -> Result<()> {
    let image = image::make_ready(plan, &config.data_root)?;
    let spec = spec::spec(plan, &image, &config.exec_root, place);
    let failed = |source: io::Error| {
        let message = format!("cannot write {}", directory.path().display());
        host(&plan.id, message).with_source(source)
    };
    // One that is there is another system's, which could not be taken over.
    directory.make().map_err(failed)?;
    let written = directory
        .write_spec(&spec)
        .and_then(|()| directory.write_settings(settings));
    written.map_err(|source| {
        // The first error is the one that tells why.
        let _ = directory.remove();
        failed(source)
    })
}

/// Takes back a system that was only half made.
async fn undo(supervised: &SiloSupervised) {
    // There may be no supervisor to ask.
    let _ = call(supervised, &Request::Terminate).await;
    if let Err(error) = supervised.discard().await {
        tracing::error!(system = supervised.id, %error, "cannot remove a half-made system");
    }
}

#[derive(Default)]
struct Found {
    whole: Vec<Recovered>,
    half: Vec<SiloSupervised>,
}

/// Looks through the run directories.
fn find(config: &SiloConfig, processors: u32) -> Result<Found> {
    let systems = config.exec_root.join(SYSTEMS);
    let unreadable = |source: io::Error| {
        let message = format!("cannot read {}", systems.display());
        Error::new(ErrorKind::Host, "recover compute systems", message).with_source(source)
    };
    let mut found = Found::default();
    for entry in fs::read_dir(&systems).map_err(unreadable)? {
        let entry = entry.map_err(unreadable)?;
        let id = entry.file_name().to_string_lossy().into_owned();
        let directory = run_directory(config, &id);
        let supervised = SiloSupervised { id, directory };
        match read(&supervised, processors) {
            Ok(Some((plan, notes))) => {
                let supervised = Arc::new(supervised);
                found.whole.push(Recovered {
                    plan,
                    supervised,
                    notes,
                });
            }
            Ok(None) => {
                tracing::warn!(system = supervised.id, "removing a half-made system");
                found.half.push(supervised);
            }
            Err(error) => {
                let directory = supervised.directory.path().display();
                tracing::error!(system = supervised.id, %error, %directory,
                    "cannot take over a system; it is left as it is");
            }
        }
    }
    Ok(found)
}

/// What a run directory tells of its system; nothing if that was only half made.
fn read(
    supervised: &SiloSupervised,
    processors: u32,
) -> io::Result<Option<(SystemPlan, Vec<Note>)>> {
    let directory = &supervised.directory;
    let Some((document, settings)) = directory.documents()? else {
        return Ok(None);
    };
    let mut plan = document::plan(&supervised.id, &document, &settings, processors)
        .map_err(io::Error::other)?;
    // They may have been changed since.
    plan.limits = directory.spec()?.limits;
    Ok(Some((plan, directory.notes()?)))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_system_that_cannot_be_read_is_not_taken_for_a_half_made_one() {
        let root = tempfile::tempdir().unwrap();
        let config = SiloConfig {
            data_root: root.path().to_owned(),
            exec_root: root.path().to_owned(),
            supervisor: PathBuf::new(),
        };
        for (id, document) in [("half", None), ("torn", Some("{")), ("empty", Some(""))] {
            let directory = run_directory(&config, id);
            fs::create_dir_all(directory.path()).unwrap();
            if let Some(document) = document {
                fs::write(directory.path().join("document.json"), document).unwrap();
            }
        }
        let found = find(&config, 1).unwrap();
        assert!(found.whole.is_empty());
        let half: Vec<&str> = found.half.iter().map(|system| &*system.id).collect();
        assert_eq!(half, ["half"]);
    }
}
