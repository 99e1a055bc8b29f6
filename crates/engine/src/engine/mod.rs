//! The door: everything a client can ask.

mod archives;
mod containers;
mod execs;
mod images;
mod networks;

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::future::join_all;
use porthole_compute_service::system::ComputeService;
use porthole_hcs as hcs;
use tracing::Instrument;

use crate::container::document::OWNER;
use crate::container::handle::Handle;
use crate::container::record::Container;
use crate::container::state::Phase;
use crate::container::{launch, restart, task};
use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::event::log::EventLog;
use crate::event::{EventQuery, EventStream};
use crate::facts::{self, Facts, Info, Installation};
use crate::file_watch::FileWatches;
use crate::image::pull::sharing::Fetches;
use crate::image::registry::Registries;
use crate::network::Network;
use crate::records::{Containers, Records};
use crate::registry::Registry;
use crate::usage::{self, Usage, Wanted};

/// What an engine works with.
pub struct Parts {
    /// Records and images.
    pub store: porthole_store::Store,
    /// The Compute Service.
    pub compute: Arc<dyn ComputeService>,
    /// Networks.
    pub network: Arc<dyn Network>,
    /// Registries of images.
    pub registries: Registries,
    /// What `info` tells.
    pub facts: Facts,
    /// What it tells anew each time.
    pub installation: Arc<dyn Installation>,
}

impl std::fmt::Debug for Parts {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Parts")
            .field("facts", &self.facts)
            .finish_non_exhaustive()
    }
}

/// The engine. `name` is everywhere an ID, an unambiguous beginning of one, or a name.
#[derive(Debug)]
pub struct Engine {
    context: Arc<Context>,
}

impl Engine {
    /// Opens an engine: loads every container and takes up those that run, or ended meanwhile.
    ///
    /// # Errors
    /// `Unavailable` when the Compute Service cannot be reached, `System` when the store fails.
    pub async fn open(parts: Parts) -> Result<Arc<Self>> {
        let context = Arc::new(Context {
            records: Records::new(parts.store),
            compute: parts.compute,
            network: parts.network,
            registries: parts.registries,
            facts: parts.facts,
            installation: parts.installation,
            events: EventLog::new(),
            containers: Registry::default(),
            fetches: Fetches::default(),
            watches: FileWatches::default(),
        });
        let Containers { known, unreadable } = context.records.containers().await?;
        let mut systems = systems(context.compute.as_ref()).await?;
        reconcile(context.network.as_ref(), &known, &unreadable).await?;
        // What nobody can tell apart from a running container is left alone.
        systems.retain(|id| !unreadable.contains(id));
        let known = known.into_iter().map(|container| {
            let has_system = systems.remove(&container.id);
            load(&context, container, has_system)
        });
        join_all(known.collect::<Vec<_>>()).await;
        join_all(systems.iter().map(|id| discard_orphan(&context, id))).await;
        Ok(Arc::new(Self { context }))
    }

    /// Events: first the remembered ones asked for, then new ones as they happen.
    ///
    /// # Errors
    /// `InvalidParameter` for a filter.
    pub fn events(&self, query: EventQuery) -> Result<EventStream> {
        self.context.events.subscribe(query)
    }

    /// What `info` and `version` show.
    ///
    /// # Errors
    /// `System` when the store fails.
    pub async fn info(&self) -> Result<Info> {
        facts::info(&self.context).await
    }

    /// How much space everything takes.
    ///
    /// # Errors
    /// `System` when the store fails.
    pub async fn usage(&self, wanted: Wanted) -> Result<Usage> {
        usage::measure(&self.context, wanted).await
    }

    /// A container and what its requests work with, for [`see_through`].
    fn found(&self, name: &str) -> Result<(Arc<Context>, Arc<Handle>)> {
        let handle = self.context.containers.find(name)?;
        Ok((Arc::clone(&self.context), handle))
    }
}

/// Runs a request that changes something to its end. A client that hangs up drops its request where
/// it stands; half a request would leave a record that nobody has registered, or a process that
/// nobody knows.
async fn see_through<T: Send + 'static>(
    request: impl Future<Output = Result<T>> + Send + 'static,
) -> Result<T> {
    tokio::spawn(request.in_current_span())
        .await
        .map_err(|error| Error::system("the request was cut short").with_source(error))?
}

/// Has the networks give up what no container has.
async fn reconcile(
    network: &dyn Network,
    known: &[Container],
    unreadable: &[String],
) -> Result<()> {
    // What one that waits for its next start still has is to go; one that is being started may
    // have an endpoint that is not recorded yet.
    let claims = |container: &&Container| {
        container.state.is_running() || container.state.phase == Phase::Starting
    };
    let claimed = known.iter().filter(claims).map(|container| &container.id);
    let claimed: Vec<String> = claimed.chain(unreadable).cloned().collect();
    let mut lost = network.reconcile(&claimed).await?;
    let connected = |id: &String| {
        let found = known.iter().find(|container| container.id == *id);
        found.is_some_and(|found| found.state.is_running() && found.endpoint.is_some())
    };
    lost.retain(connected);
    if !lost.is_empty() {
        tracing::error!(containers = ?lost, "endpoints of running containers are lost");
    }
    Ok(())
}

/// IDs of our compute systems.
async fn systems(compute: &dyn ComputeService) -> Result<BTreeSet<String>> {
    let query = hcs::SystemQuery {
        owners: vec![OWNER.to_owned()],
        ..hcs::SystemQuery::default()
    };
    let systems = compute.enumerate(&query).await.map_err(|error| {
        Error::new(
            ErrorKind::Unavailable,
            "the compute service cannot be reached",
        )
        .with_source(error)
    })?;
    Ok(systems.into_iter().map(|system| system.id).collect())
}

async fn load(context: &Arc<Context>, container: Container, has_system: bool) {
    let settled = matches!(
        container.state.phase,
        Phase::Created | Phase::Exited | Phase::Dead
    );
    // The rest of a log may be to be sent yet.
    let rests = !container.host.auto_remove
        && !restart::is_wanted_at_start(&container)
        && !container.host.log.is_sent();
    if settled && !has_system && rests {
        task::spawn(context, container);
    } else {
        task::spawn_known(context, container).await;
    }
}

/// Ends a compute system of ours that no container has.
async fn discard_orphan(context: &Context, id: &str) {
    match context.compute.open(id).await {
        Ok(system) => launch::discard(system.as_ref()).await,
        Err(error) => tracing::warn!(system = id, %error, "cannot open a compute system"),
    }
}
