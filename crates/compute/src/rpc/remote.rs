//! Systems and processes behind the connection.
//!
//! Waits outlast the service: when the connection breaks they are asked again, for the service
//! comes back with everything it knew.

use std::sync::Arc;

use async_trait::async_trait;
use porthole_hcs as hcs;
use porthole_protocol::supervisor::ExitRecord;

use super::client::{Client, answer, parse, print};
use super::{convert, stdio, v1};
use crate::error::{Error, ErrorKind, Result};
use crate::settings::ProcessSettings;
use crate::system::{ComputeSystem, Process, Stdio, Wanted};
use crate::timeout;

pub(super) struct RemoteSystem {
    pub(super) client: Client,
    pub(super) id: String,
}

impl RemoteSystem {
    fn request(&self) -> v1::SystemRequest {
        v1::SystemRequest {
            system_id: self.id.clone(),
        }
    }

    fn operation(&self, verb: &str) -> String {
        format!("{verb} {}", self.id)
    }

    fn process(&self, id: u32, pid: u32) -> Arc<dyn Process> {
        Arc::new(RemoteProcess {
            client: self.client.clone(),
            system: self.id.clone(),
            id,
            pid,
        })
    }
}

/// Asks again while the service cannot be reached, for as long as one needs to come back.
async fn outlast<T, F: Future<Output = Result<T>>>(mut ask: impl FnMut() -> F) -> Result<T> {
    let mut pause = timeout::POLL;
    let mut waited = std::time::Duration::ZERO;
    loop {
        let asked = tokio::time::Instant::now();
        match ask().await {
            Err(error) if error.kind() == ErrorKind::ServiceNotAvailable => {
                if asked.elapsed() > timeout::SERVICE_APPEARS {
                    // This one was answered for long: the service has only now gone.
                    (pause, waited) = (timeout::POLL, std::time::Duration::ZERO);
                }
                if waited > timeout::SERVICE_APPEARS {
                    return Err(error);
                }
            }
            result => return result,
        }
        tokio::time::sleep(pause).await;
        waited += pause;
        pause = (pause * 2).min(timeout::SERVICE_APPEARS / 10);
    }
}

#[async_trait]
impl ComputeSystem for RemoteSystem {
    fn id(&self) -> &str {
        &self.id
    }

    async fn start(&self) -> Result<()> {
        let result = self.client.stub().start(self.request()).await;
        answer(&self.operation("StartComputeSystem"), result).map(|_| ())
    }

    async fn shutdown(&self) -> Result<()> {
        let result = self.client.stub().shut_down(self.request()).await;
        answer(&self.operation("ShutDownComputeSystem"), result).map(|_| ())
    }

    async fn terminate(&self) -> Result<()> {
        let result = self.client.stub().terminate(self.request()).await;
        answer(&self.operation("TerminateComputeSystem"), result).map(|_| ())
    }

    async fn pause(&self) -> Result<()> {
        let result = self.client.stub().pause(self.request()).await;
        answer(&self.operation("PauseComputeSystem"), result).map(|_| ())
    }

    async fn resume(&self) -> Result<()> {
        let result = self.client.stub().resume(self.request()).await;
        answer(&self.operation("ResumeComputeSystem"), result).map(|_| ())
    }

    async fn properties(&self, query: &hcs::SystemPropertyQuery) -> Result<hcs::Properties> {
        let operation = self.operation("GetComputeSystemProperties");
        let request = v1::GetPropertiesRequest {
            system_id: self.id.clone(),
            query: print(&operation, query)?,
        };
        let properties = answer(&operation, self.client.stub().get_properties(request).await)?;
        parse(&operation, &properties.properties)
    }

    async fn modify(&self, request: &hcs::ModifySettingRequest) -> Result<()> {
        let operation = self.operation("ModifyComputeSystem");
        let request = v1::ModifyRequest {
            system_id: self.id.clone(),
            request: print(&operation, request)?,
        };
        answer(&operation, self.client.stub().modify(request).await).map(|_| ())
    }

    async fn create_process(
        &self,
        parameters: &hcs::ProcessParameters,
        settings: &ProcessSettings,
    ) -> Result<Arc<dyn Process>> {
        let operation = self.operation("CreateProcess");
        let request = v1::CreateProcessRequest {
            system_id: self.id.clone(),
            parameters: print(&operation, parameters)?,
            settings: Some(convert::process_settings_to_wire(settings)),
        };
        let created = answer(&operation, self.client.stub().create_process(request).await)?;
        Ok(self.process(created.process_id, created.windows_process_id))
    }

    async fn open_process(&self, id: u32) -> Result<Arc<dyn Process>> {
        let request = v1::ProcessRequest {
            system_id: self.id.clone(),
            process_id: id,
        };
        let result = self.client.stub().open_process(request).await;
        let opened = answer(&self.operation("OpenProcess"), result)?;
        Ok(self.process(id, opened.windows_process_id))
    }

    async fn wait(&self) -> Result<ExitRecord> {
        let operation = self.operation("WaitForComputeSystemExit");
        outlast(|| async {
            let ended = answer(&operation, self.client.stub().wait(self.request()).await)?;
            ended.record.map(convert::record_from_wire).ok_or_else(|| {
                let message = "the answer lacks the exit record";
                Error::new(ErrorKind::Host, operation.as_str(), message)
            })
        })
        .await
    }

    async fn close(&self) -> Result<()> {
        let result = self.client.stub().close(self.request()).await;
        answer(&self.operation("CloseComputeSystem"), result).map(|_| ())
    }
}

struct RemoteProcess {
    client: Client,
    system: String,
    id: u32,
    pid: u32,
}

impl RemoteProcess {
    fn request(&self) -> v1::ProcessRequest {
        v1::ProcessRequest {
            system_id: self.system.clone(),
            process_id: self.id,
        }
    }

    fn operation(&self, verb: &str) -> String {
        format!("{verb} {} {}", self.system, self.id)
    }
}

#[async_trait]
impl Process for RemoteProcess {
    fn id(&self) -> u32 {
        self.id
    }

    fn pid(&self) -> u32 {
        self.pid
    }

    async fn stdio(&self, want: Wanted) -> Result<Stdio> {
        let result = self.client.stub().open_stdio(self.request()).await;
        let endpoint = answer(&self.operation("OpenStdio"), result)?;
        stdio::connect(&self.system, &endpoint, want).await
    }

    async fn signal(&self, options: &hcs::SignalProcessOptions) -> Result<()> {
        let operation = self.operation("SignalProcess");
        let request = v1::SignalProcessRequest {
            system_id: self.system.clone(),
            process_id: self.id,
            options: print(&operation, options)?,
        };
        answer(&operation, self.client.stub().signal_process(request).await).map(|_| ())
    }

    async fn terminate(&self, exit_code: u32) -> Result<()> {
        let request = v1::TerminateProcessRequest {
            system_id: self.system.clone(),
            process_id: self.id,
            exit_code,
        };
        let result = self.client.stub().terminate_process(request).await;
        answer(&self.operation("TerminateProcess"), result).map(|_| ())
    }

    async fn modify(&self, request: &hcs::ProcessModifyRequest) -> Result<()> {
        let operation = self.operation("ModifyProcess");
        let request = v1::ModifyProcessRequest {
            system_id: self.system.clone(),
            process_id: self.id,
            request: print(&operation, request)?,
        };
        answer(&operation, self.client.stub().modify_process(request).await).map(|_| ())
    }

    async fn status(&self) -> Result<hcs::ProcessStatus> {
        let operation = self.operation("GetProcessProperties");
        let result = self.client.stub().get_process_status(self.request()).await;
        parse(&operation, &answer(&operation, result)?.status)
    }

    async fn wait(&self) -> Result<u32> {
        let operation = self.operation("WaitForProcessExit");
        outlast(|| async {
            let ended = answer(
                &operation,
                self.client.stub().wait_process(self.request()).await,
            )?;
            Ok(ended.exit_code)
        })
        .await
    }
}
