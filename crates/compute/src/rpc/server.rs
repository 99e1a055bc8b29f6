//! The server's side.

use std::io;
use std::pin::Pin;
use std::sync::Arc;

use futures::{Stream, StreamExt};
use serde::{Serialize, de::DeserializeOwned};
use tokio::net::{UnixListener, UnixStream};
use tokio_stream::wrappers::UnixListenerStream;
use tonic::{Request, Response, Status};

use super::error::into_status;
use super::v1::compute_service_server::{ComputeService as Wire, ComputeServiceServer};
use super::v1::{self, Empty};
use super::{convert, convert_registry};
use crate::error::{Error, ErrorKind};
use crate::service::{Systems, creation};
use crate::system::{ComputeService, ComputeSystem, Process};
use crate::timeout;

/// Requests under way on one connection; each container that is waited for is one.
const MAX_STREAMS: u32 = 1 << 20;

/// Serves `systems` on `listener` until `stop` resolves; then ends what is under way.
///
/// # Errors
/// The transport failed.
pub async fn serve(
    systems: Arc<Systems>,
    listener: UnixListener,
    stop: impl Future<Output = ()>,
) -> Result<(), tonic::transport::Error> {
    let incoming = UnixListenerStream::new(listener).filter_map(taken);
    let server = tonic::transport::Server::builder()
        .max_concurrent_streams(MAX_STREAMS)
        .add_service(ComputeServiceServer::new(Server { systems }))
        .serve_with_incoming(incoming);
    // No graceful end: waits last as long as containers do.
    tokio::select! {
        ended = server => ended,
        () = stop => Ok(()),
    }
}

/// The connection that was taken. When none can be, for want of descriptors, the next attempt comes
/// later: the transport would take the error for the listener's end.
async fn taken(accepted: io::Result<UnixStream>) -> Option<io::Result<UnixStream>> {
    if let Err(error) = &accepted {
        tracing::warn!(%error, "cannot accept a connection");
        tokio::time::sleep(timeout::ACCEPT_AGAIN).await;
    }
    accepted.ok().map(Ok)
}

struct Server {
    systems: Arc<Systems>,
}

impl Server {
    async fn system(&self, id: &str) -> Result<Arc<dyn ComputeSystem>, Status> {
        self.systems.open(id).await.map_err(status)
    }

    async fn process(&self, system: &str, id: u32) -> Result<Arc<dyn Process>, Status> {
        self.system(system)
            .await?
            .open_process(id)
            .await
            .map_err(status)
    }
}

type Answer<T> = Result<Response<T>, Status>;

#[expect(clippy::needless_pass_by_value, reason = "stands in `map_err`")]
fn status(error: Error) -> Status {
    into_status(&error)
}

fn done(result: crate::Result<()>) -> Answer<Empty> {
    match result {
        Ok(()) => Ok(Response::new(Empty {})),
        Err(error) => Err(status(error)),
    }
}

/// A document that the client sent.
fn parse<T: DeserializeOwned>(operation: &str, id: &str, text: &str) -> Result<T, Status> {
    serde_json::from_str(text).map_err(|error| invalid(operation, id, error.to_string()))
}

/// A document for the client.
fn print<T: Serialize>(document: &T) -> Result<String, Status> {
    serde_json::to_string(document).map_err(|error| Status::internal(error.to_string()))
}

fn invalid(operation: &str, id: &str, message: String) -> Status {
    status(Error::new(
        ErrorKind::InvalidDocument,
        format!("{operation} {id}"),
        message,
    ))
}

#[tonic::async_trait]
impl Wire for Server {
    async fn create(&self, request: Request<v1::CreateRequest>) -> Answer<v1::CreateResponse> {
        let v1::CreateRequest {
            system_id: id,
            document,
            settings,
        } = request.into_inner();
        let document = parse("CreateComputeSystem", &id, &document)?;
        let settings = convert::settings_from_wire(settings)
            .map_err(|message| invalid("CreateComputeSystem", &id, message))?;
        self.systems
            .create(&id, &document, &settings)
            .await
            .map_err(status)?;
        Ok(Response::new(v1::CreateResponse {}))
    }

    async fn open(&self, request: Request<v1::SystemRequest>) -> Answer<Empty> {
        self.system(&request.into_inner().system_id).await?;
        Ok(Response::new(Empty {}))
    }

    async fn start(&self, request: Request<v1::SystemRequest>) -> Answer<Empty> {
        done(
            self.system(&request.into_inner().system_id)
                .await?
                .start()
                .await,
        )
    }

    async fn shut_down(&self, request: Request<v1::SystemRequest>) -> Answer<Empty> {
        done(
            self.system(&request.into_inner().system_id)
                .await?
                .shutdown()
                .await,
        )
    }

    async fn terminate(&self, request: Request<v1::SystemRequest>) -> Answer<Empty> {
        done(
            self.system(&request.into_inner().system_id)
                .await?
                .terminate()
                .await,
        )
    }

    async fn pause(&self, request: Request<v1::SystemRequest>) -> Answer<Empty> {
        done(
            self.system(&request.into_inner().system_id)
                .await?
                .pause()
                .await,
        )
    }

    async fn resume(&self, request: Request<v1::SystemRequest>) -> Answer<Empty> {
        done(
            self.system(&request.into_inner().system_id)
                .await?
                .resume()
                .await,
        )
    }

    async fn get_properties(
        &self,
        request: Request<v1::GetPropertiesRequest>,
    ) -> Answer<v1::GetPropertiesResponse> {
        let v1::GetPropertiesRequest { system_id, query } = request.into_inner();
        let query = parse("GetComputeSystemProperties", &system_id, &query)?;
        let system = self.system(&system_id).await?;
        let properties = system.properties(&query).await.map_err(status)?;
        Ok(Response::new(v1::GetPropertiesResponse {
            properties: print(&properties)?,
        }))
    }

    async fn modify(&self, request: Request<v1::ModifyRequest>) -> Answer<Empty> {
        let v1::ModifyRequest { system_id, request } = request.into_inner();
        let request = parse("ModifyComputeSystem", &system_id, &request)?;
        done(self.system(&system_id).await?.modify(&request).await)
    }

    async fn enumerate(
        &self,
        request: Request<v1::EnumerateRequest>,
    ) -> Answer<v1::EnumerateResponse> {
        let query = parse("EnumerateComputeSystems", "", &request.into_inner().query)?;
        let systems = self.systems.enumerate(&query).await.map_err(status)?;
        let properties = systems.iter().map(print).collect::<Result<_, _>>()?;
        Ok(Response::new(v1::EnumerateResponse { properties }))
    }

    async fn wait(&self, request: Request<v1::SystemRequest>) -> Answer<v1::WaitResponse> {
        let system = self.system(&request.into_inner().system_id).await?;
        let record = system.wait().await.map_err(status)?;
        Ok(Response::new(v1::WaitResponse {
            record: Some(convert::record_to_wire(record)),
        }))
    }

    async fn close(&self, request: Request<v1::SystemRequest>) -> Answer<Empty> {
        match self.systems.open(&request.into_inner().system_id).await {
            Err(error) if error.kind() == ErrorKind::SystemNotFound => done(Ok(())),
            Err(error) => Err(status(error)),
            Ok(system) => done(system.close().await),
        }
    }

    async fn create_process(
        &self,
        request: Request<v1::CreateProcessRequest>,
    ) -> Answer<v1::CreateProcessResponse> {
        let v1::CreateProcessRequest {
            system_id,
            parameters,
            settings,
            token,
        } = request.into_inner();
        let parameters = parse("CreateProcess", &system_id, &parameters)?;
        let settings = convert::process_settings_from_wire(settings.unwrap_or_default());
        let system = self.systems.handle(&system_id).map_err(status)?;
        let created = creation::create(&system.shared, &parameters, &settings, token).await;
        let process = created.map_err(status)?;
        Ok(Response::new(v1::CreateProcessResponse {
            process_id: process.id(),
            windows_process_id: process.pid(),
        }))
    }

    async fn open_process(
        &self,
        request: Request<v1::ProcessRequest>,
    ) -> Answer<v1::OpenProcessResponse> {
        let v1::ProcessRequest {
            system_id,
            process_id,
        } = request.into_inner();
        let process = self.process(&system_id, process_id).await?;
        Ok(Response::new(v1::OpenProcessResponse {
            windows_process_id: process.pid(),
        }))
    }

    async fn signal_process(&self, request: Request<v1::SignalProcessRequest>) -> Answer<Empty> {
        let v1::SignalProcessRequest {
            system_id,
            process_id,
            options,
        } = request.into_inner();
        let options = parse("SignalProcess", &system_id, &options)?;
        done(
            self.process(&system_id, process_id)
                .await?
                .signal(&options)
                .await,
        )
    }

    async fn modify_process(&self, request: Request<v1::ModifyProcessRequest>) -> Answer<Empty> {
        let v1::ModifyProcessRequest {
            system_id,
            process_id,
            request,
        } = request.into_inner();
        let request = parse("ModifyProcess", &system_id, &request)?;
        done(
            self.process(&system_id, process_id)
                .await?
                .modify(&request)
                .await,
        )
    }

    async fn terminate_process(
        &self,
        request: Request<v1::TerminateProcessRequest>,
    ) -> Answer<Empty> {
        let v1::TerminateProcessRequest {
            system_id,
            process_id,
            exit_code,
        } = request.into_inner();
        done(
            self.process(&system_id, process_id)
                .await?
                .terminate(exit_code)
                .await,
        )
    }

    async fn get_process_status(
        &self,
        request: Request<v1::ProcessRequest>,
    ) -> Answer<v1::GetProcessStatusResponse> {
        let v1::ProcessRequest {
            system_id,
            process_id,
        } = request.into_inner();
        let process = self.process(&system_id, process_id).await?;
        let process_status = process.status().await.map_err(status)?;
        Ok(Response::new(v1::GetProcessStatusResponse {
            status: print(&process_status)?,
        }))
    }

    async fn wait_process(
        &self,
        request: Request<v1::ProcessRequest>,
    ) -> Answer<v1::WaitProcessResponse> {
        let v1::ProcessRequest {
            system_id,
            process_id,
        } = request.into_inner();
        let process = self.process(&system_id, process_id).await?;
        let exit_code = process.wait().await.map_err(status)?;
        Ok(Response::new(v1::WaitProcessResponse { exit_code }))
    }

    async fn open_stdio(
        &self,
        request: Request<v1::ProcessRequest>,
    ) -> Answer<v1::OpenStdioResponse> {
        let v1::ProcessRequest {
            system_id,
            process_id,
        } = request.into_inner();
        let endpoint = self
            .systems
            .stdio_endpoint(&system_id, process_id)
            .await
            .map_err(status)?;
        let socket = endpoint.socket.to_string_lossy().into_owned();
        Ok(Response::new(v1::OpenStdioResponse {
            socket,
            key: endpoint.key,
        }))
    }

    async fn open_files(
        &self,
        request: Request<v1::CreateRequest>,
    ) -> Answer<v1::OpenFilesResponse> {
        let v1::CreateRequest {
            system_id: id,
            document,
            settings,
        } = request.into_inner();
        let document = parse("OpenFiles", &id, &document)?;
        let settings = convert::settings_from_wire(settings)
            .map_err(|message| invalid("OpenFiles", &id, message))?;
        let socket = self.systems.files_endpoint(&id, &document, &settings).await;
        let socket = socket.map_err(status)?.to_string_lossy().into_owned();
        Ok(Response::new(v1::OpenFilesResponse { socket }))
    }

    async fn get_registry_changes(
        &self,
        request: Request<v1::CreateRequest>,
    ) -> Answer<v1::RegistryChanges> {
        let v1::CreateRequest {
            system_id: id,
            document,
            settings,
        } = request.into_inner();
        let document = parse("RegistryChanges", &id, &document)?;
        let settings = convert::settings_from_wire(settings)
            .map_err(|message| invalid("RegistryChanges", &id, message))?;
        let changes = self.systems.registry_changes(&id, &document, &settings);
        let changes = changes.await.map_err(status)?;
        Ok(Response::new(convert_registry::changes_to_wire(changes)))
    }

    async fn get_registry_difference(
        &self,
        request: Request<v1::RegistryDifferenceRequest>,
    ) -> Answer<v1::RegistryChanges> {
        let v1::RegistryDifferenceRequest { before, after } = request.into_inner();
        let chain = |chain| {
            convert_registry::chain_from_wire(chain)
                .map_err(|message| invalid("RegistryDifference", "", message))
        };
        let (before, after) = (chain(before)?, chain(after)?);
        let changes = self.systems.registry_difference(&before, &after).await;
        let changes = convert_registry::changes_to_wire(changes.map_err(status)?);
        Ok(Response::new(changes))
    }

    type EventsStream = Pin<Box<dyn Stream<Item = Result<v1::Event, Status>> + Send>>;

    async fn events(&self, _request: Request<Empty>) -> Answer<Self::EventsStream> {
        let events = self.systems.events().await.map_err(status)?;
        Ok(Response::new(Box::pin(
            events.map(|event| Ok(convert::event_to_wire(event))),
        )))
    }
}

#[cfg(test)]
mod tests {
    use tokio::time::Instant;

    use super::*;

    #[tokio::test(start_paused = true)]
    async fn after_a_connection_that_cannot_be_taken_the_listener_is_left_alone() {
        let started = Instant::now();
        let failed = Err(rustix::io::Errno::MFILE.into());
        assert!(taken(failed).await.is_none());
        assert_eq!(started.elapsed(), timeout::ACCEPT_AGAIN);
        let (ours, _theirs) = UnixStream::pair().unwrap();
        assert!(taken(Ok(ours)).await.is_some_and(|taken| taken.is_ok()));
        assert_eq!(started.elapsed(), timeout::ACCEPT_AGAIN);
    }
}
