//! Who checks the health of a container that runs: probes, one after another, until it is told to
//! stop.
//!
//! A probe is a further process of the container, with the events of an exec. It is in no record:
//! probes come and go by the minute, and each entry of a record is a write to the disk.

use std::sync::Arc;
use std::time::Duration;

use futures::StreamExt;
use porthole_compute_service::settings::ProcessSettings;
use porthole_compute_service::system::{Process, Wanted};
use time::OffsetDateTime;
use tokio::sync::watch;

use crate::container::document::{self, ProcessShape};
use crate::container::handle::Handle;
use crate::container::health::{Command, Health, HealthCheck, HealthStatus, ProbeResult};
use crate::container::record::Container;
use crate::container::{command, events, name, task};
use crate::context::Context;
use crate::error::Result;
use crate::{exec, process_error, text};

/// The most bytes of a probe's output that are kept, as in moby.
const KEPT_OUTPUT: usize = 4096;

/// A monitor at work; dropping it stops it, and ends the probe that is under way.
#[derive(Debug)]
pub(crate) struct Monitor(
    #[expect(dead_code, reason = "its end is the message")] watch::Sender<()>,
);

impl Monitor {
    /// Begins to check the health of a container that runs; none when that is not asked for.
    pub(crate) fn spawn(context: &Arc<Context>, handle: &Arc<Handle>) -> Option<Self> {
        let container = handle.ledger.read();
        let check = container.config.healthcheck.clone()?;
        // It was checked when the container was created.
        let command = check.command(&container.config.shell).ok()??;
        let (sender, stop) = watch::channel(());
        let watcher = Watcher {
            context: Arc::clone(context),
            handle: Arc::clone(handle),
            check,
            command,
            stop,
        };
        tokio::spawn(watcher.run());
        Some(Self(sender))
    }
}

/// The first bytes of an output.
#[derive(Debug, Default)]
struct Beginning {
    bytes: Vec<u8>,
    more: bool,
}

impl Beginning {
    fn take(&mut self, bytes: &[u8]) {
        let room = KEPT_OUTPUT - self.bytes.len();
        self.more |= bytes.len() > room;
        self.bytes
            .extend_from_slice(&bytes[..bytes.len().min(room)]);
    }

    fn text(&self) -> String {
        let more = if self.more { "..." } else { "" };
        format!("{}{more}", String::from_utf8_lossy(&self.bytes))
    }
}

/// How a probe's process came to its end.
enum Outcome {
    /// By itself, with an exit code; none when the container ended first.
    Exited(Option<u32>),
    /// It took too long.
    TimedOut,
    /// The monitor was told to stop.
    Stopped,
}

struct Watcher {
    context: Arc<Context>,
    handle: Arc<Handle>,
    check: HealthCheck,
    command: Command,
    /// Its sender is gone when the monitor is to stop.
    stop: watch::Receiver<()>,
}

impl Watcher {
    async fn run(mut self) {
        loop {
            let state = self.handle.ledger.read().state.clone();
            let status = state.health.map_or(HealthStatus::Starting, |it| it.status);
            let running = since(state.started_at, OffsetDateTime::now_utc());
            tokio::select! {
                _ = self.stop.changed() => return,
                () = tokio::time::sleep(self.check.pause(status, running)) => {}
            }
            if !self.probe().await {
                return;
            }
        }
    }

    /// One probe, and what came of it; false when the monitor is to stop.
    async fn probe(&mut self) -> bool {
        let container = self.handle.ledger.read();
        let start = OffsetDateTime::now_utc();
        let id = name::new_id();
        for action in ["exec_create", "exec_start"] {
            let action = format!("{action}: {}", self.command.shown);
            self.publish(&container, &action, &[("execID", id.clone())]);
        }
        let process = match self.start(&container).await {
            Ok(process) => process,
            Err(error) => {
                self.note(start, -1, error.to_string()).await;
                return true;
            }
        };
        let mut output = Beginning::default();
        match self.follow(&process, &mut output).await {
            Outcome::Exited(code) => {
                self.publish_end(&container, id, code);
                let Some(code) = code else { return false };
                self.note(start, code.into(), output.text()).await;
                true
            }
            Outcome::TimedOut => {
                // Before it is waited for: a probe that does not die must not keep its failure back.
                self.note(start, -1, self.too_long(&output.text())).await;
                let code = self.end(process).await;
                self.publish_end(&container, id, code);
                true
            }
            Outcome::Stopped => {
                let code = self.end(process).await;
                self.publish_end(&container, id, code);
                false
            }
        }
    }

    /// Ends a probe. It is waited for: probes that do not die must not pile up.
    async fn end(&self, process: Arc<dyn Process>) -> Option<u32> {
        if let Err(error) = process.terminate(process_error::UNKNOWN).await {
            tracing::debug!(container = self.handle.id, %error, "the probe is not terminated");
        }
        exec::start::exit_code(&self.context, &self.handle, process).await
    }

    /// Starts the process of a probe.
    async fn start(&self, container: &Container) -> Result<Arc<dyn Process>> {
        let live = self.handle.awake("a health check")?;
        let config = &container.config;
        let parameters = document::parameters(&ProcessShape {
            command_line: &self.command.line,
            environment: command::environment(&config.env, &[])?,
            user: &config.user,
            working_directory: &config.working_dir,
            tty: false,
            stdin: false,
            console_size: None,
        });
        let settings = ProcessSettings {
            log: None,
            wait_for_attach: true,
            stdin_once: true,
            main: false,
        };
        live.system
            .create_process(&parameters, &settings)
            .await
            .map_err(|error| process_error::process(&container.id, error).error)
    }

    /// Reads a probe's output until it ends, takes too long, or is not wanted any more.
    async fn follow(&mut self, process: &Arc<dyn Process>, output: &mut Beginning) -> Outcome {
        let wanted = Wanted {
            stdin: false,
            stdout: true,
            stderr: true,
        };
        let (context, handle) = (&self.context, &self.handle);
        let ended = async {
            match task::connect(process, wanted).await {
                Ok(mut streams) => {
                    while let Some(Ok((_, bytes))) = streams.output.next().await {
                        output.take(&bytes);
                    }
                }
                Err(error) => {
                    tracing::warn!(container = handle.id, %error, "cannot read a health check");
                }
            }
            exec::start::exit_code(context, handle, Arc::clone(process)).await
        };
        tokio::select! {
            _ = self.stop.changed() => Outcome::Stopped,
            code = ended => Outcome::Exited(code),
            () = tokio::time::sleep(self.check.timeout()) => Outcome::TimedOut,
        }
    }

    fn too_long(&self, output: &str) -> String {
        let timeout = text::go_duration(self.check.timeout());
        let colon = if output.is_empty() { "" } else { ": " };
        format!("Health check exceeded timeout ({timeout}){colon}{output}")
    }

    /// Takes a result into the record, unless the monitor was told to stop meanwhile. Only another
    /// status is worth a write to the disk.
    async fn note(&self, start: OffsetDateTime, exit_code: i64, output: String) {
        let result = ProbeResult {
            start,
            end: OffsetDateTime::now_utc(),
            exit_code,
            output,
        };
        let mut changed = None;
        let container = self.handle.ledger.note(|container| {
            if self.stop.has_changed().is_err() {
                return false;
            }
            let state = &mut container.state;
            let running = since(state.started_at, result.start);
            let health = state.health.get_or_insert_with(|| Health::starting(None));
            if health.take(&self.check, running, result) {
                changed = Some(health.status);
            }
            changed.is_some()
        });
        let container = container.await;
        if let Some(status) = changed {
            let action = format!("health_status: {}", status.name());
            self.publish(&container, &action, &[]);
        }
    }

    fn publish_end(&self, container: &Container, id: String, code: Option<u32>) {
        let code = code.map(|code| code.to_string()).unwrap_or_default();
        self.publish(container, "exec_die", &[("execID", id), ("exitCode", code)]);
    }

    fn publish(&self, container: &Container, action: &str, extra: &[(&str, String)]) {
        events::publish(&self.context.events, container, action, extra);
    }
}

fn since(start: Option<OffsetDateTime>, now: OffsetDateTime) -> Duration {
    let running = start.map(|start| now - start).unwrap_or_default();
    running.try_into().unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_beginning_of_an_output_is_kept() {
        let mut output = Beginning::default();
        output.take(&[b'a'; KEPT_OUTPUT]);
        assert_eq!(output.text().len(), KEPT_OUTPUT);
        output.take(b"b");
        assert_eq!(output.text(), format!("{}...", "a".repeat(KEPT_OUTPUT)));
    }
}
