//! A handle to a process.

use std::sync::Arc;

use async_trait::async_trait;
use futures::SinkExt;
use porthole_hcs::{self as hcs, ModifyOperation, ProcessSignal, StdHandle};
use porthole_protocol::agent::ProcessKey;
use porthole_protocol::supervisor::{self, OpenStdio, StdioFrame, StreamKind};
use porthole_protocol::{ConsoleSize, ControlEvent};

use crate::error::{Error, ErrorKind, Result};
use crate::policy::{self, Request, Verdict};
use crate::service::call::call;
use crate::service::failure::{denied, failed};
use crate::service::snapshot::{ProcessState, Shared};
use crate::system::{Process, Stdio, Wanted};
use crate::wire::Connection;

/// A handle.
pub(crate) struct ProcessHandle {
    pub(crate) shared: Arc<Shared>,
    pub(crate) key: u32,
    pub(crate) pid: u32,
}

impl ProcessHandle {
    fn error(&self, kind: ErrorKind, message: impl Into<String>) -> Error {
        let operation = format!(
            "{} {} {}",
            Request::ControlProcess.verb(),
            self.shared.id,
            self.key
        );
        Error::new(kind, operation, message)
    }

    fn state(&self) -> ProcessState {
        self.shared
            .state
            .borrow()
            .processes
            .get(&self.key)
            .copied()
            .unwrap_or_default()
    }

    /// Asks the supervisor to do something to the process, if it still runs.
    async fn control(&self, request: supervisor::Request) -> Result<()> {
        if self.state().exit_code.is_some() {
            return Err(self.error(ErrorKind::ProcessAlreadyStopped, "the process has ended"));
        }
        let phase = self.shared.phase();
        if let Verdict::Deny(denial) = policy::decide(Request::ControlProcess, phase) {
            return Err(denied(
                &self.shared,
                Request::ControlProcess,
                denial.kind(),
                phase,
            ));
        }
        match call(&*self.shared.supervised, &request).await {
            Ok(_) => Ok(()),
            Err(error) => Err(failed(&self.shared, Request::ControlProcess, error)),
        }
    }

    /// Whether the streams may still have something to say.
    pub(crate) fn check_streams(&self) -> Result<()> {
        match self.state().exit_code {
            None => Ok(()),
            Some(_) => {
                let message = "the process has ended and its streams are drained";
                Err(self.error(ErrorKind::ProcessNotFound, message))
            }
        }
    }

    async fn close_input(&self) -> Result<()> {
        let only_input = Wanted {
            stdin: true,
            stdout: false,
            stderr: false,
        };
        let mut stdio = self.stdio(only_input).await?;
        let end = StdioFrame::End(StreamKind::Stdin);
        stdio.input.send(end).await.map_err(|error| {
            self.error(ErrorKind::ProcessAlreadyStopped, "its input is closed")
                .with_source(error)
        })
    }
}

/// Connects to the streams of a process; `stream` is a new connection to its supervisor.
pub(crate) fn open_request(key: u32, want: Wanted) -> OpenStdio {
    OpenStdio {
        process: ProcessKey(key),
        stdin: want.stdin,
        stdout: want.stdout,
        stderr: want.stderr,
    }
}

#[async_trait]
impl Process for ProcessHandle {
    fn id(&self) -> u32 {
        self.key
    }

    fn pid(&self) -> u32 {
        self.pid
    }

    async fn stdio(&self, want: Wanted) -> Result<Stdio> {
        self.check_streams()?;
        let open = async {
            let connection = Connection::open(self.shared.supervised.connect().await?).await?;
            connection.stdio(open_request(self.key, want)).await
        };
        open.await
            .map_err(|error| no_stdio(&self.shared.id, self.key, error))
    }

    async fn signal(&self, options: &hcs::SignalProcessOptions) -> Result<()> {
        let event = match options.signal {
            ProcessSignal::CtrlC => ControlEvent::CtrlC,
            ProcessSignal::CtrlBreak => ControlEvent::CtrlBreak,
            ProcessSignal::CtrlClose => ControlEvent::CtrlClose,
            ProcessSignal::CtrlLogOff => ControlEvent::CtrlLogOff,
            ProcessSignal::CtrlShutdown => ControlEvent::CtrlShutdown,
        };
        self.control(supervisor::Request::Signal {
            process: ProcessKey(self.key),
            event,
        })
        .await
    }

    async fn terminate(&self, exit_code: u32) -> Result<()> {
        let process = ProcessKey(self.key);
        self.control(supervisor::Request::TerminateProcess { process, exit_code })
            .await
    }

    async fn modify(&self, request: &hcs::ProcessModifyRequest) -> Result<()> {
        let missing =
            |field: &str| self.error(ErrorKind::InvalidDocument, format!("{field} is missing"));
        match request.operation {
            ModifyOperation::ConsoleSize => {
                let size = request.console_size.ok_or_else(|| missing("ConsoleSize"))?;
                let size = ConsoleSize {
                    height: size.height,
                    width: size.width,
                };
                if !self.state().console {
                    let message = "the process has no console";
                    return Err(self.error(ErrorKind::NotSupported, message));
                }
                let process = ProcessKey(self.key);
                self.control(supervisor::Request::Resize { process, size })
                    .await
            }
            ModifyOperation::CloseHandle => {
                match request
                    .close_handle
                    .ok_or_else(|| missing("CloseHandle"))?
                    .handle
                {
                    StdHandle::StdIn => self.close_input().await,
                    StdHandle::StdOut | StdHandle::StdErr | StdHandle::All => Err(self.error(
                        ErrorKind::NotSupported,
                        "only StdIn can be closed: output is recorded to its end",
                    )),
                }
            }
        }
    }

    async fn status(&self) -> Result<hcs::ProcessStatus> {
        let state = self.state();
        Ok(hcs::ProcessStatus {
            process_id: if state.pid == 0 { self.pid } else { state.pid },
            exited: state.exit_code.is_some(),
            exit_code: state.exit_code.unwrap_or_default(),
            last_wait_result: 0,
        })
    }

    async fn wait(&self) -> Result<u32> {
        let exit_code = |state: &crate::service::snapshot::Snapshot| {
            state
                .processes
                .get(&self.key)
                .and_then(|process| process.exit_code)
        };
        let mut state = self.shared.state.subscribe();
        let ended = state
            .wait_for(|state| exit_code(state).is_some() || state.phase.is_over())
            .await;
        ended
            .ok()
            .and_then(|state| exit_code(&state))
            .ok_or_else(|| {
                self.error(
                    ErrorKind::UnexpectedExit,
                    "the system ended and the exit code is not known",
                )
            })
    }
}

/// The error of streams that cannot be opened.
pub(crate) fn no_stdio(
    system: &str,
    key: u32,
    error: impl std::error::Error + Send + Sync + 'static,
) -> Error {
    Error::new(
        ErrorKind::ProcessNotFound,
        format!("OpenStdio {system} {key}"),
        "the process has ended or never was",
    )
    .with_source(error)
}
