//! The client's side: the traits of [`crate::system`] over a connection.

use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use async_trait::async_trait;
use futures::StreamExt;
use futures::future::BoxFuture;
use hyper_util::rt::TokioIo;
use porthole_hcs as hcs;
use serde::{Serialize, de::DeserializeOwned};
use tokio::net::UnixStream;
use tonic::transport::{Channel, Endpoint, Uri};
use tonic::{Response, Status};

use super::error::from_status;
use super::outlast::{outlast, outlast_change};
use super::remote::RemoteSystem;
use super::v1::compute_service_client::ComputeServiceClient;
use super::v1::{self, Empty};
use super::{convert, convert_registry};
use crate::error::{Error, ErrorKind, Result};
use crate::files::Files;
use crate::registry::{RegistryChain, RegistryChanges};
use crate::settings::SystemSettings;
use crate::system::{ComputeService, ComputeSystem, EventStream};

/// Brings the service's connection about; called again whenever one was lost.
pub type Connector = Arc<dyn Fn() -> BoxFuture<'static, io::Result<UnixStream>> + Send + Sync>;

/// The service, reached through its socket. Clones share one connection.
#[derive(Clone)]
pub struct Client {
    channel: Channel,
    /// How often a connection was made.
    pub(super) connections: Arc<AtomicU64>,
}

impl std::fmt::Debug for Client {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Client").finish_non_exhaustive()
    }
}

impl Client {
    /// A client of the service that listens on `socket`. Connects with the first request, and
    /// again with the first one after the connection was lost.
    #[must_use]
    pub fn new(socket: &Path) -> Self {
        let socket: Arc<PathBuf> = Arc::new(socket.to_owned());
        Self::with_connector(Arc::new(move || {
            let socket = socket.clone();
            Box::pin(async move { UnixStream::connect(&*socket).await })
        }))
    }

    /// A client that connects by `connector`, which may start the service.
    #[must_use]
    pub fn with_connector(connector: Connector) -> Self {
        // The address is a formality: the connector knows where to go.
        let endpoint = Endpoint::from_static("http://compute.porthole");
        let connections = Arc::new(AtomicU64::new(0));
        let made = connections.clone();
        let channel = endpoint.connect_with_connector_lazy(tower::service_fn(move |_: Uri| {
            let (stream, made) = (connector(), made.clone());
            async move {
                let stream = stream.await?;
                made.fetch_add(1, Ordering::Relaxed);
                Ok::<_, io::Error>(TokioIo::new(stream))
            }
        }));
        Self {
            channel,
            connections,
        }
    }

    pub(super) fn stub(&self) -> ComputeServiceClient<Channel> {
        ComputeServiceClient::new(self.channel.clone()).max_decoding_message_size(usize::MAX)
    }

    fn system(&self, id: &str) -> Arc<dyn ComputeSystem> {
        Arc::new(RemoteSystem {
            client: self.clone(),
            id: id.to_owned(),
        })
    }
}

/// The message that the service answered `operation` with.
pub(super) fn answer<T>(operation: &str, result: Result<Response<T>, Status>) -> Result<T> {
    result
        .map(Response::into_inner)
        .map_err(|status| from_status(operation, status))
}

/// A document for the service.
pub(super) fn print<T: Serialize>(operation: &str, document: &T) -> Result<String> {
    serde_json::to_string(document).map_err(|error| {
        Error::new(
            ErrorKind::InvalidDocument,
            operation,
            "the document cannot be written as JSON",
        )
        .with_source(error)
    })
}

/// A document from the service.
pub(super) fn parse<T: DeserializeOwned>(operation: &str, text: &str) -> Result<T> {
    serde_json::from_str(text).map_err(|error| {
        Error::new(
            ErrorKind::ServiceNotAvailable,
            operation,
            "the answer is no such document",
        )
        .with_source(error)
    })
}

#[async_trait]
impl ComputeService for Client {
    async fn create(
        &self,
        id: &str,
        document: &hcs::ComputeSystem,
        settings: &SystemSettings,
    ) -> Result<Arc<dyn ComputeSystem>> {
        let operation = format!("CreateComputeSystem {id}");
        let request = v1::CreateRequest {
            system_id: id.to_owned(),
            document: print(&operation, document)?,
            settings: Some(convert::settings_to_wire(settings)),
        };
        outlast_change(self, ErrorKind::SystemAlreadyExists, || async {
            let result = self.stub().create(request.clone()).await;
            answer(&operation, result).map(|_| ())
        })
        .await?;
        Ok(self.system(id))
    }

    async fn open(&self, id: &str) -> Result<Arc<dyn ComputeSystem>> {
        let operation = format!("OpenComputeSystem {id}");
        let request = v1::SystemRequest {
            system_id: id.to_owned(),
        };
        outlast(self, || async {
            answer(&operation, self.stub().open(request.clone()).await)
        })
        .await?;
        Ok(self.system(id))
    }

    async fn enumerate(&self, query: &hcs::SystemQuery) -> Result<Vec<hcs::Properties>> {
        const OPERATION: &str = "EnumerateComputeSystems";
        let request = v1::EnumerateRequest {
            query: print(OPERATION, query)?,
        };
        let systems = outlast(self, || async {
            answer(OPERATION, self.stub().enumerate(request.clone()).await)
        })
        .await?;
        systems
            .properties
            .iter()
            .map(|text| parse(OPERATION, text))
            .collect()
    }

    async fn open_files(
        &self,
        id: &str,
        document: &hcs::ComputeSystem,
        settings: &SystemSettings,
    ) -> Result<Files> {
        let operation = format!("OpenFiles {id}");
        let request = v1::CreateRequest {
            system_id: id.to_owned(),
            document: print(&operation, document)?,
            settings: Some(convert::settings_to_wire(settings)),
        };
        let opened = outlast(self, || async {
            answer(&operation, self.stub().open_files(request.clone()).await)
        });
        Files::connect(id, Path::new(&opened.await?.socket)).await
    }

    async fn registry_changes(
        &self,
        id: &str,
        document: &hcs::ComputeSystem,
        settings: &SystemSettings,
    ) -> Result<RegistryChanges> {
        let operation = format!("RegistryChanges {id}");
        let request = v1::CreateRequest {
            system_id: id.to_owned(),
            document: print(&operation, document)?,
            settings: Some(convert::settings_to_wire(settings)),
        };
        let changes = outlast(self, || async {
            answer(
                &operation,
                self.stub().get_registry_changes(request.clone()).await,
            )
        });
        convert_registry::changes_from_wire(&operation, changes.await?)
    }

    async fn registry_difference(
        &self,
        before: &RegistryChain,
        after: &RegistryChain,
    ) -> Result<RegistryChanges> {
        const OPERATION: &str = "RegistryDifference";
        let request = v1::RegistryDifferenceRequest {
            before: Some(convert_registry::chain_to_wire(OPERATION, before)?),
            after: Some(convert_registry::chain_to_wire(OPERATION, after)?),
        };
        let changes = outlast(self, || async {
            answer(
                OPERATION,
                self.stub().get_registry_difference(request.clone()).await,
            )
        });
        convert_registry::changes_from_wire(OPERATION, changes.await?)
    }

    async fn events(&self) -> Result<EventStream> {
        let events = outlast(self, || async {
            answer("Events", self.stub().events(Empty {}).await)
        })
        .await?;
        let known = events
            .take_while(|event| futures::future::ready(event.is_ok()))
            .filter_map(|event| {
                futures::future::ready(event.ok().and_then(convert::event_from_wire))
            });
        Ok(Box::pin(known))
    }
}
