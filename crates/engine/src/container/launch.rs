//! Starting a container: its place in the network, its compute system, its main process. Each step
//! that has been taken is undone when a later one fails.

use std::sync::Arc;

use porthole_compute_service as compute;
use porthole_compute_service::settings::SystemSettings;
use porthole_compute_service::system::{ComputeSystem, Process};
use porthole_hcs as hcs;
use time::OffsetDateTime;
use tracing::Instrument;

use crate::container::document;
use crate::container::handle::Live;
use crate::container::ports;
use crate::container::record::{Container, Endpoint};
use crate::container::task::Waiter;
use crate::context::Context;
use crate::error::{Error, ErrorKind, Result};
use crate::process_error::{self, StartError};

/// A container that runs.
#[derive(Debug)]
pub(crate) struct Launched {
    pub(crate) live: Live,
    pub(crate) endpoint: Option<Endpoint>,
    /// When its main process was started.
    pub(crate) at: OffsetDateTime,
}

impl Launched {
    /// One that an earlier engine started without getting to record it.
    pub(crate) fn found(live: Live, endpoint: Option<Endpoint>) -> Self {
        Self {
            live,
            endpoint,
            at: OffsetDateTime::now_utc(),
        }
    }
}

/// A start that failed and left nothing behind.
#[derive(Debug)]
pub(crate) struct Failure {
    pub(crate) error: Error,
    /// Docker's exit code for it.
    pub(crate) exit_code: u32,
}

impl From<Error> for Failure {
    fn from(error: Error) -> Self {
        Self {
            error,
            exit_code: process_error::UNKNOWN,
        }
    }
}

impl From<StartError> for Failure {
    fn from(start: StartError) -> Self {
        Self {
            error: start.error,
            exit_code: start.exit_code,
        }
    }
}

/// Starts a container and hands its streams to those who wait for them.
pub(crate) async fn launch(
    context: &Context,
    container: &Container,
    waiters: Vec<Waiter>,
) -> Result<Launched, Failure> {
    let endpoint = connect(context, container)
        .instrument(tracing::debug_span!("connect"))
        .await?;
    let outcome = launch_in(context, container, endpoint.as_ref(), waiters).await;
    match outcome {
        Ok((live, at)) => Ok(Launched { live, endpoint, at }),
        Err(failure) => {
            if endpoint.is_some()
                && let Err(error) = context.network.disconnect(&container.id).await
            {
                tracing::error!(container = container.id, %error, "cannot leave the network");
            }
            Err(failure)
        }
    }
}

async fn connect(context: &Context, container: &Container) -> Result<Option<Endpoint>> {
    // Without a network the silo's own namespace, with loopback only, is all there is.
    if container.network_name() == "none" {
        return Ok(None);
    }
    let request = ports::connect_request(container)?;
    let endpoint = match context.network.connect(&request).await {
        // What could not be taken back when the run before ended.
        Err(error) if error.kind() == ErrorKind::Conflict => {
            context.network.disconnect(&container.id).await?;
            context.network.connect(&request).await?
        }
        connected => connected?,
    };
    Ok(Some(endpoint))
}

async fn launch_in(
    context: &Context,
    container: &Container,
    endpoint: Option<&Endpoint>,
    waiters: Vec<Waiter>,
) -> Result<(Live, OffsetDateTime), Failure> {
    let storage = context.records.storage(&container.id).await?;
    let document = document::system(container, &storage, context.facts.processors);
    let host_zone = context.facts.time_zone.as_deref();
    let settings = document::settings(container, endpoint, host_zone)?;
    let system = create(context, container, &document, &settings)
        .instrument(tracing::debug_span!("create system"))
        .await
        .map_err(|error| process_error::system(&container.id, error))?;
    match run_in(&system, container, waiters).await {
        Ok((main, at)) => Ok((Live { system, main }, at)),
        Err(failure) => {
            discard(system.as_ref()).await;
            Err(failure)
        }
    }
}

/// Creates the compute system. One that an interrupted start left goes first.
async fn create(
    context: &Context,
    container: &Container,
    document: &hcs::ComputeSystem,
    settings: &SystemSettings,
) -> compute::Result<Arc<dyn ComputeSystem>> {
    let compute = &context.compute;
    match compute.create(&container.id, document, settings).await {
        Err(error) if error.kind() == compute::ErrorKind::SystemAlreadyExists => {
            discard(compute.open(&container.id).await?.as_ref()).await;
            compute.create(&container.id, document, settings).await
        }
        created => created,
    }
}

async fn run_in(
    system: &Arc<dyn ComputeSystem>,
    container: &Container,
    waiters: Vec<Waiter>,
) -> Result<(Arc<dyn Process>, OffsetDateTime), Failure> {
    system
        .start()
        .instrument(tracing::debug_span!("start system"))
        .await
        .map_err(|error| process_error::system(&container.id, error))?;
    let at = OffsetDateTime::now_utc();
    let parameters = document::main_process(container)?;
    let settings = document::main_settings(container, !waiters.is_empty())?;
    let main = system
        .create_process(&parameters, &settings)
        .instrument(tracing::debug_span!("create process"))
        .await
        .map_err(|error| process_error::process(&container.id, error))?;
    for waiter in waiters {
        match main.stdio(waiter.wanted).await {
            Ok(stdio) => waiter.promise.keep(stdio),
            // The client sees its streams end; the container runs.
            Err(error) => tracing::warn!(container = container.id, %error, "cannot attach"),
        }
    }
    Ok((main, at))
}

/// Ends and closes a system that is not wanted.
pub(crate) async fn discard(system: &dyn ComputeSystem) {
    // One that never ran, or has stopped, refuses to be terminated; closing is what counts.
    if let Err(error) = system.terminate().await {
        tracing::debug!(system = system.id(), %error, "not terminated");
    }
    if let Err(error) = system.close().await {
        tracing::error!(system = system.id(), %error, "cannot close the compute system");
    }
}
