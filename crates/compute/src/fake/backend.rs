//! The back end of fake silos.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use porthole_hcs as hcs;
use porthole_protocol::supervisor::{ExitRecord, Limits};
use tokio::net::UnixListener;

use super::script::Script;
use super::silo::FakeSilo;
use super::supervisor::serve;
use crate::document::SystemPlan;
use crate::error::{Error, ErrorKind, Result};
use crate::registry::{RegistryChanges, failed};
use crate::service::backend::{Backend, Note, Recovered, Supervised};
use crate::settings::SystemSettings;
use crate::wire::Duplex;

/// Processors that the fake host has.
const PROCESSORS: u32 = 4;

/// Bytes under way in one direction of a connection.
const PIPE: usize = 64 * 1024;

pub(super) struct FakeBackend {
    script: Script,
}

impl FakeBackend {
    pub(super) const fn new(script: Script) -> Self {
        Self { script }
    }
}

#[async_trait]
impl Backend for FakeBackend {
    fn processors(&self) -> u32 {
        PROCESSORS
    }

    async fn prepare(
        &self,
        plan: &SystemPlan,
        _document: &hcs::ComputeSystem,
        _settings: &SystemSettings,
    ) -> Result<Arc<dyn Supervised>> {
        if let Some(error) = self.script.take_create_failure() {
            return Err(error);
        }
        let silo = FakeSilo::new(&plan.id, self.script.clone(), plan.limits.clone());
        self.script.add(&plan.id, silo.clone());
        Ok(Arc::new(FakeSupervised {
            id: plan.id.clone(),
            script: self.script.clone(),
            silo,
            socket: Mutex::default(),
        }))
    }

    async fn open_files(&self, plan: &SystemPlan, _runs: bool) -> Result<PathBuf> {
        let drive = self.script.drive_of(&plan.id);
        drive.and_then(|drive| drive.listen()).map_err(|source| {
            let operation = format!("OpenFiles {}", plan.id);
            Error::new(ErrorKind::Host, operation, "cannot open the drive").with_source(source)
        })
    }

    async fn registry_changes(&self, plan: &SystemPlan, _runs: bool) -> Result<RegistryChanges> {
        let operation = || format!("RegistryChanges {}", plan.id);
        let registry = self.script.registry_of(&plan.id).map_err(|source| {
            let message = "cannot make the registry";
            Error::new(ErrorKind::Host, operation(), message).with_source(source)
        })?;
        registry
            .changes()
            .map_err(|error| failed(operation(), error))
    }

    async fn recover(&self) -> Result<Vec<Recovered>> {
        Ok(Vec::new())
    }
}

struct FakeSupervised {
    id: String,
    script: Script,
    silo: Arc<FakeSilo>,
    socket: Mutex<Option<Socket>>,
}

/// A listening socket; goes away with its system.
struct Socket {
    directory: PathBuf,
    server: tokio::task::JoinHandle<()>,
}

impl Socket {
    fn listen(silo: Arc<FakeSilo>) -> io::Result<Self> {
        let unique = format!(
            "porthole-fake-{}-{:p}",
            std::process::id(),
            Arc::as_ptr(&silo)
        );
        let directory = std::env::temp_dir().join(unique);
        std::fs::create_dir(&directory)?;
        let listener = UnixListener::bind(directory.join("s"))?;
        let server = tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(silo.clone(), Box::new(stream)));
            }
        });
        Ok(Self { directory, server })
    }
}

impl Drop for Socket {
    fn drop(&mut self) {
        self.server.abort();
        let _ = std::fs::remove_dir_all(&self.directory);
    }
}

#[async_trait]
impl Supervised for FakeSupervised {
    async fn connect(&self) -> io::Result<Box<dyn Duplex>> {
        if *self.silo.dead.borrow() {
            return Err(io::ErrorKind::ConnectionRefused.into());
        }
        let (ours, theirs) = tokio::io::duplex(PIPE);
        tokio::spawn(serve(self.silo.clone(), Box::new(theirs)));
        Ok(Box::new(ours))
    }

    async fn socket(&self) -> io::Result<PathBuf> {
        let mut socket = self.socket.lock().unwrap_or_else(PoisonError::into_inner);
        let socket = match &mut *socket {
            Some(socket) => socket,
            none => none.insert(Socket::listen(self.silo.clone())?),
        };
        Ok(socket.directory.join("s"))
    }

    async fn is_supervised(&self) -> io::Result<bool> {
        Ok(!*self.silo.dead.borrow())
    }

    fn note(&self, _note: &Note) -> io::Result<()> {
        Ok(())
    }

    async fn forget(&self, _keys: BTreeSet<u32>) -> io::Result<()> {
        Ok(())
    }

    async fn keep_limits(&self, _limits: &Limits) -> io::Result<()> {
        Ok(())
    }

    async fn exit_record(&self) -> io::Result<Option<ExitRecord>> {
        Ok(self.silo.record())
    }

    async fn abandon(&self, _record: &ExitRecord) {
        self.silo.kill();
    }

    async fn discard(&self) -> io::Result<()> {
        self.script.remove(&self.id);
        self.socket
            .lock()
            .unwrap_or_else(PoisonError::into_inner)
            .take();
        Ok(())
    }
}
