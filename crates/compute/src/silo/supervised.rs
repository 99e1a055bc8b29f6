//! A system with its run directory and its supervisor.

use std::collections::BTreeSet;
use std::io;
use std::path::PathBuf;

use async_trait::async_trait;
use porthole_protocol::supervisor::{ExitRecord, Limits};
use rustix::io::Errno;
use tokio::time::Instant;

use super::directory::RunDirectory;
use super::leftovers;
use crate::service::backend::{Note, Supervised};
use crate::socket;
use crate::timeout;
use crate::wire::Duplex;

#[derive(Debug)]
pub(super) struct SiloSupervised {
    pub(super) id: String,
    pub(super) directory: RunDirectory,
}

impl SiloSupervised {
    /// Does blocking work with the run directory.
    async fn blocking<T: Send + 'static>(
        &self,
        work: impl FnOnce(&RunDirectory) -> io::Result<T> + Send + 'static,
    ) -> io::Result<T> {
        let directory = self.directory.clone();
        tokio::task::spawn_blocking(move || work(&directory))
            .await
            .unwrap_or_else(|error| Err(io::Error::other(error)))
    }
}

/// Whether there may be a connection a moment later: descriptors or memory have run out, or too
/// many wait for the supervisor to take theirs.
fn is_scarcity(error: &io::Error) -> bool {
    let scarce = [
        Errno::AGAIN,
        Errno::MFILE,
        Errno::NFILE,
        Errno::NOBUFS,
        Errno::NOMEM,
    ];
    Errno::from_io_error(error).is_some_and(|number| scarce.contains(&number))
}

#[async_trait]
impl Supervised for SiloSupervised {
    async fn connect(&self) -> io::Result<Box<dyn Duplex>> {
        let (path, deadline) = (self.directory.socket(), Instant::now() + timeout::SCARCE);
        loop {
            match socket::connect(&path).await {
                Ok(stream) => return Ok(Box::new(stream)),
                Err(error) if is_scarcity(&error) && Instant::now() < deadline => {
                    tokio::time::sleep(timeout::POLL * 10).await;
                }
                Err(error) => return Err(error),
            }
        }
    }

    async fn socket(&self) -> io::Result<PathBuf> {
        Ok(self.directory.socket())
    }

    async fn is_supervised(&self) -> io::Result<bool> {
        let looked = self.blocking(|directory| directory.is_supervised());
        match looked.await {
            Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(false),
            looked => looked,
        }
    }

    fn note(&self, note: &Note) -> io::Result<()> {
        self.directory.note(note)
    }

    async fn forget(&self, keys: BTreeSet<u32>) -> io::Result<()> {
        self.blocking(move |directory| directory.forget(&keys))
            .await
    }

    async fn keep_limits(&self, limits: &Limits) -> io::Result<()> {
        let limits = limits.clone();
        self.blocking(move |directory| {
            let mut spec = directory.spec()?;
            spec.limits = limits;
            directory.write_spec(&spec)
        })
        .await
    }

    async fn exit_record(&self) -> io::Result<Option<ExitRecord>> {
        self.blocking(|directory| directory.exit_record()).await
    }

    async fn abandon(&self, record: &ExitRecord) {
        let mut record = record.clone();
        let ended = self.blocking(move |directory| {
            let ended = leftovers::end(directory);
            let said = directory.log_tail();
            if let Some(error) = record.error.as_mut().filter(|_| !said.is_empty()) {
                error.push_str("; it said: ");
                error.push_str(&said);
            }
            // Written even so: the system is over.
            directory.write_exit_record(&record)?;
            ended
        });
        if let Err(error) = ended.await {
            tracing::error!(system = self.id, %error, "cannot end what the supervisor left");
        }
    }

    async fn discard(&self) -> io::Result<()> {
        self.blocking(|directory| {
            if directory.path().exists()
                && leftovers::await_unsupervised(directory, timeout::REQUEST).is_err()
            {
                leftovers::end(directory)?;
            }
            leftovers::remove_cgroup(directory)?;
            directory.remove()
        })
        .await
    }
}
