//! What clients ask about execs.

use std::sync::Arc;

use crate::attachment::Attachment;
use crate::container::record::Container;
use crate::container::{console, events};
use crate::engine::{Engine, see_through};
use crate::error::{Error, Result};
use crate::exec;
use crate::exec::record::{CreateExec, Exec, ExecPhase, StartExec};

impl Engine {
    /// Creates an exec; returns its ID.
    ///
    /// # Errors
    /// `Conflict` when the container does not run, `InvalidParameter`.
    pub async fn create_exec(&self, container: &str, request: CreateExec) -> Result<String> {
        let (context, handle) = self.found(container)?;
        see_through(async move { exec::create::create(&context, &handle, request).await }).await
    }

    /// Starts an exec; gives its streams unless it is detached.
    ///
    /// # Errors
    /// `NotFound`; `Conflict` when it was started before; `InvalidParameter` with Windows' own text
    /// when the program cannot be started.
    pub async fn start_exec(&self, id: &str, options: StartExec) -> Result<Option<Attachment>> {
        let handle = self.context.containers.find_exec(id)?;
        let (context, id) = (Arc::clone(&self.context), id.to_owned());
        see_through(async move { exec::start::start(&context, &handle, &id, options).await }).await
    }

    /// Records that a client left an exec with its detach keys.
    ///
    /// # Errors
    /// `NotFound`.
    pub async fn exec_detached(&self, id: &str) -> Result<()> {
        let (exec, container) = self.inspect_exec(id)?;
        events::publish(
            &self.context.events,
            &container,
            "exec_detach",
            &[("execID", exec.id)],
        );
        Ok(())
    }

    /// An exec as it is now, and its container.
    ///
    /// # Errors
    /// `NotFound`.
    pub fn inspect_exec(&self, id: &str) -> Result<(Exec, Arc<Container>)> {
        let container = self.context.containers.find_exec(id)?.ledger.read();
        let exec = container.execs.get(id).cloned();
        exec.map(|exec| (exec, container))
            .ok_or_else(|| Error::not_found("exec instance", id))
    }

    /// Resizes an exec's console.
    ///
    /// # Errors
    /// `NotFound`, `InvalidParameter` without a console.
    pub async fn resize_exec(&self, id: &str, height: u16, width: u16) -> Result<()> {
        let handle = self.context.containers.find_exec(id)?;
        let (exec, _) = self.inspect_exec(id)?;
        let ExecPhase::Running { process, .. } = exec.phase else {
            return Err(Error::invalid("exec process is not started"));
        };
        let process = handle
            .live()?
            .system
            .open_process(process)
            .await
            .map_err(|error| {
                Error::system(format!("cannot open exec {id}: {error}")).with_source(error)
            })?;
        console::resize(process.as_ref(), height, width).await
    }
}
