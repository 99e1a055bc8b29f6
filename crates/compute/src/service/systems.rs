//! The table of systems: [`ComputeService`] over a back end.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::atomic::AtomicU32;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use futures::{StreamExt, stream};
use porthole_hcs as hcs;
use tokio::sync::{broadcast, watch};
use tokio_stream::wrappers::BroadcastStream;

use crate::document::{self, SystemPlan};
use crate::error::{Error, ErrorKind, Result};
use crate::files::Files;
use crate::phase::Phase;
use crate::registry::{self, RegistryChain, RegistryChanges};
use crate::service::backend::{Backend, Supervised};
use crate::service::driver::Driver;
use crate::service::process::no_stdio;
use crate::service::recovery;
use crate::service::snapshot::{Shared, Snapshot};
use crate::service::system::{SystemHandle, gone};
use crate::settings::SystemSettings;
use crate::system::{ComputeService, ComputeSystem, Event, EventStream};

/// Events that a slow listener may lag behind before its stream is ended.
const EVENT_BACKLOG: usize = 4096;

/// Systems that a new service process looks at together. Each may keep it waiting for a few
/// seconds, and the service listens only when it has looked at all.
const RECOVERED_AT_ONCE: usize = 512;

/// The service over a back end. Must live in a tokio runtime. Clones are one service.
#[derive(Clone)]
pub struct Systems {
    backend: Arc<dyn Backend>,
    table: Arc<Mutex<Table>>,
    events: broadcast::Sender<Event>,
}

impl std::fmt::Debug for Systems {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Systems")
            .field("ids", &self.table().keys())
            .finish_non_exhaustive()
    }
}

/// Where another process reaches the streams of a process.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StdioEndpoint {
    /// The Unix socket that speaks the supervisor's protocol.
    pub socket: PathBuf,
    /// The process's key there.
    pub key: u32,
}

type Table = BTreeMap<String, Slot>;

/// A poisoned table is whole: nothing that can panic runs under its lock.
fn lock(table: &Mutex<Table>) -> MutexGuard<'_, Table> {
    table.lock().unwrap_or_else(PoisonError::into_inner)
}

/// A place in the table.
#[derive(Clone)]
enum Slot {
    /// The ID is taken by a system that is being made.
    Reserved,
    /// A system.
    Made(SystemHandle),
}

impl Systems {
    /// A service over `backend`, with the systems that an earlier service process left.
    ///
    /// # Errors
    /// `Host`.
    pub async fn open(backend: impl Backend) -> Result<Self> {
        let (events, _) = broadcast::channel(EVENT_BACKLOG);
        let recovered = backend.recover().await?;
        let service = Self {
            backend: Arc::new(backend),
            table: Arc::default(),
            events,
        };
        let mut looked_at = stream::iter(recovered)
            .map(async |system| {
                let snapshot = recovery::snapshot(&*system.supervised, &system.notes).await;
                (system, snapshot)
            })
            .buffer_unordered(RECOVERED_AT_ONCE);
        while let Some((system, snapshot)) = looked_at.next().await {
            let handle = service.adopt(&system.plan, system.supervised, snapshot);
            service.table().insert(system.plan.id, Slot::Made(handle));
        }
        drop(looked_at);
        Ok(service)
    }

    /// Where the streams of a process are reached by another process.
    ///
    /// # Errors
    /// `SystemNotFound`, `ProcessNotFound`.
    pub async fn stdio_endpoint(&self, system: &str, process: u32) -> Result<StdioEndpoint> {
        let handle = self.handle(system)?;
        handle.process(process)?.check_streams()?;
        let socket = handle.shared.supervised.socket().await;
        let socket = socket.map_err(|error| no_stdio(system, process, error))?;
        Ok(StdioEndpoint {
            socket,
            key: process,
        })
    }

    /// Where the files of a system are reached by another process, for one request.
    ///
    /// # Errors
    /// As [`ComputeService::open_files`].
    pub async fn files_endpoint(
        &self,
        id: &str,
        document: &hcs::ComputeSystem,
        settings: &SystemSettings,
    ) -> Result<PathBuf> {
        let (plan, runs) = self.planned(id, document, settings)?;
        self.backend.open_files(&plan, runs).await
    }

    /// The plan of a system that may exist, and whether it runs or is paused.
    fn planned(
        &self,
        id: &str,
        document: &hcs::ComputeSystem,
        settings: &SystemSettings,
    ) -> Result<(SystemPlan, bool)> {
        let plan = document::plan(id, document, settings, self.backend.processors())?;
        let phase = self.handle(id).ok().map(|handle| handle.shared.phase());
        Ok((plan, matches!(phase, Some(Phase::Running | Phase::Paused))))
    }

    fn table(&self) -> MutexGuard<'_, Table> {
        lock(&self.table)
    }

    pub(crate) fn handle(&self, id: &str) -> Result<SystemHandle> {
        match self.table().get(id) {
            Some(Slot::Made(handle)) => Ok(handle.clone()),
            Some(Slot::Reserved) | None => Err(gone(id)),
        }
    }

    fn adopt(
        &self,
        plan: &SystemPlan,
        supervised: Arc<dyn Supervised>,
        snapshot: Snapshot,
    ) -> SystemHandle {
        let next_key = snapshot.next_key;
        let shared = Arc::new(Shared {
            id: plan.id.clone(),
            owner: plan.owner.clone(),
            user: plan.user,
            processors: self.backend.processors(),
            supervised,
            state: watch::Sender::new(snapshot),
            next_key: AtomicU32::new(next_key),
        });
        let (table, id) = (self.table.clone(), plan.id.clone());
        let forget = Box::new(move || drop(lock(&table).remove(&id)));
        let driver = Driver::spawn(
            shared.clone(),
            plan.limits.clone(),
            self.events.clone(),
            forget,
        );
        SystemHandle { shared, driver }
    }

    fn reserve(&self, id: &str) -> Result<Reservation> {
        let mut table = self.table();
        if table.contains_key(id) {
            return Err(Error::new(
                ErrorKind::SystemAlreadyExists,
                format!("CreateComputeSystem {id}"),
                "a compute system of this ID exists",
            ));
        }
        table.insert(id.to_owned(), Slot::Reserved);
        Ok(Reservation {
            table: self.table.clone(),
            id: id.to_owned(),
        })
    }
}

/// An ID that is taken until the system is made, or given up.
struct Reservation {
    table: Arc<Mutex<Table>>,
    id: String,
}

impl Reservation {
    fn fill(&self, handle: SystemHandle) {
        let mut table = lock(&self.table);
        table.insert(self.id.clone(), Slot::Made(handle));
    }
}

impl Drop for Reservation {
    fn drop(&mut self) {
        let mut table = lock(&self.table);
        if let Some(Slot::Reserved) = table.get(&self.id) {
            table.remove(&self.id);
        }
    }
}

#[async_trait]
impl ComputeService for Systems {
    async fn create(
        &self,
        id: &str,
        document: &hcs::ComputeSystem,
        settings: &SystemSettings,
    ) -> Result<Arc<dyn ComputeSystem>> {
        let plan = document::plan(id, document, settings, self.backend.processors())?;
        let reservation = self.reserve(id)?;
        let service = self.clone();
        let (document, settings) = (document.clone(), settings.clone());
        // Of its own, so that a caller that goes away leaves no half of a system.
        let made = tokio::spawn(async move {
            let supervised = service.backend.prepare(&plan, &document, &settings).await?;
            let handle = service.adopt(&plan, supervised, Snapshot::new(Phase::Created));
            reservation.fill(handle.clone());
            Ok(handle)
        });
        match made.await {
            Ok(handle) => Ok(Arc::new(handle?)),
            Err(error) => Err(Error::new(
                ErrorKind::Host,
                format!("CreateComputeSystem {id}"),
                "the operation was cut short",
            )
            .with_source(error)),
        }
    }

    async fn open(&self, id: &str) -> Result<Arc<dyn ComputeSystem>> {
        Ok(Arc::new(self.handle(id)?))
    }

    async fn enumerate(&self, query: &hcs::SystemQuery) -> Result<Vec<hcs::Properties>> {
        let systems: Vec<_> = self.table().values().cloned().collect();
        let properties = systems.into_iter().filter_map(|slot| match slot {
            Slot::Made(handle) => Some(handle.shared.basic_properties()),
            Slot::Reserved => None,
        });
        Ok(properties
            .filter(|properties| matches(query, properties))
            .collect())
    }

    async fn open_files(
        &self,
        id: &str,
        document: &hcs::ComputeSystem,
        settings: &SystemSettings,
    ) -> Result<Files> {
        let socket = self.files_endpoint(id, document, settings).await?;
        Files::connect(id, &socket).await
    }

    async fn registry_changes(
        &self,
        id: &str,
        document: &hcs::ComputeSystem,
        settings: &SystemSettings,
    ) -> Result<RegistryChanges> {
        let (plan, runs) = self.planned(id, document, settings)?;
        self.backend.registry_changes(&plan, runs).await
    }

    async fn registry_difference(
        &self,
        before: &RegistryChain,
        after: &RegistryChain,
    ) -> Result<RegistryChanges> {
        const OPERATION: &str = "RegistryDifference";
        let (before, after) = (before.clone(), after.clone());
        let turn = registry::turn().await;
        let compared = tokio::task::spawn_blocking(move || {
            let _turn = turn;
            registry::difference(&before, &after)
        });
        match compared.await {
            Ok(changes) => changes.map_err(|error| registry::failed(OPERATION, error)),
            Err(error) => {
                let message = "the operation was cut short";
                Err(Error::new(ErrorKind::Host, OPERATION, message).with_source(error))
            }
        }
    }

    async fn events(&self) -> Result<EventStream> {
        // A listener that fell behind has missed something: its stream ends rather than lie.
        let events = BroadcastStream::new(self.events.subscribe())
            .take_while(|event| futures::future::ready(event.is_ok()))
            .filter_map(|event| futures::future::ready(event.ok()));
        Ok(Box::pin(events))
    }
}

fn matches(query: &hcs::SystemQuery, properties: &hcs::Properties) -> bool {
    fn named(list: &[String], value: Option<&String>) -> bool {
        list.is_empty() || value.is_some_and(|value| list.contains(value))
    }
    properties.state != hcs::State::Unknown
        && named(&query.ids, Some(&properties.id))
        && named(&query.names, properties.name.as_ref())
        && named(&query.owners, properties.owner.as_ref())
        && (query.types.is_empty() || query.types.contains(&properties.system_type))
}
