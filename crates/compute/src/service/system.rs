//! A handle to a system.

use std::sync::Arc;

use async_trait::async_trait;
use porthole_hcs::{self as hcs, PropertyType};
use porthole_protocol::supervisor::{self, ExitRecord, Response};
use tokio::sync::{mpsc, oneshot};

use crate::error::{Error, ErrorKind, Result};
use crate::policy::{self, Request, Verdict};
use crate::properties;
use crate::service::call::call;
use crate::service::creation::{self, NO_TOKEN};
use crate::service::failure::{denied, failed};
use crate::service::order::{Message, Order};
use crate::service::process::ProcessHandle;
use crate::service::snapshot::Shared;
use crate::settings::ProcessSettings;
use crate::system::{ComputeSystem, Process};

/// A handle; cheap to clone.
#[derive(Clone)]
pub(crate) struct SystemHandle {
    pub(crate) shared: Arc<Shared>,
    pub(crate) driver: mpsc::UnboundedSender<Message>,
}

impl SystemHandle {
    async fn order(&self, order: Order) -> Result<()> {
        let (reply, answer) = oneshot::channel();
        // Neither fails unless the driver has ended, which it does when the system is closed.
        if self.driver.send(Message::Order(order, reply)).is_err() {
            return Err(gone(&self.shared.id));
        }
        answer.await.unwrap_or_else(|_| Err(gone(&self.shared.id)))
    }

    /// Whether `request` is allowed now.
    fn permit(&self, request: Request) -> Result<()> {
        let phase = self.shared.phase();
        match policy::decide(request, phase) {
            Verdict::Accept | Verdict::Ignore => Ok(()),
            Verdict::Deny(denial) => Err(denied(&self.shared, request, denial.kind(), phase)),
        }
    }

    /// An answer of the supervisor, or nothing if the system has ended meanwhile.
    async fn ask(&self, request: &supervisor::Request) -> Result<Option<Response>> {
        match call(&*self.shared.supervised, request).await {
            Ok(response) => Ok(Some(response)),
            Err(error) if error.is_an_end() => Ok(None),
            Err(error) => Err(failed(&self.shared, Request::GetProperties, error)),
        }
    }

    /// The process of this key, whether it runs or has ended.
    pub(crate) fn process(&self, key: u32) -> Result<ProcessHandle> {
        match self.shared.state.borrow().processes.get(&key) {
            Some(process) => Ok(ProcessHandle {
                shared: self.shared.clone(),
                key,
                pid: process.pid,
            }),
            None => Err(Error::new(
                ErrorKind::ProcessNotFound,
                format!("OpenProcess {} {key}", self.shared.id),
                "no process was created under this ID",
            )),
        }
    }
}

pub(crate) fn gone(id: &str) -> Error {
    Error::new(
        ErrorKind::SystemNotFound,
        format!("OpenComputeSystem {id}"),
        "no compute system has this ID",
    )
}

#[async_trait]
impl ComputeSystem for SystemHandle {
    fn id(&self) -> &str {
        &self.shared.id
    }

    async fn start(&self) -> Result<()> {
        self.order(Order::Start).await
    }

    async fn shutdown(&self) -> Result<()> {
        self.order(Order::ShutDown).await
    }

    async fn terminate(&self) -> Result<()> {
        self.order(Order::Terminate).await
    }

    async fn pause(&self) -> Result<()> {
        self.order(Order::Pause).await
    }

    async fn resume(&self) -> Result<()> {
        self.order(Order::Resume).await
    }

    async fn properties(&self, query: &hcs::SystemPropertyQuery) -> Result<hcs::Properties> {
        self.permit(Request::GetProperties)?;
        let mut properties = self.shared.basic_properties();
        let alive = matches!(properties.state, hcs::State::Running | hcs::State::Paused);
        for wanted in query.property_types.iter().filter(|_| alive) {
            match wanted {
                PropertyType::Statistics => {
                    if let Some(Response::Statistics(usage)) =
                        self.ask(&supervisor::Request::Statistics).await?
                    {
                        properties.statistics = Some(properties::statistics(&usage));
                    }
                }
                PropertyType::ProcessList => {
                    if let Some(Response::Processes(entries)) =
                        self.ask(&supervisor::Request::ListProcesses).await?
                    {
                        properties.process_list = Some(properties::processes(&entries));
                    }
                }
                // Memory is a virtual machine's property; handles do not keep systems alive.
                PropertyType::Memory | PropertyType::TerminateOnLastHandleClosed => {}
            }
        }
        Ok(properties)
    }

    async fn modify(&self, request: &hcs::ModifySettingRequest) -> Result<()> {
        self.order(Order::Modify(request.clone())).await
    }

    async fn create_process(
        &self,
        parameters: &hcs::ProcessParameters,
        settings: &ProcessSettings,
    ) -> Result<Arc<dyn Process>> {
        let process = creation::create(&self.shared, parameters, settings, NO_TOKEN).await?;
        Ok(Arc::new(process))
    }

    async fn open_process(&self, id: u32) -> Result<Arc<dyn Process>> {
        self.permit(Request::GetProperties)?;
        Ok(Arc::new(self.process(id)?))
    }

    async fn wait(&self) -> Result<ExitRecord> {
        self.permit(Request::Wait)?;
        let mut state = self.shared.state.subscribe();
        let ended = state.wait_for(|state| state.record.is_some()).await;
        let record = ended.ok().and_then(|state| state.record.clone());
        record
            .map(|record| (*record).clone())
            .ok_or_else(|| gone(&self.shared.id))
    }

    async fn close(&self) -> Result<()> {
        match self.order(Order::Close).await {
            Err(error) if error.kind() == ErrorKind::SystemNotFound => Ok(()),
            result => result,
        }
    }
}
