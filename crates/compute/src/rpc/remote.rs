//! Systems and processes behind the connection. Every request outlasts a restart of the service;
//! see [`super::outlast`].

use std::sync::Arc;

use async_trait::async_trait;
use porthole_hcs::{self as hcs, State};
use porthole_protocol::supervisor::ExitRecord;

use super::client::{Client, answer, parse, print};
use super::outlast::{outlast, outlast_change, outlast_transition};
use super::{convert, stdio, v1};
use crate::error::{Error, ErrorKind, Result};
use crate::settings::ProcessSettings;
use crate::system::{ComputeSystem, Process, Stdio, Wanted};

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

    async fn is_in(&self, state: State) -> Result<bool> {
        let query = hcs::SystemPropertyQuery::default();
        Ok(self.properties(&query).await?.state == state)
    }
}

#[async_trait]
impl ComputeSystem for RemoteSystem {
    fn id(&self) -> &str {
        &self.id
    }

    async fn start(&self) -> Result<()> {
        let operation = self.operation("StartComputeSystem");
        let ask = || async {
            answer(&operation, self.client.stub().start(self.request()).await).map(|_| ())
        };
        outlast_transition(&self.client, ask, || self.is_in(State::Running)).await
    }

    async fn shutdown(&self) -> Result<()> {
        let operation = self.operation("ShutDownComputeSystem");
        outlast_change(&self.client, ErrorKind::SystemAlreadyStopped, || async {
            answer(
                &operation,
                self.client.stub().shut_down(self.request()).await,
            )
            .map(|_| ())
        })
        .await
    }

    async fn terminate(&self) -> Result<()> {
        let operation = self.operation("TerminateComputeSystem");
        outlast_change(&self.client, ErrorKind::SystemAlreadyStopped, || async {
            answer(
                &operation,
                self.client.stub().terminate(self.request()).await,
            )
            .map(|_| ())
        })
        .await
    }

    async fn pause(&self) -> Result<()> {
        let operation = self.operation("PauseComputeSystem");
        let ask = || async {
            answer(&operation, self.client.stub().pause(self.request()).await).map(|_| ())
        };
        outlast_transition(&self.client, ask, || self.is_in(State::Paused)).await
    }

    async fn resume(&self) -> Result<()> {
        let operation = self.operation("ResumeComputeSystem");
        let ask = || async {
            answer(&operation, self.client.stub().resume(self.request()).await).map(|_| ())
        };
        outlast_transition(&self.client, ask, || self.is_in(State::Running)).await
    }

    async fn properties(&self, query: &hcs::SystemPropertyQuery) -> Result<hcs::Properties> {
        let operation = self.operation("GetComputeSystemProperties");
        let query = print(&operation, query)?;
        let request = v1::GetPropertiesRequest {
            system_id: self.id.clone(),
            query,
        };
        let properties = outlast(&self.client, || async {
            answer(
                &operation,
                self.client.stub().get_properties(request.clone()).await,
            )
        });
        parse(&operation, &properties.await?.properties)
    }

    async fn modify(&self, request: &hcs::ModifySettingRequest) -> Result<()> {
        let operation = self.operation("ModifyComputeSystem");
        let request = print(&operation, request)?;
        let request = v1::ModifyRequest {
            system_id: self.id.clone(),
            request,
        };
        outlast(&self.client, || async {
            answer(&operation, self.client.stub().modify(request.clone()).await).map(|_| ())
        })
        .await
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
            token: rand::random(),
        };
        let created = outlast(&self.client, || async {
            answer(
                &operation,
                self.client.stub().create_process(request.clone()).await,
            )
        });
        let created = created.await?;
        Ok(self.process(created.process_id, created.windows_process_id))
    }

    async fn open_process(&self, id: u32) -> Result<Arc<dyn Process>> {
        let operation = self.operation("OpenProcess");
        let request = v1::ProcessRequest {
            system_id: self.id.clone(),
            process_id: id,
        };
        let opened = outlast(&self.client, || async {
            answer(
                &operation,
                self.client.stub().open_process(request.clone()).await,
            )
        });
        Ok(self.process(id, opened.await?.windows_process_id))
    }

    async fn wait(&self) -> Result<ExitRecord> {
        let operation = self.operation("WaitForComputeSystemExit");
        let ended = outlast(&self.client, || async {
            answer(&operation, self.client.stub().wait(self.request()).await)
        });
        ended
            .await?
            .record
            .map(convert::record_from_wire)
            .ok_or_else(|| {
                let message = "the answer lacks the exit record";
                Error::new(ErrorKind::Host, operation.as_str(), message)
            })
    }

    async fn close(&self) -> Result<()> {
        let operation = self.operation("CloseComputeSystem");
        outlast(&self.client, || async {
            answer(&operation, self.client.stub().close(self.request()).await).map(|_| ())
        })
        .await
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
        let operation = self.operation("OpenStdio");
        let endpoint = outlast(&self.client, || async {
            answer(
                &operation,
                self.client.stub().open_stdio(self.request()).await,
            )
        });
        stdio::connect(&self.system, &endpoint.await?, want).await
    }

    /// The event is delivered at least once: twice, when the service was killed in between.
    async fn signal(&self, options: &hcs::SignalProcessOptions) -> Result<()> {
        let operation = self.operation("SignalProcess");
        let request = v1::SignalProcessRequest {
            system_id: self.system.clone(),
            process_id: self.id,
            options: print(&operation, options)?,
        };
        outlast_change(&self.client, ErrorKind::ProcessAlreadyStopped, || async {
            answer(
                &operation,
                self.client.stub().signal_process(request.clone()).await,
            )
            .map(|_| ())
        })
        .await
    }

    async fn terminate(&self, exit_code: u32) -> Result<()> {
        let operation = self.operation("TerminateProcess");
        let request = v1::TerminateProcessRequest {
            system_id: self.system.clone(),
            process_id: self.id,
            exit_code,
        };
        outlast_change(&self.client, ErrorKind::ProcessAlreadyStopped, || async {
            let result = self.client.stub().terminate_process(request.clone()).await;
            answer(&operation, result).map(|_| ())
        })
        .await
    }

    async fn modify(&self, request: &hcs::ProcessModifyRequest) -> Result<()> {
        let operation = self.operation("ModifyProcess");
        let request = v1::ModifyProcessRequest {
            system_id: self.system.clone(),
            process_id: self.id,
            request: print(&operation, request)?,
        };
        outlast(&self.client, || async {
            answer(
                &operation,
                self.client.stub().modify_process(request.clone()).await,
            )
            .map(|_| ())
        })
        .await
    }

    async fn status(&self) -> Result<hcs::ProcessStatus> {
        let operation = self.operation("GetProcessProperties");
        let status = outlast(&self.client, || async {
            answer(
                &operation,
                self.client.stub().get_process_status(self.request()).await,
            )
        });
        parse(&operation, &status.await?.status)
    }

    async fn wait(&self) -> Result<u32> {
        let operation = self.operation("WaitForProcessExit");
        let ended = outlast(&self.client, || async {
            answer(
                &operation,
                self.client.stub().wait_process(self.request()).await,
            )
        });
        Ok(ended.await?.exit_code)
    }
}
